//! The lock of a run, which is also its heartbeat.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::RunDir;

/// How often to try a lock before the run counts as taken, and how long to wait in between.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Locks an open file for this process, and retries for `patience` while another process holds it.
pub(crate) fn lock_file_within(file: &File, patience: Duration) -> Result<(), TryLockError> {
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(LOCK_PAUSE);
            }
            other => return other,
        }
    }
}

/// The worker holds it for its whole life; the system releases it however the worker ends.
#[derive(Debug)]
pub struct RunLock(
    #[expect(
        dead_code,
        reason = "held, not read: closing the file gives the lock back"
    )]
    File,
);

impl RunDir {
    /// The file that a worker locks for its whole life.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.path.join("run.lock")
    }

    /// Locks the run for this process; `None` if another worker has it. A process that checks the lock holds it for a moment, so
    /// one refusal does not count.
    pub fn lock(&self) -> io::Result<Option<RunLock>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.lock_file())?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(RunLock(file))),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Locks the run for this process, and retries for `patience` while another process has it.
    pub fn lock_within(&self, patience: Duration) -> io::Result<Option<RunLock>> {
        let deadline = Instant::now() + patience;
        loop {
            match self.lock()? {
                None if Instant::now() < deadline => std::thread::sleep(LOCK_PAUSE),
                other => return Ok(other),
            }
        }
    }

    /// Sends a heartbeat, by the time of `run.lock`.
    pub fn touch(&self) -> io::Result<()> {
        File::open(self.lock_file())?.set_modified(std::time::SystemTime::now())
    }

    /// Time of the last heartbeat.
    pub fn touched(&self) -> Option<std::time::SystemTime> {
        fs::metadata(self.lock_file())
            .and_then(|meta| meta.modified())
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_held(run: &RunDir) -> bool {
        crate::launcher::is_held(run, None)
    }

    #[test]
    fn lock_excludes_a_second_one_until_its_holder_ends() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path());
        assert!(!is_held(&run));
        let lock = run.lock().unwrap();
        assert!(lock.is_some() && is_held(&run));
        assert!(run.lock().unwrap().is_none());
        drop(lock);
        assert!(!is_held(&run) && run.lock().unwrap().is_some());
    }

    #[test]
    fn checks_of_the_lock_never_keep_a_worker_from_taking_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::new(folder.path());
        drop(run.lock().unwrap());
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    is_held(&run);
                }
            });
            // Long enough that both threads run at the same time on a busy machine.
            let began = std::time::Instant::now();
            let mut refused = 0;
            while began.elapsed() < Duration::from_millis(500) {
                refused += u32::from(run.lock().unwrap().is_none());
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(refused, 0);
        });
    }
}
