//! Runs the user's command at the end of a run, with the run as JSON on its standard input.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::event_log::EventWriter;
use crate::run::{RunDir, RunId};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use warmstart_schema::event::{Event, FailureKind, Level};
use warmstart_schema::state::{Outcome, Status};

use super::log::say;
use crate::run_json;
use crate::store::{Run, Runs, Watcher};

/// How long the command may take.
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Runs the user's command if the run's end is worth a notice. Logs a failure of the command as a note.
pub(super) fn send(root: &Path, id: &RunId, command: &str) {
    let mut runs = Runs::default();
    for change in Watcher::of(root, id) {
        runs.apply(change);
    }
    let Some(run) = runs.get(id) else { return };
    let Some(event) = event(run) else { return };
    let mut json = run_json::read(root, run);
    if let Some(object) = json.as_object_mut() {
        object.insert("event".to_owned(), Value::from(event));
    }
    if let Err(error) = call(command, &json.to_string(), LIMIT) {
        let text = format!("the command for the run's end failed: {error}");
        say(&text);
        note(&RunDir::of(root, id), text);
    }
}

/// The name of the run's end for the command; none if the user or the halving of its group stopped the run, or if it continues.
fn event(run: &Run) -> Option<&'static str> {
    // A finished run stays finished after an attempt that brought nothing new; the notice is about that attempt.
    match run.state.setback.as_ref().or(run.state.outcome.as_ref()) {
        Some(Outcome::Finished { .. }) => Some("finished"),
        Some(Outcome::Failed {
            kind: FailureKind::NonFinite,
            ..
        }) => Some("not_a_number"),
        Some(Outcome::Failed { .. }) => Some("failed"),
        Some(Outcome::Stopped | Outcome::Paused | Outcome::Halved) => None,
        // No end is logged. If the run is not lost, another process has resumed it by now.
        None => (run.status() == Status::Lost).then_some("lost"),
    }
}

/// Runs a shell command with a text on its standard input, in a new process group, for at most `limit`.
fn call(command: &str, input: &str, limit: Duration) -> Result<(), String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("`{command}` does not start: {error}"))?;
    let stdin = child.stdin.take();
    let input = input.to_owned();
    // Write on another thread: a command that does not read must not block this one.
    thread::spawn(move || {
        // Ignore errors: the command may read only a part, or nothing.
        let _ = stdin.map(|mut stdin| writeln!(stdin, "{input}"));
    });
    let deadline = Instant::now() + limit;
    let status: ExitStatus = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(PAUSE),
            Ok(None) => {
                // It may end in this moment; then there is nothing to kill.
                let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                let _ = child.wait();
                return Err(format!(
                    "`{command}` took longer than {} s and was killed",
                    limit.as_secs()
                ));
            }
            Err(error) => return Err(format!("cannot wait for `{command}`: {error}")),
        }
    };
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{command}` ended with {status}"))
    }
}

/// Logs a note in the run, unless a worker resumed it.
fn note(run: &RunDir, text: String) {
    let noted = run.lock().and_then(|lock| match lock {
        Some(_lock) => EventWriter::open(&run.events())?.write(&Event::Note {
            level: Level::Warning,
            text,
        }),
        None => Ok(()),
    });
    if let Err(error) = noted {
        say(&format!("cannot log this in the run: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher;

    const ID: &str = "a";

    /// A run whose log has these events.
    fn logged(root: &Path, events: &[Event]) -> RunDir {
        let dir = RunDir::of(root, &ID.parse().unwrap());
        std::fs::create_dir(dir.path()).unwrap();
        let info = serde_json::json!({
            "format": 1, "id": ID, "experiment": "a", "group": "g", "stem": "s", "source": "s.yaml",
            "created": "2026-01-01T00:00:00Z", "device": "cpu",
        });
        dir.write_info(&serde_json::from_value(info).unwrap())
            .unwrap();
        let mut log = EventWriter::open(&dir.events()).unwrap();
        for event in events {
            log.write(event).unwrap();
        }
        dir
    }

    fn attempt(number: u32) -> Event {
        let attempt = serde_json::json!({
            "event": "attempt", "number": number, "worker": launcher::current(), "host": "h", "device": "cpu", "device_name": "d",
            "device_reason": "r", "threads": 2, "libtorch": "2", "epochs": 3, "resumed_from": null, "heartbeat": 10,
        });
        serde_json::from_value(attempt).unwrap()
    }

    fn seen(root: &Path) -> Option<&'static str> {
        let id = ID.parse().unwrap();
        let mut runs = Runs::default();
        for change in Watcher::of(root, &id) {
            runs.apply(change);
        }
        event(runs.get(&id).unwrap())
    }

    #[test]
    fn a_run_that_was_resumed_meanwhile_is_not_lost() {
        let root = tempfile::tempdir().unwrap();
        let dir = logged(root.path(), &[attempt(2)]);
        let worker = dir.lock().unwrap().unwrap();
        assert_eq!(seen(root.path()), None);
        drop(worker);
        assert_eq!(seen(root.path()), Some("lost"));
    }

    #[test]
    fn the_notice_after_an_extension_is_about_the_extension() {
        let finished = || Event::Finished {
            train_time: 1.0,
            stopped_early: false,
        };
        let failed = |kind| Event::Failed {
            kind,
            error: "it failed".to_owned(),
            help: String::new(),
        };
        let stopped = Event::Stopped {
            step: 5,
            train_time: 1.0,
        };
        for (end, expected) in [
            (finished(), Some("finished")),
            (failed(FailureKind::Disk), Some("failed")),
            (failed(FailureKind::NonFinite), Some("not_a_number")),
            (stopped, None),
        ] {
            let root = tempfile::tempdir().unwrap();
            let events = [attempt(1), finished(), attempt(2), end];
            logged(root.path(), &events);
            assert_eq!(seen(root.path()), expected, "{events:?}");
        }
    }

    #[test]
    fn a_command_gets_the_text_and_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("got");
        call(&format!("cat > '{}'", file.display()), "{\"a\":1}", LIMIT).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"a\":1}\n");
        // The text is longer than a pipe's buffer, and the command reads none of it.
        call("exit 0", &"x".repeat(1 << 20), LIMIT).unwrap();
        assert!(
            call("exit 3", "", LIMIT)
                .unwrap_err()
                .contains("exit status: 3")
        );
        let began = Instant::now();
        let error = call("sleep 60 & sleep 60", "", Duration::from_millis(100)).unwrap_err();
        assert!(
            error.contains("was killed") && began.elapsed() < Duration::from_secs(10),
            "{error}"
        );
    }
}
