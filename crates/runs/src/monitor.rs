//! The monitor: one process per run that waits for its worker's end. It passes requests to the worker, logs the cause of an end
//! that the worker could not log, starts the next run in the queue, and runs the user's command. It outlives every dashboard.

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
use crate::event_log::{EventReader, EventWriter};
use crate::launcher::{self, Handle, MONITOR, MONITORED_BY, Programs, Request, local};
use crate::queue::Queue;
use crate::run::{RunDir, RunId};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use warmstart_schema::event::Event;
use warmstart_schema::exit::Exit;
use warmstart_schema::state::Outcome;

/// How long the monitor tries to log the end while the lock is held or the disk is full.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// A run and its programs.
#[derive(Debug)]
struct Monitor {
    run: RunDir,
    root: PathBuf,
    id: RunId,
    programs: Programs,
}

/// Starts `worker` on the run in `folder`, waits for its end, logs it and starts the next run. Returns the worker's exit code; 4 if
/// it did not start, 1 if a signal ended it, 2 if `folder` is no run folder. `notify` names the command that gets the run at its end;
/// the settings are read then.
pub fn run(worker: &Path, folder: &Path, notify: fn() -> Option<String>) -> ExitCode {
    let Some(monitor) = Monitor::new(worker, folder) else {
        say(&format!("{} is no run folder", folder.display()));
        return ExitCode::from(2);
    };
    let code = monitor.watch();
    monitor.run.release_reserve();
    // It may have a worker again as soon as the queue advances.
    let is_paused = monitor
        .run
        .state()
        .is_ok_and(|state| state.outcome == Some(Outcome::Paused));
    for failure in Queue::new(&monitor.root).start_next(&monitor.programs, &monitor.id) {
        say(&failure);
    }
    if let Some(command) = notify().filter(|_| !is_paused) {
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
        // After a new build, `current_exe` names a file that is gone; its successor has the same path.
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

    /// Waits for the worker's end, and logs it if the worker did not.
    fn watch(&self) -> ExitCode {
        if let Err(error) = self.run.reserve() {
            say(&format!(
                "cannot reserve disk space for the end of the log: {error}"
            ));
        }
        let (log, killed) = (EventReader::at_end(self.run.events()), memory::killed());
        let (exit, code) = match self.start() {
            Ok(mut child) => match child.wait() {
                Ok(status) => (
                    Exit::of(status, memory::killed() > killed),
                    exit_code(status),
                ),
                // The worker is no child of this process any more, so only its log says how it ended.
                Err(error) => {
                    say(&format!("cannot wait for the worker's end: {error}"));
                    return ExitCode::FAILURE;
                }
            },
            Err(error) => {
                let reason = format!("{error}: {}", self.programs.worker.display());
                // Pause the queue: every other run would fail in the same way.
                let paused = format!("the worker cannot be started: {reason}");
                if let Err(error) = Queue::new(&self.root).pause(&paused) {
                    say(&format!("cannot pause the queue: {error}"));
                }
                (Exit::not_started(reason), ExitCode::from(4))
            }
        };
        if let Err(error) = self.log_end(&exit, log) {
            say(&format!("cannot log the worker's end ({exit:?}): {error}"));
        }
        code
    }

    fn start(&self) -> io::Result<Child> {
        let asked = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP])?;
        let worker: Arc<OnceLock<Handle>> = Arc::default();
        thread::spawn({
            let worker = Arc::clone(&worker);
            move || forward_signals(asked, &worker)
        });
        let child = launcher::training(&self.programs.worker, &self.run)
            .env(MONITORED_BY, std::process::id().to_string())
            .spawn()?;
        // Set once; nothing else writes it.
        let _ = worker.set(local::process(child.id()));
        Ok(child)
    }

    /// Logs how the worker ended, unless the worker did. `log` reads on from where the log ended before the worker's start: times do
    /// not tell what is new, because clocks are set.
    fn log_end(&self, exit: &Exit, log: EventReader) -> io::Result<()> {
        let Some(lock) = self.run.lock_within(PATIENCE)? else {
            // Another attempt already resumed the run and owns the log.
            return Ok(());
        };
        let state = self.run.state()?;
        let has_spoken = state.outcome.is_some() && log.has_end()?;
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
        // Frees the disk space that was reserved for this.
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

/// Passes signals to the worker, because only the worker can save.
fn forward_signals(mut asked: Signals, worker: &OnceLock<Handle>) {
    for signal in asked.forever() {
        let request = match signal {
            // A run outlives the terminal that it was started from.
            SIGHUP => continue,
            SIGQUIT => Request::StopNow,
            _ => Request::Stop,
        };
        // The request may come before the worker is there.
        let deadline = Instant::now() + PATIENCE;
        while worker.get().is_none() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(Err(error)) = worker.get().map(|worker| launcher::ask(worker, request)) {
            say(&format!("cannot ask the worker to stop: {error}"));
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

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    use warmstart_schema::event::{FailureKind, Record, now};

    use super::*;

    /// A line of a log: an attempt failed so many seconds from now.
    fn failed(later: f64) -> String {
        let event = Event::Failed {
            kind: FailureKind::Disk,
            error: "the disk is full".to_owned(),
            help: String::new(),
        };
        let t = now() + later;
        serde_json::to_string(&Record { t, event }).unwrap() + "\n"
    }

    #[test]
    fn a_clock_that_is_set_hides_no_end_and_invents_none() {
        for (earlier, own, exits) in [
            // The clock was ahead during the attempt before. This worker logged nothing.
            (failed(3600.0), String::new(), 1),
            // The clock was set back while this worker ran.
            (failed(-7200.0), failed(-3600.0), 0),
        ] {
            let root = tempfile::tempdir().unwrap();
            let id: RunId = "a".parse().unwrap();
            let run = RunDir::of(root.path(), &id);
            fs::create_dir(run.path()).unwrap();
            fs::write(run.events(), earlier).unwrap();
            let log = EventReader::at_end(run.events());
            let mut file = OpenOptions::new().append(true).open(run.events()).unwrap();
            file.write_all(own.as_bytes()).unwrap();
            let monitor = Monitor {
                run: run.clone(),
                root: root.path().to_path_buf(),
                id,
                programs: Programs {
                    worker: PathBuf::new(),
                    monitor: None,
                },
            };
            let exit = Exit {
                code: Some(1),
                ..Exit::default()
            };
            monitor.log_end(&exit, log).unwrap();
            let logged = EventReader::new(run.events()).poll().unwrap().records;
            let is_exit = |record: &&Record| matches!(record.event, Event::Exit(_));
            assert_eq!(logged.iter().filter(is_exit).count(), exits, "{logged:?}");
        }
    }
}
