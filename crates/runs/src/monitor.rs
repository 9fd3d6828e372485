//! The process that waits for a worker's end, one a run. It hands on what it is asked, leaves word where the worker could
//! not, starts the next in the queue, and tells whoever wants to know. It outlives every dashboard.

mod log;
mod memory;
mod notice;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, ExitStatus};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use self::log::say;
use crate::event_log::EventWriter;
use crate::launcher::{self, Handle, MONITOR, MONITORED_BY, Programs, Request, local};
use crate::queue::Queue;
use crate::run::{RunDir, RunId};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use warmstart_schema::event::{Event, now};
use warmstart_schema::exit::Exit;
use warmstart_schema::state::Outcome;

/// How long the last word waits for a lock that somebody looks at, and for a disk that is full.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// A run and what carries it out.
#[derive(Debug)]
struct Monitor {
    run: RunDir,
    root: PathBuf,
    id: RunId,
    programs: Programs,
}

/// Starts `worker` on the run in `folder` and waits for its end; then does what is to be done. The worker's exit code, or 4
/// where it could not be started. `notify` names the command that gets the run at its end; the settings are read then.
pub fn run(worker: &Path, folder: &Path, notify: fn() -> Option<String>) -> ExitCode {
    let Some(monitor) = Monitor::new(worker, folder) else {
        say(&format!("{} is no run folder", folder.display()));
        return ExitCode::from(2);
    };
    let code = monitor.watch();
    monitor.run.release_reserve();
    for failure in Queue::new(&monitor.root).start_next(&monitor.programs, &monitor.id) {
        say(&failure);
    }
    if let Some(command) = notify() {
        notice::send(&monitor.root, &monitor.id, &command);
    }
    code
}

impl Monitor {
    fn new(worker: &Path, folder: &Path) -> Option<Self> {
        let id = folder.file_name()?.to_str()?.parse().ok()?;
        let root = folder.parent()?.to_path_buf();
        let programs = Programs {
            worker: worker.to_path_buf(),
            monitor: std::env::current_exe().ok(),
        };
        // A build in between replaces the program: the new one lies at the same place.
        let programs = Programs::find().map_or(programs, |found| Programs {
            worker: worker.to_path_buf(),
            ..found
        });
        Some(Self {
            run: RunDir::new(folder),
            root,
            id,
            programs,
        })
    }

    /// Waits for the worker's end, and leaves word where it did not.
    fn watch(&self) -> ExitCode {
        if let Err(error) = self.run.reserve() {
            say(&format!(
                "no room could be put aside for the last word: {error}"
            ));
        }
        let (began, killed) = (now(), memory::killed());
        let (exit, code) = match self.start() {
            Ok(mut child) => match child.wait() {
                Ok(status) => (
                    Exit::of(status, memory::killed() > killed),
                    exit_code(status),
                ),
                // Not this process's child any more: what can be known then is what the worker itself said.
                Err(error) => {
                    say(&format!("the worker's end cannot be waited for: {error}"));
                    return ExitCode::FAILURE;
                }
            },
            Err(error) => {
                // Every other run would meet the same end: none is used up for nothing.
                let reason = format!(
                    "{} cannot be started: {error}",
                    self.programs.worker.display()
                );
                if let Err(error) = Queue::new(&self.root).pause(&reason) {
                    say(&format!("the queue cannot be paused: {error}"));
                }
                (Exit::not_started(reason), ExitCode::from(4))
            }
        };
        if let Err(error) = self.leave_word(&exit, began) {
            say(&format!(
                "no word could be left of the worker's end ({exit:?}): {error}"
            ));
        }
        code
    }

    fn start(&self) -> io::Result<Child> {
        let asked = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP])?;
        let worker: Arc<OnceLock<Handle>> = Arc::default();
        thread::spawn({
            let worker = Arc::clone(&worker);
            move || hand_on(asked, &worker)
        });
        let child = launcher::training(&self.programs.worker, &self.run)
            .env(MONITORED_BY, std::process::id().to_string())
            .spawn()?;
        // Set once: nobody else does.
        let _ = worker.set(local::process(child.id()));
        Ok(child)
    }

    /// Tells how the worker ended, unless it told so itself.
    fn leave_word(&self, exit: &Exit, began: f64) -> io::Result<()> {
        let Some(lock) = self.run.lock_within(PATIENCE)? else {
            // Taken up again already: that attempt has the log.
            return Ok(());
        };
        let state = self.run.state()?;
        let has_spoken =
            state.outcome.is_some() && state.last_event.is_some_and(|last| last >= began);
        let was_done =
            exit.code == Some(0) && matches!(state.outcome, Some(Outcome::Finished { .. }));
        if !has_spoken && !was_done {
            self.append(&Event::Exit(exit.clone()))?;
        }
        drop(lock);
        Ok(())
    }

    fn append(&self, event: &Event) -> io::Result<()> {
        let mut writer = EventWriter::open(&self.run.events())?;
        let Err(mut error) = writer.write(event) else {
            return writer.sync();
        };
        // The room that was put aside for this.
        self.run.release_reserve();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match writer.flush() {
                Ok(()) => return writer.sync(),
                Err(again) => error = again,
            }
            thread::sleep(PAUSE);
        }
        Err(error)
    }
}

/// Hands requests on to the worker: it is the one that can save.
fn hand_on(mut asked: Signals, worker: &OnceLock<Handle>) {
    for signal in asked.forever() {
        let request = match signal {
            // A run outlives the terminal that it was started from.
            SIGHUP => continue,
            SIGQUIT => Request::StopNow,
            _ => Request::Stop,
        };
        // Asked in the moment before the worker is there: it is there in the next.
        let deadline = Instant::now() + PATIENCE;
        while worker.get().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(Err(error)) = worker.get().map(|worker| launcher::ask(worker, request)) {
            say(&format!("the worker cannot be asked to stop: {error}"));
        }
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The arguments of this program when it was started as a monitor.
pub fn arguments(arguments: &[OsString]) -> Option<(PathBuf, PathBuf)> {
    match arguments {
        [_, verb, worker, folder] if verb == MONITOR => Some((worker.into(), folder.into())),
        _ => None,
    }
}
