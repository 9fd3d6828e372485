//! Watches runs in folders that change.

use std::fs;

use crate::event_log::EventWriter;
use crate::launcher::local::tests::changed;
use crate::launcher::{self, Handle, Request};
use crate::queue::{Active, Entry, Push};
use warmstart_schema::event::{self, Event, Phase};
use warmstart_schema::state::{Liveness, Status};

use super::*;
use crate::store::Runs;

fn run(root: &Path, id: &str, events: &[Event]) -> RunDir {
    let dir = RunDir::of(root, &id.parse().unwrap());
    fs::create_dir_all(dir.path()).unwrap();
    let info = serde_json::json!({
        "format": 1, "id": id, "experiment": id, "group": "g", "stem": "s", "source": "s.yaml",
        "created": "2026-01-01T00:00:00Z", "device": "cpu",
    });
    dir.write_info(&serde_json::from_value(info).unwrap())
        .unwrap();
    append(&dir, events);
    dir
}

fn append(dir: &RunDir, events: &[Event]) {
    let mut log = EventWriter::open(&dir.events()).unwrap();
    for event in events {
        log.write(event).unwrap();
    }
}

fn finished() -> Event {
    Event::Finished {
        train_time: 1.0,
        stopped_early: false,
    }
}

fn poll(watcher: &mut Watcher, runs: &mut Runs) -> usize {
    let changes = watcher.poll();
    let count = changes.len();
    for change in changes {
        runs.apply(change);
    }
    count
}

fn status(runs: &Runs, id: &str) -> Status {
    runs.get(&id.parse().unwrap()).unwrap().status()
}

#[test]
fn runs_are_watched_from_the_queue_to_their_end() {
    let root = tempfile::tempdir().unwrap();
    let dir = run(root.path(), "a", &[]);
    let queue = Queue::new(root.path());
    let entry = Entry {
        run: "a".parse().unwrap(),
        stem: "s".to_owned(),
        slot: "cpu".to_owned(),
        after: None,
        file: None,
        after_file: None,
    };
    assert_eq!(queue.push(entry.clone()).unwrap(), Push::Queued);
    let (mut watcher, mut runs) = (Watcher::new(root.path()), Runs::default());
    poll(&mut watcher, &mut runs);
    assert_eq!(status(&runs, "a"), Status::Queued(1));
    let active = Active {
        entry,
        worker: launcher::current(),
        since: 0,
    };
    let content = queue::Content {
        active: vec![active],
        ..queue::Content::default()
    };
    fs::write(
        root.path().join("queue.json"),
        serde_json::to_vec(&content).unwrap(),
    )
    .unwrap();
    poll(&mut watcher, &mut runs);
    assert_eq!(status(&runs, "a"), Status::Starting);
    let lock = dir.lock().unwrap().unwrap();
    poll(&mut watcher, &mut runs);
    assert_eq!(
        runs.get(&"a".parse().unwrap()).unwrap().liveness,
        Liveness::Held
    );
    append(&dir, &[finished()]);
    fs::write(
        root.path().join("queue.json"),
        "{\"waiting\":[],\"active\":[]}",
    )
    .unwrap();
    drop(lock);
    poll(&mut watcher, &mut runs);
    assert_eq!(status(&runs, "a"), Status::Finished);
    poll(&mut watcher, &mut runs);
    assert_eq!(poll(&mut watcher, &mut runs), 0, "nothing changes at rest");
}

/// The first event of a worker whose process need not exist.
fn attempt(worker: Handle, host: &str) -> Event {
    let worker = serde_json::to_value(worker).unwrap();
    let record = serde_json::json!({
        "t": event::now(), "event": "attempt", "number": 1, "worker": worker, "host": host, "device": "cpu", "device_name": "d",
        "device_reason": "r", "threads": 2, "libtorch": "2.13.0", "epochs": 3, "resumed_from": null, "heartbeat": 10,
    });
    serde_json::from_value::<warmstart_schema::event::Record>(record)
        .unwrap()
        .event
}

#[test]
fn runs_are_lost_after_a_reboot_and_can_be_resumed() {
    let root = tempfile::tempdir().unwrap();
    let here = launcher::local::host();
    let me = launcher::current();
    let before = changed(&me, |it| it.boot_id = "another boot".to_owned());
    for (id, worker, host) in [
        ("a", before.clone(), here.as_str()),
        ("b", before.clone(), "another-host"),
        ("c", changed(&me, |it| it.start_ticks += 1), here.as_str()),
    ] {
        run(root.path(), id, &[attempt(worker, host)]);
    }
    // The queue still lists all three runs as started. Their process id now belongs to this unrelated process.
    let active = ["a", "b", "c"].map(|id| {
        let entry = Entry {
            run: id.parse().unwrap(),
            stem: id.to_owned(),
            slot: "cpu".to_owned(),
            after: None,
            file: None,
            after_file: None,
        };
        let worker = if id == "c" {
            changed(&me, |it| it.start_ticks += 1)
        } else {
            before.clone()
        };
        Active {
            entry,
            worker,
            since: 1,
        }
    });
    let content = queue::Content {
        active: active.to_vec(),
        ..queue::Content::default()
    };
    fs::write(
        root.path().join("queue.json"),
        serde_json::to_vec(&content).unwrap(),
    )
    .unwrap();
    let (_, runs, _) = read(root.path());
    for (id, what) in [
        ("a", "the machine restarted while it ran"),
        ("b", "another-host"),
        ("c", "its monitor died"),
    ] {
        assert_eq!(status(&runs, id), Status::Lost, "{id}");
        assert!(status(&runs, id).is_resumable());
        let trouble = runs
            .get(&id.parse().unwrap())
            .unwrap()
            .trouble(event::now())
            .unwrap();
        assert!(
            trouble.what.contains(what) && trouble.help.contains("a resume "),
            "{id}: {trouble:?}"
        );
        for worker in [&before, &content.active[2].worker] {
            assert!(
                !launcher::ask(worker, Request::Stop).unwrap(),
                "no process gets a signal"
            );
        }
    }
}

#[test]
fn a_run_that_ends_while_it_is_read_is_not_lost() {
    let root = tempfile::tempdir().unwrap();
    for index in 0..300 {
        let name = format!("r{index:03}");
        let id: RunId = name.parse().unwrap();
        let begun = attempt(launcher::current(), &launcher::local::host());
        let dir = &run(root.path(), &name, &[begun]);
        let lock = dir.lock().unwrap().unwrap();
        let end = std::thread::scope(|scope| {
            scope.spawn(move || {
                append(dir, &[finished()]);
                drop(lock);
            });
            loop {
                let mut runs = Runs::default();
                for change in Watcher::of(root.path(), &id) {
                    runs.apply(change);
                }
                let now = status(&runs, &name);
                if !now.is_live() {
                    break now;
                }
            }
        });
        assert_eq!(end, Status::Finished, "{name}");
    }
}

#[test]
fn missing_heartbeat_with_events_is_only_flagged() {
    let root = tempfile::tempdir().unwrap();
    let dir = run(
        root.path(),
        "a",
        &[
            attempt(launcher::current(), "h"),
            Event::Phase {
                phase: Phase::Training,
            },
        ],
    );
    let lock = dir.lock().unwrap().unwrap();
    dir.touch().unwrap();
    let (mut watcher, mut runs, _) = read(root.path());
    let look = |watcher: &mut Watcher, runs: &mut Runs| {
        poll(watcher, runs);
        let run = runs.get(&"a".parse().unwrap()).unwrap();
        (run.liveness, run.status())
    };
    assert_eq!(
        look(&mut watcher, &mut runs),
        (Liveness::Held, Status::Active(Phase::Training))
    );
    // The last heartbeat is three intervals and a second old, but the last event is new.
    let file = fs::File::open(dir.path().join("run.lock")).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(31))
        .unwrap();
    // A dashboard that opens now sees the same.
    let (mut watcher, mut runs, _) = read(root.path());
    assert_eq!(
        look(&mut watcher, &mut runs),
        (Liveness::HeartbeatLost, Status::Active(Phase::Training))
    );
    dir.touch().unwrap();
    assert_eq!(look(&mut watcher, &mut runs).0, Liveness::Held);
    drop(lock);
    assert_eq!(look(&mut watcher, &mut runs).1, Status::Lost);
}

#[test]
fn runs_at_rest_notice_changes_and_removal() {
    let root = tempfile::tempdir().unwrap();
    let dir = run(root.path(), "a", &[finished()]);
    let (mut watcher, mut runs) = (Watcher::new(root.path()), Runs::default());
    for _ in 0..3 {
        poll(&mut watcher, &mut runs);
    }
    let lock = dir.lock().unwrap();
    append(&dir, &[Event::Stopping]);
    poll(&mut watcher, &mut runs);
    assert_eq!(
        runs.get(&"a".parse().unwrap()).unwrap().liveness,
        Liveness::Held
    );
    drop(lock);
    poll(&mut watcher, &mut runs);
    assert_eq!(
        runs.get(&"a".parse().unwrap()).unwrap().liveness,
        Liveness::Free
    );
    fs::remove_dir_all(dir.path()).unwrap();
    poll(&mut watcher, &mut runs);
    assert!(runs.is_empty());
}

#[test]
fn many_runs_at_rest_take_turns() {
    let root = tempfile::tempdir().unwrap();
    let ids: Vec<String> = (0..RESTING_PER_POLL + 10)
        .map(|index| format!("r{index:05}"))
        .collect();
    for id in &ids {
        run(root.path(), id, &[]);
    }
    let (mut watcher, mut runs) = (Watcher::new(root.path()), Runs::default());
    while runs.len() < ids.len() {
        poll(&mut watcher, &mut runs);
    }
    append(
        &RunDir::new(root.path().join(ids.last().unwrap())),
        &[finished()],
    );
    append(&RunDir::new(root.path().join(&ids[0])), &[finished()]);
    for _ in 0..3 {
        poll(&mut watcher, &mut runs);
    }
    assert_eq!(status(&runs, &ids[0]), Status::Finished);
    assert_eq!(status(&runs, ids.last().unwrap()), Status::Finished);
}

#[test]
fn unreadable_files_are_reported_once_and_hide_no_run() {
    let root = tempfile::tempdir().unwrap();
    let dir = run(root.path(), "a", &[finished()]);
    fs::write(dir.path().join("run.json"), "{").unwrap();
    fs::write(root.path().join("queue.json"), "not json").unwrap();
    let (mut watcher, mut runs) = (Watcher::new(root.path()), Runs::default());
    poll(&mut watcher, &mut runs);
    assert!(
        runs.problem().unwrap().contains("queue.json"),
        "{:?}",
        runs.problem()
    );
    assert!(runs.get(&"a".parse().unwrap()).unwrap().info.is_err());
    assert_eq!(status(&runs, "a"), Status::Finished);
    assert_eq!(poll(&mut watcher, &mut runs), 0);
    fs::remove_file(root.path().join("queue.json")).unwrap();
    poll(&mut watcher, &mut runs);
    assert_eq!(runs.problem(), None);
}

#[test]
fn a_log_that_does_not_open_is_not_said_to_be_denied() {
    let root = tempfile::tempdir().unwrap();
    let dir = run(root.path(), "a", &[]);
    // A link to itself leads nowhere, whatever its permissions are.
    fs::remove_file(dir.events()).unwrap();
    std::os::unix::fs::symlink(dir.events(), dir.events()).unwrap();
    let (_, runs, _) = read(root.path());
    assert_eq!(status(&runs, "a"), Status::Unreadable);
    let run = runs.get(&"a".parse().unwrap()).unwrap();
    let trouble = run.trouble(event::now()).unwrap();
    assert!(!trouble.what.contains("denied"), "{trouble:?}");
    assert!(trouble.what.contains("log"), "{trouble:?}");
    assert!(trouble.help.contains("the disk"), "{trouble:?}");
}

#[test]
fn a_run_keeps_its_state_while_its_log_cannot_be_read_again() {
    let root = tempfile::tempdir().unwrap();
    let dir = run(root.path(), "a", &[finished()]);
    let (mut watcher, mut runs, _) = read(root.path());
    let aside = dir.path().join("aside");
    fs::rename(dir.events(), &aside).unwrap();
    std::os::unix::fs::symlink(dir.events(), dir.events()).unwrap();
    let id: RunId = "a".parse().unwrap();
    watcher.want([id.clone()]);
    poll(&mut watcher, &mut runs);
    assert_eq!(status(&runs, "a"), Status::Finished);
    fs::rename(&aside, dir.events()).unwrap();
    poll(&mut watcher, &mut runs);
    assert_eq!(status(&runs, "a"), Status::Finished);
    assert!(!runs.get(&id).unwrap().is_summary);
}

#[test]
fn nobody_waits_for_an_unreadable_log_of_a_run_with_a_worker() {
    let root = tempfile::tempdir().unwrap();
    let dir = run(root.path(), "a", &[finished()]);
    let (mut watcher, mut runs, _) = read(root.path());
    fs::remove_file(dir.events()).unwrap();
    std::os::unix::fs::symlink(dir.events(), dir.events()).unwrap();
    let _lock = dir.lock().unwrap().unwrap();
    for _ in 0..2 {
        poll(&mut watcher, &mut runs);
        assert_eq!(watcher.unread(), 0);
    }
}

#[test]
fn a_log_is_read_again_after_a_failure_even_if_the_file_looks_the_same() {
    let root = tempfile::tempdir().unwrap();
    let dir = run(root.path(), "a", &[]);
    fs::remove_file(dir.events()).unwrap();
    std::os::unix::fs::symlink(dir.events(), dir.events()).unwrap();
    let (mut watcher, mut runs, _) = read(root.path());
    assert_eq!(status(&runs, "a"), Status::Unreadable);
    // Neither a link to itself nor a missing file has a stamp.
    fs::remove_file(dir.events()).unwrap();
    poll(&mut watcher, &mut runs);
    assert_ne!(status(&runs, "a"), Status::Unreadable);
}

#[test]
fn a_lost_run_of_a_machine_without_a_name_is_named_in_whole_words() {
    let root = tempfile::tempdir().unwrap();
    let before = changed(&launcher::current(), |it| {
        it.boot_id = "another boot".to_owned();
    });
    run(root.path(), "a", &[attempt(before, "")]);
    let (_, mut runs, _) = read(root.path());
    runs.apply(Change::Liveness {
        id: "a".parse().unwrap(),
        liveness: Liveness::Elsewhere,
    });
    let run = runs.get(&"a".parse().unwrap()).unwrap();
    let trouble = run.trouble(event::now()).unwrap();
    assert!(trouble.what.contains("another machine"), "{trouble:?}");
    for text in [&trouble.what, &trouble.help] {
        assert!(!text.contains(" ,") && !text.contains("  "), "{text:?}");
    }
}

/// All runs, and how many of them have only a summary.
fn read(root: &Path) -> (Watcher, Runs, usize) {
    let (mut watcher, mut runs) = (Watcher::new(root), Runs::default());
    while poll(&mut watcher, &mut runs) > 0 || watcher.unread() > 0 {}
    let summaries = runs.iter().filter(|run| run.is_summary).count();
    (watcher, runs, summaries)
}

#[test]
fn summaries_equal_their_logs_and_changed_logs_are_read() {
    let root = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/runs");
    for number in 0..250 {
        let recorded = fs::read_dir(&data)
            .unwrap()
            .flatten()
            .nth(number % 5)
            .unwrap()
            .path();
        let dir = root.path().join(format!("r{number:03}"));
        fs::create_dir(&dir).unwrap();
        for name in ["run.json", "experiment.yaml", "events.jsonl"] {
            fs::copy(recorded.join(name), dir.join(name)).unwrap();
        }
    }
    // Unreadable for a while.
    let late = root.path().join("r005/experiment.yaml");
    let aside = root.path().join("aside");
    fs::rename(&late, &aside).unwrap();
    let (mut watcher, mut first) = (Watcher::new(root.path()), Runs::default());
    // The copies are new, so pretend that they are old enough for a summary.
    watcher.summaries.as_mut().unwrap().settle();
    while poll(&mut watcher, &mut first) > 0 || watcher.unread() > 0 {}
    fs::rename(&aside, &late).unwrap();
    fs::remove_file(root.path().join("r003/experiment.yaml")).unwrap();
    append(&RunDir::new(root.path().join("r007")), &[Event::Stopping]);
    let (_, second, summaries) = read(root.path());
    assert_eq!((second.len(), summaries), (250, 250));
    for (before, after) in first.iter().zip(second.iter()) {
        if before.id.as_str() == "r007" {
            assert!(after.state.stopping && !before.state.stopping);
        } else if before.id.as_str() == "r005" {
            assert!(before.experiment.is_none() && after.experiment.is_some());
        } else {
            assert_eq!(format!("{before:?}"), format!("{after:?}"));
            // The experiment came with the summary, and is not read again.
            assert!(after.experiment.is_some());
        }
    }
}

#[test]
fn opened_runs_are_read_whole_until_closed() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/runs");
    let (mut watcher, mut runs, summaries) = read(&data);
    assert_eq!(summaries, runs.len());
    let id = runs.iter().next().unwrap().id.clone();
    let batches = |runs: &Runs| runs.get(&id).unwrap().state.batches.len();
    assert_eq!(batches(&runs), 1);
    watcher.want([id.clone()]);
    poll(&mut watcher, &mut runs);
    assert!(batches(&runs) > 50 && !runs.get(&id).unwrap().is_summary);
    assert_eq!(poll(&mut watcher, &mut runs), 0);
    watcher.want([]);
    poll(&mut watcher, &mut runs);
    assert_eq!(batches(&runs), 1);
    assert_eq!(poll(&mut watcher, &mut runs), 0);
}
