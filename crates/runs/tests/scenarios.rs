//! Each log in `scenarios` has its expected state beside it. `WARMSTART_BLESS=1` writes the states again; read the difference.

use std::fs;
use std::path::{Path, PathBuf};

use warmstart_runs::event_log::EventReader;
use warmstart_schema::event::Record;
use warmstart_schema::state::{FrozenProof, Liveness, RunState};

fn logs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut logs: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .collect();
    logs.sort_unstable();
    logs
}

fn state(log: &Path) -> std::io::Result<RunState> {
    let mut reader = EventReader::new(log.to_path_buf());
    let mut state = RunState::default();
    loop {
        let poll = reader.poll()?;
        poll.records
            .into_iter()
            .for_each(|record| state.apply(record));
        state.damaged_lines += poll.damaged;
        if !poll.more {
            return Ok(state);
        }
    }
}

/// The state as text.
fn described(state: &RunState) -> String {
    let mut out = Vec::new();
    let mut say = |name: &str, value: String| out.push(format!("{name}: {value}\n"));
    for (name, liveness) in [
        ("free", Liveness::Free),
        ("held", Liveness::Held),
        ("started", Liveness::Started),
        ("queued", Liveness::Queued(2)),
    ] {
        let status = state.status(liveness);
        let resumable = if status.is_resumable() {
            ", can be resumed"
        } else {
            ""
        };
        say(name, format!("{}{resumable}", status.as_str()));
    }
    if let Some(attempt) = &state.attempt {
        let from = attempt
            .resumed_from
            .map_or_else(|| "the start".to_owned(), |step| format!("step {step}"));
        say(
            "attempt",
            format!(
                "{} of {} epochs, from {from}, not exact: {:?}",
                attempt.number, attempt.epochs, attempt.not_exact
            ),
        );
    }
    if let Some(fetch) = &state.fetch {
        say("fetch", format!("{fetch:?}"));
    }
    for epoch in &state.epochs {
        let best = if epoch.best { ", best" } else { "" };
        say(
            "epoch",
            format!(
                "{} at step {}, val_loss {}{best}",
                epoch.epoch, epoch.step, epoch.val_loss
            ),
        );
    }
    say(
        "batches",
        format!(
            "{:?}",
            state
                .batches
                .iter()
                .map(|progress| progress.batch.step)
                .collect::<Vec<_>>()
        ),
    );
    say("resumes", format!("{:?}", state.resumes));
    say(
        "best epoch",
        format!("{:?}", state.best_epoch().map(|epoch| epoch.epoch)),
    );
    say(
        "checkpoint",
        format!(
            "{:?}",
            state
                .checkpoint
                .as_ref()
                .map(|(_, checkpoint)| checkpoint.step)
        ),
    );
    say("train time", format!("{:?}", state.train_time()));
    say("time left", format!("{:?}", state.time_left()));
    say(
        "test",
        format!(
            "{:?}",
            state.test.as_ref().map(|test| (test.epoch, test.accuracy))
        ),
    );
    say(
        "frozen unchanged",
        format!("{:?}", state.frozen.as_ref().map(FrozenProof::unchanged)),
    );
    say(
        "notes",
        format!(
            "{:?}",
            state
                .notes
                .iter()
                .map(|note| &note.text)
                .collect::<Vec<_>>()
        ),
    );
    say("outcome", format!("{:?}", state.outcome));
    say("damaged lines", state.damaged_lines.to_string());
    out.concat()
}

#[test]
fn scenarios_reach_the_recorded_state() {
    let logs = logs();
    assert!(logs.len() > 10);
    let mut wrong = Vec::new();
    for log in logs {
        let (said, beside) = (
            described(&state(&log).unwrap()),
            log.with_extension("expected.txt"),
        );
        if std::env::var_os("WARMSTART_BLESS").is_some() {
            fs::write(&beside, &said).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if said != expected {
            wrong.push(format!(
                "{}\nexpected:\n{expected}\nis:\n{said}",
                log.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn fast_and_full_parser_agree_on_all_scenarios() {
    let mut lines = 0;
    for log in logs() {
        for line in fs::read(&log).unwrap().split(|&byte| byte == b'\n') {
            let (quick, general) = (
                Record::parse(line).ok(),
                serde_json::from_slice::<Record>(line).ok(),
            );
            // Compared as text, because NaN does not equal NaN.
            assert_eq!(
                format!("{quick:?}"),
                format!("{general:?}"),
                "{}",
                String::from_utf8_lossy(line)
            );
            lines += 1;
        }
    }
    assert!(lines > 100, "{lines}");
}

#[test]
fn charts_never_run_backwards() {
    for log in logs() {
        let mut reader = EventReader::new(log.clone());
        let mut state = RunState::default();
        for record in reader.poll().unwrap().records {
            state.apply(record);
            let steps: Vec<u64> = state
                .batches
                .iter()
                .map(|progress| progress.batch.step)
                .collect();
            assert!(steps.is_sorted(), "{}: {steps:?}", log.display());
            let epochs: Vec<(u32, u64)> = state
                .epochs
                .iter()
                .map(|epoch| (epoch.epoch, epoch.step))
                .collect();
            assert!(
                epochs.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1),
                "{}: {epochs:?}",
                log.display()
            );
        }
    }
}

#[test]
fn reading_in_pieces_gives_the_same_state() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("events.jsonl");
    for log in logs() {
        let bytes = fs::read(&log).unwrap();
        let mut reader = EventReader::new(copy.clone());
        let mut pieces = RunState::default();
        fs::write(&copy, "").unwrap();
        reader.poll().unwrap();
        for end in (0..bytes.len()).step_by(97).chain([bytes.len()]) {
            // The same file grows; it is never replaced.
            let mut file = fs::OpenOptions::new().append(true).open(&copy).unwrap();
            let written = usize::try_from(file.metadata().unwrap().len()).unwrap();
            std::io::Write::write_all(&mut file, &bytes[written..end]).unwrap();
            let poll = reader.poll().unwrap();
            poll.records
                .into_iter()
                .for_each(|record| pieces.apply(record));
            pieces.damaged_lines += poll.damaged;
        }
        assert_eq!(
            described(&pieces),
            described(&state(&log).unwrap()),
            "{}",
            log.display()
        );
        fs::remove_file(&copy).unwrap();
    }
}
