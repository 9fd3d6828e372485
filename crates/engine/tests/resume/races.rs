//! A8: a run that is taken up twice at once has one worker, and the other says why it is none.

use std::sync::Barrier;
use std::thread;

use warmstart_schema::event::Event;

use super::support::{command, events, log};
use super::tiny::new_run;

/// Races between two workers, each a process with all of libtorch; the lock that decides them is raced alone beside.
const WORKERS: usize = 4;
const LOCKS: usize = 196;

#[test]
fn of_two_that_take_a_run_at_once_one_gets_it() {
    let root = tempfile::tempdir().unwrap();
    for _ in 0..WORKERS {
        let run = new_run(root.path(), &["train.epochs=6", "train.early_stopping=null"]);
        let mut pair = [command(&run).spawn().unwrap(), command(&run).spawn().unwrap()];
        let ended = pair.each_mut().map(|child| child.wait().unwrap().success());
        let attempts = events(&run).iter().filter(|record| matches!(record.event, Event::Attempt(_))).count();
        let refused = log(&run).matches("another worker has run").count();
        // The second may come so late that the run is done; then it says that.
        let late = log(&run).matches("this run is finished").count();
        assert_eq!((attempts, refused + late), (1, 1), "{}", log(&run));
        assert_eq!(ended.iter().filter(|ended| !**ended).count(), refused);
    }
    let runs: Vec<_> = (0..LOCKS).map(|_| new_run(root.path(), &[])).collect();
    thread::scope(|scope| {
        for runs in runs.chunks(LOCKS.div_ceil(14)) {
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
    let races = WORKERS + LOCKS;
    println!(
        "FIGURE A8\traces of two for one run that exactly one won ({WORKERS} between whole workers)\t{races}\t200\tok"
    );
}
