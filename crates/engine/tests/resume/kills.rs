//! A run that is killed many times ends with the same bits as an uninterrupted run: weights, optimizer, counters, and every step.
//! About a third of the kills hit a save. `WARMSTART_KILLS` sets the number of kills (default 40; the soak test does 1,000).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use warmstart_runs::run::RunDir;
use warmstart_schema::event::{Event, Phase};
use warmstart_schema::seed::SplitMix64;

use super::support::{events, log, state};
use super::tiny::{Result, new_run, result, root, teller, verdict, wanted};

const LANES: u64 = 2;
/// Many epochs, so that the next save is never far away.
const CHANGES: [&str; 2] = ["train.epochs=6", "train.early_stopping=null"];

/// Number of kills for each activity of the worker.
type Kills = BTreeMap<&'static str, usize>;

/// One thread that starts and kills workers; the lanes run at the same time.
struct Lane<'a> {
    root: &'a Path,
    random: SplitMix64,
    /// Duration of an uninterrupted run.
    whole: Duration,
    expected: &'a Result,
    /// Kills that all lanes together still have to do.
    left: &'a AtomicUsize,
}

impl Lane<'_> {
    fn work(mut self) -> (Kills, usize) {
        let (mut activities, mut runs) = (Kills::new(), 0);
        while self.left.load(Ordering::Relaxed) > 0 {
            let run = new_run(self.root, &CHANGES);
            runs += 1;
            while !is_finished(&run) {
                let attempts = attempts(&run);
                let mut child = teller(&run).spawn().unwrap();
                if self.left.load(Ordering::Relaxed) == 0 {
                    assert!(child.wait().unwrap().success(), "{}", log(&run));
                } else if self.kill(&run, &mut child, attempts) {
                    *activities.entry(activity(&run, attempts)).or_default() += 1;
                    let one_less = |left: usize| Some(left.saturating_sub(1));
                    self.left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                        .unwrap();
                }
            }
            let found = result(&run).unwrap();
            assert!(
                found == *self.expected,
                "after {activities:?}: {:?} {:?}",
                found.last.state,
                found.steps
            );
            assert!(state(&run).attempt.unwrap().not_exact.is_empty());
            assert_left_clean(&run);
            fs::remove_dir_all(run.path()).unwrap();
        }
        (activities, runs)
    }

    /// Kills the worker after a random time, or during a save. Returns false if the worker ended first.
    fn kill(&mut self, run: &RunDir, child: &mut Child, attempts_before: usize) -> bool {
        let mut random = |most: Duration| most.mul_f64(self.random.below(1000) as f64 / 1000.0);
        let (life, within) = (random(self.whole), random(Duration::from_millis(30)));
        let in_save = self.random.below(3) == 0;
        let began = Instant::now();
        while began.elapsed() < life || in_save {
            // Files of a save that an earlier kill interrupted stay until the new attempt begins.
            if in_save && is_writing(run) && attempts(run) > attempts_before {
                thread::sleep(within);
                break;
            }
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{}", log(run));
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        !child.wait().unwrap().success()
    }
}

/// Whether the worker is writing the files of a checkpoint.
fn is_writing(run: &RunDir) -> bool {
    let Ok(entries) = fs::read_dir(run.checkpoints()) else {
        return false;
    };
    entries.flatten().any(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "new")
    })
}

fn attempts(run: &RunDir) -> usize {
    events(run)
        .iter()
        .filter(|record| matches!(record.event, Event::Attempt(_)))
        .count()
}

/// What the worker was doing when it was killed, according to its last event.
fn activity(run: &RunDir, attempts_before: usize) -> &'static str {
    if attempts(run) == attempts_before {
        return "loading";
    }
    if is_writing(run) {
        return "writing a checkpoint";
    }
    let last = events(run)
        .into_iter()
        .rev()
        .find_map(|record| match record.event {
            Event::Phase {
                phase: Phase::Saving,
            } => Some("in a checkpoint"),
            Event::Phase {
                phase: Phase::Training,
            }
            | Event::Checkpoint(_) => Some("training"),
            Event::Phase {
                phase: Phase::Validating | Phase::Testing,
            } => Some("evaluating"),
            Event::Attempt(_) | Event::Phase { .. } => Some("loading"),
            _ => None,
        });
    last.unwrap_or("loading")
}

fn is_finished(run: &RunDir) -> bool {
    run.events().exists() && state(run).outcome.is_some()
}

/// No file of an interrupted save is left.
fn assert_left_clean(run: &RunDir) {
    let entries = fs::read_dir(run.checkpoints()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| !name.starts_with("step-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_run_killed_many_times_ends_with_the_bits_of_an_uninterrupted_run() {
    let kills = wanted("WARMSTART_KILLS", 40);
    let root = root();
    let uninterrupted = new_run(root.path(), &CHANGES);
    let began = Instant::now();
    assert!(
        teller(&uninterrupted).status().unwrap().success(),
        "{}",
        log(&uninterrupted)
    );
    let whole = began.elapsed();
    let expected = result(&uninterrupted).unwrap();
    assert_eq!((expected.steps.len(), expected.epochs.len()), (18, 6));

    let (left, began) = (AtomicUsize::new(kills), Instant::now());
    let (mut activities, mut runs) = (Kills::new(), 0);
    thread::scope(|scope| {
        let lane = |number| Lane {
            root: root.path(),
            random: SplitMix64::new(0x5eed + number),
            whole,
            expected: &expected,
            left: &left,
        };
        let lanes: Vec<_> = (0..LANES)
            .map(|number| scope.spawn(move || lane(number).work()))
            .collect();
        for lane in lanes {
            let (found, number) = lane.join().unwrap();
            runs += number;
            for (activity, kills) in found {
                *activities.entry(activity).or_default() += kills;
            }
        }
    });
    let done: usize = activities.values().sum();
    let in_saves: usize = activities
        .iter()
        .filter(|(activity, _)| activity.ends_with("a checkpoint"))
        .map(|(_, hit)| hit)
        .sum();
    let seconds = began.elapsed().as_secs();
    let share = in_saves * 100 / done;
    let asked = verdict("WARMSTART_KILLS", done, [40, 1000]);
    // Chance moves the share of 40 kills by 7 points (standard deviation), that of 1,000 by one.
    let least = if kills < 1000 { 5 } else { 25 };
    let verdict = if share >= least { "ok" } else { "UNDER" };
    println!(
        "FIGURE A1\tSIGKILLs at random ({activities:?}, in {seconds} s): {runs} runs, each bitwise equal to an unbroken one\t{done}\t{asked}"
    );
    println!("FIGURE A1\tof them inside a checkpoint\t{share} %\t{least} %\t{verdict}");
    assert!(done >= kills && share >= least, "{activities:?}");
}
