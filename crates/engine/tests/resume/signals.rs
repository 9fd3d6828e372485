//! A worker that receives SIGTERM while it loads, trains, validates, saves or is suspended saves and exits in time.
//! A second signal ends it at once. `WARMSTART_SIGNALS` sets the number of rounds (default 2; the soak test does more).

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
use super::tiny::{new_run, wanted};

/// Limit for the 99th percentile of the time from the signal to the worker's exit.
const IN_TIME: Duration = Duration::from_secs(5);
/// Long epochs with a small network, and enough pictures that the signal can arrive during validation.
const CHANGES: [&str; 3] = [
    "dataset.limit=600",
    "train.epochs=50",
    "train.early_stopping=null",
];

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// Starts a worker and waits until it is in this phase. For training, waits until a step is done.
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

/// The worker saved, reported the stop, and lost no reported step.
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
fn a_worker_that_receives_sigterm_saves_and_exits_in_time() {
    let times = wanted("WARMSTART_SIGNALS", 2);
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
        // Suspend, send SIGTERM, continue: the worker then handles the signal.
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
fn a_second_signal_ends_the_worker_at_once_and_the_run_resumes() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(
        root.path(),
        &["train.epochs=20", "train.early_stopping=null"],
    );
    let mut child = worker_in(&run, Phase::Saving);
    // Suspended in between, so that both signals arrive together.
    send(&child, Signal::SIGSTOP);
    send(&child, Signal::SIGTERM);
    send(&child, Signal::SIGINT);
    let since = Instant::now();
    send(&child, Signal::SIGCONT);
    let status = child.wait().unwrap();
    assert!(
        status.code().is_some_and(|code| code == 143 || code == 130),
        "{status:?}: {}",
        log(&run)
    );
    assert!(since.elapsed() < IN_TIME);
    assert_eq!(state(&run).outcome, None);
    assert!(finish(&run), "{}", log(&run));
}
