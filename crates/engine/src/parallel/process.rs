//! A rank that is another process.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::link::Link;
use super::memory::Memory;

/// How often to look whether the process has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The child process of a rank. Dropping this kills it.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Starts it with its end of the link as standard input, and the memory as standard output.
    pub(super) fn start(mut command: Command, link: Link, memory: Memory) -> Result<Self> {
        let child = command
            .stdin(Stdio::from(link.into_socket()))
            .stdout(Stdio::from(memory.into_file()))
            .spawn()?;
        Ok(Self(child))
    }

    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end and says how it ended; `None` if it still runs at the deadline, or cannot be waited for.
    pub(super) fn wait_until(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK_AGAIN),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, or has nothing to lose: only rank 0 saves.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
