//! A9: asked to stop while it loads, steps, evaluates, saves, is frozen, or twice, a worker saves and leaves in time.
//! `WARMSTART_SIGNALS` says how often in each phase (2; the soak test asks for more).

use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use warmstart_runs::checkpoint;
use warmstart_runs::run::RunDir;
use warmstart_runs::storage::Disk;
use warmstart_schema::event::{Event, Phase};
use warmstart_schema::state::Outcome;

use super::support::{events, finish, log, start, state, wait_for};
use super::tiny::new_run;

/// What 99 of 100 must not exceed, from the signal to the worker's end.
const IN_TIME: Duration = Duration::from_secs(5);
/// Long epochs of a small network, and pictures enough for an evaluation to be met.
const CHANGES: [&str; 3] = [
    "dataset.limit=600",
    "train.epochs=50",
    "train.early_stopping=null",
];

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// A worker that is in this phase; where training, after a step.
fn worker_in(run: &RunDir, phase: Phase) -> Child {
    let mut child = start(run);
    match phase {
        Phase::Loading => wait_for(run, &mut child, |event| matches!(event, Event::Attempt(_))),
        Phase::Training => wait_for(
            run,
            &mut child,
            |event| matches!(event, Event::Batch(batch) if batch.step > 0),
        ),
        phase => wait_for(
            run,
            &mut child,
            |event| matches!(event, Event::Phase { phase: now } if *now == phase),
        ),
    }
    child
}

fn ended(run: &RunDir, mut child: Child, since: Instant) -> Duration {
    assert!(child.wait().unwrap().success(), "{}", log(run));
    since.elapsed()
}

/// Saved, said so, and nothing that was told is lost.
fn assert_saved(run: &RunDir) {
    let state = state(run);
    assert_eq!(state.outcome, Some(Outcome::Stopped), "{}", log(run));
    let told = state
        .batches
        .last()
        .map_or(0, |progress| progress.batch.step);
    let saved = checkpoint::newest(&Disk, run).unwrap().0.unwrap().state;
    assert!(
        saved.step >= told,
        "step {told} was told, step {} was saved",
        saved.step
    );
    let Some(Event::Stopped { step, .. }) = events(run).pop().map(|record| record.event) else {
        panic!("{}", log(run))
    };
    assert_eq!(step, saved.step);
}

#[test]
fn asked_to_stop_it_saves_and_leaves_in_time() {
    let times: usize = std::env::var("WARMSTART_SIGNALS").map_or(2, |times| times.parse().unwrap());
    let root = tempfile::tempdir().unwrap();
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..times {
        for phase in [
            Phase::Loading,
            Phase::Training,
            Phase::Validating,
            Phase::Saving,
        ] {
            let run = new_run(root.path(), &CHANGES);
            let child = worker_in(&run, phase);
            let since = Instant::now();
            send(&child, Signal::SIGTERM);
            took.push(ended(&run, child, since));
            assert_saved(&run);
        }
        // Frozen, asked, let go: it hears it then.
        let run = new_run(root.path(), &CHANGES);
        let child = worker_in(&run, Phase::Training);
        send(&child, Signal::SIGSTOP);
        send(&child, Signal::SIGTERM);
        let since = Instant::now();
        send(&child, Signal::SIGCONT);
        took.push(ended(&run, child, since));
        assert_saved(&run);
    }
    took.sort_unstable();
    let p99 = took[(took.len() * 99).div_ceil(100) - 1];
    let verdict = if p99 <= IN_TIME { "ok" } else { "UNDER" };
    println!(
        "FIGURE A9\tSIGTERM in load, step, evaluation, save, SIGSTOP: saved and left, p99 of {}\t{:.2} s\t5 s\t{verdict}",
        took.len(),
        p99.as_secs_f64()
    );
    assert!(p99 <= IN_TIME, "{took:?}");
}

#[test]
fn asked_twice_it_leaves_at_once_and_goes_on_from_the_checkpoint_before() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(
        root.path(),
        &["train.epochs=20", "train.early_stopping=null"],
    );
    let child = worker_in(&run, Phase::Saving);
    // Frozen in between, so that both are heard together.
    send(&child, Signal::SIGSTOP);
    send(&child, Signal::SIGTERM);
    send(&child, Signal::SIGINT);
    let since = Instant::now();
    send(&child, Signal::SIGCONT);
    let status = { child }.wait().unwrap();
    assert!(
        status.code().is_some_and(|code| code == 143 || code == 130),
        "{status:?}: {}",
        log(&run)
    );
    assert!(since.elapsed() < IN_TIME);
    assert_eq!(state(&run).outcome, None);
    assert!(finish(&run), "{}", log(&run));
}
