//! A8: a run that is taken up twice at once has one worker, and the other says why it is none. `WARMSTART_RACES` says how many of the
//! 200 races are between whole workers, each a process with all of libtorch (4; the soak test asks for all); the others are for the
//! lock that decides them.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use warmstart_schema::event::Event;

use super::support::{command, events, log};
use super::tiny::{new_run, verdict, wanted};

const RACES: usize = 200;

/// Of two workers on one run one gets it. It is stopped when the other has left.
fn workers(root: &std::path::Path) {
    let run = new_run(root, &["train.epochs=100", "train.early_stopping=null"]);
    let mut pair = [
        command(&run).spawn().unwrap(),
        command(&run).spawn().unwrap(),
    ];
    let loser = loop {
        match pair.each_mut().map(|child| child.try_wait().unwrap()) {
            [Some(status), None] => break (0, status),
            [None, Some(status)] => break (1, status),
            [None, None] => thread::sleep(Duration::from_millis(5)),
            both => panic!("{both:?}: {}", log(&run)),
        }
    };
    assert!(!loser.1.success(), "{}", log(&run));
    let winner = &mut pair[1 - loser.0];
    kill(
        Pid::from_raw(i32::try_from(winner.id()).unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    assert!(winner.wait().unwrap().success(), "{}", log(&run));
    let attempts = events(&run)
        .iter()
        .filter(|record| matches!(record.event, Event::Attempt(_)))
        .count();
    let refused = log(&run).matches("another worker has run").count();
    assert_eq!((attempts, refused), (1, 1), "{}", log(&run));
    std::fs::remove_dir_all(run.path()).unwrap();
}

#[test]
fn of_two_that_take_a_run_at_once_one_gets_it() {
    let root = tempfile::tempdir().unwrap();
    let whole = wanted("WARMSTART_RACES", 4).min(RACES);
    for _ in 0..whole {
        workers(root.path());
    }
    let runs: Vec<_> = (whole..RACES).map(|_| new_run(root.path(), &[])).collect();
    thread::scope(|scope| {
        for runs in runs.chunks((RACES - whole).div_ceil(14).max(1)) {
            scope.spawn(move || {
                for run in runs {
                    let barrier = Barrier::new(2);
                    let taken = thread::scope(|scope| {
                        [0, 1]
                            .map(|_| {
                                scope.spawn(|| {
                                    barrier.wait();
                                    let lock = run.lock().unwrap();
                                    // Held until both have tried.
                                    barrier.wait();
                                    lock.is_some()
                                })
                            })
                            .map(|racer| racer.join().unwrap())
                    });
                    assert!(taken[0] != taken[1], "{taken:?}");
                }
            });
        }
    });
    let asked = verdict("WARMSTART_RACES", whole, [4, 200]).replace('\t', ")\t");
    println!(
        "FIGURE A8\traces of two for one run (in brackets: between whole workers): one starts, the other says why not\t{RACES} ({whole})\t200 ({asked}"
    );
}
