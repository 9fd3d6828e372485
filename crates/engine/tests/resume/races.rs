//! Two workers start the same run at the same time: one trains, the other is refused and says why.
//! `WARMSTART_RACES` sets how many of the 200 races use whole workers, which each load libtorch (default 4; the soak test does
//! all).
//! The other races only use the lock that decides.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use warmstart_runs::event_log::EventWriter;
use warmstart_runs::run::RunInfo;
use warmstart_schema::event::Event;
use warmstart_schema::identity::{Handle, Job, JobId};

use super::support::{command, events, log};
use super::tiny::{new_run, root, verdict, wanted};

const RACES: usize = 200;

/// Starts two workers on one run: exactly one exits with an error. Then stops the other.
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
    let refused = log(&run).matches("another worker is training run").count();
    assert_eq!((attempts, refused), (1, 1), "{}", log(&run));
    std::fs::remove_dir_all(run.path()).unwrap();
}

#[test]
fn of_two_workers_on_one_run_one_trains_and_the_other_is_refused() {
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
                                    let lock = run.lock();
                                    // Both threads hold their result until both have tried.
                                    // A panic before that would leave the other one waiting.
                                    barrier.wait();
                                    lock.unwrap().is_some()
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

#[test]
fn a_job_that_finds_its_run_finished_gives_it_back_unless_another_job_has_it() {
    for (owner, stays) in [(41, false), (42, true)] {
        let root = root();
        let run = new_run(root.path(), &[]);
        let worker = Handle::Slurm(Job {
            slurm_job: Some(JobId::from(owner)),
            restart: 0,
        });
        let info = RunInfo {
            worker: Some(worker.clone()),
            ..run.info().unwrap()
        };
        run.write_info(&info).unwrap();
        // The start before this one was killed after it had logged its end.
        let mut writer = EventWriter::open(&run.events()).unwrap();
        let end = Event::Finished {
            train_time: 1.0,
            stopped_early: false,
        };
        writer.write(&end).unwrap();
        let mut start = command(&run);
        // Without `sbatch` it starts no other run.
        start
            .env("WARMSTART_LAUNCHER", "slurm")
            .env("SLURM_JOB_ID", "41")
            .env("SLURM_RESTART_COUNT", "1")
            .env_remove("WARMSTART_SLURM_TASK")
            .env("PATH", run.path());
        assert!(start.status().unwrap().success(), "{}", log(&run));
        let now = run.info().unwrap().worker;
        assert_eq!(now, stays.then_some(worker), "{}", log(&run));
    }
}
