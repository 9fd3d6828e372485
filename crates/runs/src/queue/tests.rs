//! The queue's order, its lock, and what it starts.

use super::*;
use crate::launcher::local::tests::changed;

fn entry(run: &str, slot: &str, after: Option<&str>) -> Entry {
    Entry {
        run: run.parse().unwrap(),
        stem: run.to_owned(),
        slot: slot.to_owned(),
        after: after.map(str::to_owned),
        file: None,
        after_file: None,
    }
}

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.stem.as_str()).collect()
}

fn write(queue: &Queue, content: &Content) {
    fs::write(queue.file(), serde_json::to_vec(content).unwrap()).unwrap();
}

/// This worker, without a monitor.
fn with_worker(worker: &str) -> Programs {
    Programs {
        worker: worker.into(),
        monitor: None,
    }
}

#[test]
fn texts_of_the_file_are_read_as_printable_lines() {
    let root = tempfile::tempdir().unwrap();
    let queue = Queue::new(root.path());
    let content = Content {
        waiting: vec![entry("a", "cpu\u{1b}[2J", None)],
        paused: Some("by\nhand\u{1b}[31m".to_owned()),
        ..Content::default()
    };
    write(&queue, &content);
    let read = queue.content().unwrap();
    let texts = [read.paused.unwrap(), read.waiting[0].slot.clone()];
    for text in texts {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

#[test]
fn each_slot_runs_one_run_in_order() {
    let waiting = vec![
        entry("a", "cpu", None),
        entry("b", "cpu", None),
        entry("c", "cuda:0", None),
    ];
    let mut content = Content {
        waiting,
        ..Content::default()
    };
    assert_eq!(names(&content.take_startable(|_| true)), ["a", "c"]);
    assert_eq!(names(&content.waiting), ["b"]);
}

#[test]
fn a_run_on_several_gpus_takes_a_place_on_each() {
    let waiting = vec![
        entry("a", "cuda:0-1", None),
        entry("b", "cuda:1", None),
        entry("c", "cuda:2", None),
        entry("d", "cuda:2-3", None),
        entry("e", "cuda:3", None),
        entry("f", "cuda:10", None),
    ];
    let mut content = Content {
        waiting,
        ..Content::default()
    };
    assert_eq!(
        names(&content.take_startable(|_| true)),
        ["a", "c", "e", "f"]
    );
    assert_eq!(names(&content.waiting), ["b", "d"]);
}

#[test]
fn runs_wait_for_their_initial_run_on_any_slot() {
    let waiting = vec![
        entry("a", "cuda:0", None),
        entry("b", "cuda:1", Some("a")),
        entry("c", "cuda:1", None),
    ];
    let mut content = Content {
        waiting,
        ..Content::default()
    };
    assert_eq!(names(&content.take_startable(|_| true)), ["a", "c"]);
    let worker = launcher::current();
    content.active = vec![Active {
        entry: entry("a", "cuda:0", None),
        worker,
        since: 0,
    }];
    assert!(content.take_startable(|_| true).is_empty());
    content.active.clear();
    assert_eq!(names(&content.take_startable(|_| true)), ["b"]);
    // Also if the run was queued before the initial run.
    content.waiting = vec![entry("b", "cpu", Some("a")), entry("a", "cpu", None)];
    assert_eq!(names(&content.take_startable(|_| true)), ["a"]);
}

#[test]
fn of_runs_that_wait_for_each_other_the_first_starts() {
    let mut content = Content {
        waiting: vec![entry("b", "cpu", Some("a")), entry("a", "cpu", Some("b"))],
        ..Content::default()
    };
    assert_eq!(names(&content.take_startable(|_| true)), ["b"]);
    content.waiting = vec![
        entry("a", "cuda:0", Some("c")),
        entry("b", "cuda:1", Some("a")),
        entry("c", "cuda:2", Some("b")),
    ];
    assert_eq!(names(&content.take_startable(|_| true)), ["a"]);
}

#[test]
fn runs_are_queued_once_and_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::new(folder.path());
    assert_eq!(queue.push(entry("a", "cpu", None)).unwrap(), Push::Queued);
    assert_eq!(queue.push(entry("a", "cpu", None)).unwrap(), Push::Waits(1));
    assert_eq!(queue.content().unwrap().waiting.len(), 1);
    let run = "a".parse().unwrap();
    assert!(queue.remove(&run).unwrap());
    assert!(!queue.remove(&run).unwrap());
}

#[test]
fn a_started_run_is_queued_again_only_after_its_process_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::new(folder.path());
    let active = Active {
        entry: entry("a", "cpu", None),
        worker: launcher::current(),
        since: 5_000,
    };
    let content = Content {
        active: vec![active],
        ..Content::default()
    };
    write(&queue, &content);
    let push = |ended_at| {
        queue
            .push_again::<io::Error>(entry("a", "cpu", None), ended_at, || Ok(()))
            .unwrap()
    };
    // The process started at second 5. If the run ended before that, another process has resumed it since.
    assert_eq!(
        [push(None), push(Some(4.9)), push(Some(6.0))],
        [Push::Started, Push::Started, Push::Exiting]
    );
    let gone = Active {
        worker: changed(&launcher::current(), |it| it.start_ticks = 1),
        ..content.active[0].clone()
    };
    let content = Content {
        active: vec![gone],
        ..Content::default()
    };
    write(&queue, &content);
    // Nor is it queued before it is ready.
    let refused = queue.push_again(entry("a", "cpu", None), Some(6.0), || {
        Err(io::Error::other("not ready"))
    });
    assert!(refused.is_err() && queue.content().unwrap().waiting.is_empty());
    assert_eq!(push(Some(6.0)), Push::Queued);
}

#[test]
fn devices_take_as_many_runs_as_they_have_slots() {
    let waiting = ["a", "b", "c"].map(|run| entry(run, "cpu", None)).to_vec();
    let mut content = Content {
        waiting,
        slots: 2,
        ..Content::default()
    };
    assert_eq!(names(&content.take_startable(|_| true)), ["a", "b"]);
    assert_eq!(names(&content.waiting), ["c"]);
    // Each GPU counts its own runs. To count the longest range takes no longer.
    content.waiting = vec![
        entry("a", "cuda:0", None),
        entry("b", "cuda:1", None),
        entry("c", "cuda:0-1", None),
        entry("d", "cuda:1", None),
        entry("e", "cuda:2-4294967295", None),
    ];
    assert_eq!(
        names(&content.take_startable(|_| true)),
        ["a", "b", "c", "e"]
    );
    assert_eq!(names(&content.waiting), ["d"]);
}

#[test]
fn a_run_is_behind_what_gets_its_device_first() {
    let started = |run: &str, slot: &str| Active {
        entry: entry(run, slot, None),
        worker: launcher::current(),
        since: 0,
    };
    let mut content = Content {
        waiting: vec![
            entry("tuned", "cuda:0", Some("base")),
            entry("plain", "cuda:0", None),
            entry("last", "cuda:0", None),
        ],
        active: vec![started("base", "cuda:1"), started("first", "cuda:0")],
        ..Content::default()
    };
    let before = |content: &Content, index: usize| {
        let other = content.goes_before(&content.waiting[index]);
        other.map(|other| other.stem.clone())
    };
    // `tuned` is ahead of `plain`, but waits for `base` on another device.
    assert_eq!(before(&content, 1).as_deref(), Some("first"));
    assert_eq!(before(&content, 2).as_deref(), Some("plain"));
    // A second place on the device is free.
    content.slots = 2;
    assert_eq!(before(&content, 1), None);
    // Slurm takes any number of jobs.
    content.waiting = vec![entry("a", "slurm", None), entry("b", "slurm", None)];
    assert_eq!(before(&content, 1), None);
}

#[test]
fn waiting_runs_move_no_further_than_the_ends() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::new(folder.path());
    for run in ["a", "b", "c"] {
        assert_eq!(queue.push(entry(run, "cpu", None)).unwrap(), Push::Queued);
    }
    let order = || names(&queue.content().unwrap().waiting).concat();
    let shift = |run: &str, to| queue.shift(&run.parse().unwrap(), to).unwrap();
    for (run, to, expected) in [
        ("c", Move::Up, "acb"),
        ("a", Move::Up, "acb"),
        ("a", Move::Down, "cab"),
        ("b", Move::Down, "cab"),
        ("b", Move::First, "bca"),
        ("b", Move::To(2), "cba"),
        ("c", Move::To(9), "bac"),
        ("c", Move::To(0), "cba"),
    ] {
        assert!(shift(run, to));
        assert_eq!(order(), expected, "{run} {to:?}");
    }
    assert!(!shift("z", Move::Up));
}

#[test]
fn a_paused_queue_starts_nothing_until_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::new(folder.path());
    assert_eq!(queue.push(entry("a", "cpu", None)).unwrap(), Push::Queued);
    queue.pause("by\nhand").unwrap();
    let mut content = queue.content().unwrap();
    assert_eq!(content.paused.as_deref(), Some("by hand"));
    assert!(content.take_startable(|_| true).is_empty());
    assert_eq!(names(&content.waiting), ["a"]);
    queue.unpause().unwrap();
    let mut content = queue.content().unwrap();
    assert_eq!(content.paused, None);
    assert_eq!(names(&content.take_startable(|_| true)), ["a"]);
}

#[test]
fn a_device_has_at_least_one_slot() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::new(folder.path());
    queue.set_slots(0).unwrap();
    assert_eq!(queue.content().unwrap().slots, 1);
}

#[test]
fn files_of_the_first_version_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::new(folder.path());
    let old = "{\"waiting\":[{\"run\":\"b\",\"stem\":\"b\",\"slot\":\"cpu\"}],\"active\":[{\"run\":\"a\",\"stem\":\"a\",\"slot\":\"cpu\",\"worker\":{\"boot_id\":\"x\",\"pid\":9,\"start_ticks\":1}}]}";
    fs::write(queue.file(), old).unwrap();
    let content = queue.content().unwrap();
    assert_eq!(
        (
            content.waiting.len(),
            content.active[0].since,
            content.slots
        ),
        (1, 0, 1)
    );
    assert_eq!(content.paused, None);
}

#[test]
fn workers_that_outlive_their_monitor_keep_their_device() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::new(folder.path());
    for run in ["a", "b"] {
        fs::create_dir(folder.path().join(run)).unwrap();
    }
    let gone = changed(&launcher::current(), |it| it.start_ticks = 1);
    let active = vec![Active {
        entry: entry("a", "cpu", None),
        worker: gone,
        since: 0,
    }];
    let content = Content {
        waiting: vec![entry("b", "cpu", None)],
        active,
        ..Content::default()
    };
    write(&queue, &content);
    let programs = with_worker("/bin/true");
    let lock = RunDir::of(folder.path(), &"a".parse().unwrap())
        .lock()
        .unwrap();
    assert!(queue.advance(&programs, None).unwrap().started.is_empty());
    drop(lock);
    for (_, started) in queue.advance(&programs, None).unwrap().started {
        assert!(started.child.unwrap().wait().unwrap().success());
    }
    assert_eq!(queue.content().unwrap().active[0].entry.stem, "b");
}

#[test]
fn end_of_a_run_starts_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::new(folder.path());
    for run in ["a", "b"] {
        fs::create_dir(folder.path().join(run)).unwrap();
        assert_eq!(queue.push(entry(run, "cpu", None)).unwrap(), Push::Queued);
    }
    let programs = with_worker("/bin/true");
    let first = queue.advance(&programs, None).unwrap();
    assert_eq!(first.started.len(), 1);
    let a: RunId = "a".parse().unwrap();
    // While the first run exits, its worker still has it. It must not block the second.
    let _lock = RunDir::of(folder.path(), &a).lock().unwrap().unwrap();
    let second = queue.advance(&programs, Some(&a)).unwrap();
    assert_eq!(second.started[0].0.as_str(), "b");
    for (_, started) in second.started.into_iter().chain(first.started) {
        started.child.unwrap().wait().unwrap();
    }
}

#[test]
fn a_run_that_does_not_start_leaves_the_queue_and_its_log_says_why() {
    use warmstart_schema::state::Outcome;

    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::new(folder.path());
    let run = RunDir::of(folder.path(), &"a".parse().unwrap());
    fs::create_dir(run.path()).unwrap();
    let content = Content {
        waiting: vec![entry("a", "cpu", None)],
        ..Content::default()
    };
    write(&queue, &content);
    let programs = with_worker("/nowhere/warmstart-worker");
    let lines = queue.start_next(&programs, &"b".parse().unwrap());
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("cannot start run a: "), "{lines:?}");
    assert!(queue.content().unwrap().waiting.is_empty());
    let state = run.state().unwrap();
    assert!(
        matches!(&state.outcome, Some(Outcome::Failed { kind: FailureKind::NotStarted, error, .. }) if error.contains("did not start")),
        "{:?}",
        state.outcome
    );
}

#[test]
fn the_log_of_a_run_that_did_not_start_has_the_help_of_its_launcher() {
    use warmstart_schema::state::Outcome;

    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::of(folder.path(), &"a".parse().unwrap());
    fs::create_dir(run.path()).unwrap();
    let refused = Failure::new(Kind::Worker, "Slurm did not take the job").help("correct `slurm:`");
    let failed = Failed {
        run: "a".parse().unwrap(),
        task: Task::Start,
        error: io::Error::other(refused),
    };
    failed.log(folder.path()).unwrap();
    let expected = Outcome::Failed {
        kind: FailureKind::NotStarted,
        error: "the worker did not start: Slurm did not take the job".to_owned(),
        help: "correct `slurm:`".to_owned(),
    };
    assert_eq!(run.state().unwrap().outcome, Some(expected));
}

#[test]
fn errors_of_the_queue_say_what_failed_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::new(folder.path());
    let file = queue.file();
    fs::write(&file, "not json").unwrap();
    let error = queue.content().unwrap_err();
    let failure = Failure::within(&error).unwrap();
    assert!(failure.what.ends_with(&format!(": {}", file.display())));
    assert_eq!(error.to_string().matches("empty queue").count(), 1);
    fs::remove_file(&file).unwrap();
    // The queue is readable, and cannot be locked.
    fs::create_dir(folder.path().join("queue.lock")).unwrap();
    let lines = queue.start_next(&with_worker("/bin/true"), &"a".parse().unwrap());
    assert!(
        lines.len() == 1 && lines[0].starts_with("no further run is started: "),
        "{lines:?}"
    );
}
