//! A1: a run that is killed again and again, a third of the times in the middle of a save, ends with the bits of one that never was:
//! weights, optimizer, counters, and every figure of every step. `WARMSTART_KILLS` says how often (100; the soak test asks for 1,000).

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
/// So that no save is far, and none is the last for long.
const CHANGES: [&str; 2] = ["train.epochs=6", "train.early_stopping=null"];

/// Kills, by what they hit.
type SearchPaths = BTreeMap<&'static str, usize>;

/// One of the runs that are killed at the same time.
struct Lane<'a> {
    root: &'a Path,
    random: SplitMix64,
    /// How long an unbroken run takes.
    whole: Duration,
    expected: &'a Result,
    /// Kills that are still to be done, by all lanes.
    left: &'a AtomicUsize,
}

impl Lane<'_> {
    fn work(mut self) -> (SearchPaths, usize) {
        let (mut places, mut runs) = (SearchPaths::new(), 0);
        while self.left.load(Ordering::Relaxed) > 0 {
            let run = new_run(self.root, &CHANGES);
            runs += 1;
            while !is_finished(&run) {
                let attempts = attempts(&run);
                let mut child = teller(&run).spawn().unwrap();
                if self.left.load(Ordering::Relaxed) == 0 {
                    assert!(child.wait().unwrap().success(), "{}", log(&run));
                } else if self.kill(&run, &mut child) {
                    *places.entry(place(&run, attempts)).or_default() += 1;
                    let one_less = |left: usize| Some(left.saturating_sub(1));
                    self.left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                        .unwrap();
                }
            }
            let found = result(&run).unwrap();
            assert!(
                found == *self.expected,
                "after {places:?}: {:?} {:?}",
                found.last.state,
                found.steps
            );
            assert!(state(&run).attempt.unwrap().not_exact.is_empty());
            assert_left_clean(&run);
            fs::remove_dir_all(run.path()).unwrap();
        }
        (places, runs)
    }

    /// Lets a worker live for a while, or until some moment of a save, and kills it. False when it ended before.
    fn kill(&mut self, run: &RunDir, child: &mut Child) -> bool {
        let mut random = |most: Duration| most.mul_f64(self.random.below(1000) as f64 / 1000.0);
        let (life, within) = (random(self.whole), random(Duration::from_millis(60)));
        let in_save = self.random.below(3) == 0;
        let began = Instant::now();
        while began.elapsed() < life || in_save {
            if in_save && is_writing(run) {
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

/// Whether files of a checkpoint are being written.
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

/// What a worker was doing when it was killed, by what it told last.
fn place(run: &RunDir, attempts_before: usize) -> &'static str {
    if is_writing(run) {
        return "writing a checkpoint";
    }
    if attempts(run) == attempts_before {
        return "loading";
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

/// Nothing of an interrupted save is left.
fn assert_left_clean(run: &RunDir) {
    let entries = fs::read_dir(run.checkpoints()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| !name.starts_with("step-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_run_killed_again_and_again_ends_with_the_bits_of_one_that_never_was() {
    let kills = wanted("WARMSTART_KILLS", 100);
    let root = root();
    let straight = new_run(root.path(), &CHANGES);
    let began = Instant::now();
    assert!(
        teller(&straight).status().unwrap().success(),
        "{}",
        log(&straight)
    );
    let whole = began.elapsed();
    let expected = result(&straight).unwrap();
    assert_eq!((expected.steps.len(), expected.epochs.len()), (18, 6));

    let (left, began) = (AtomicUsize::new(kills), Instant::now());
    let (mut places, mut runs) = (SearchPaths::new(), 0);
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
            for (place, kills) in found {
                *places.entry(place).or_default() += kills;
            }
        }
    });
    let done: usize = places.values().sum();
    let in_saves: usize = places
        .iter()
        .filter(|(place, _)| place.ends_with("a checkpoint"))
        .map(|(_, hit)| hit)
        .sum();
    let seconds = began.elapsed().as_secs();
    let share = in_saves * 100 / done;
    let asked = verdict("WARMSTART_KILLS", done, [100, 1000]);
    let verdict = if in_saves * 4 >= done { "ok" } else { "UNDER" };
    println!(
        "FIGURE A1\tSIGKILLs at random ({places:?}, in {seconds} s): {runs} runs, each bitwise equal to an unbroken one\t{done}\t{asked}"
    );
    println!("FIGURE A1\tof them inside a checkpoint\t{share} %\t25 %\t{verdict}");
    assert!(done >= kills && in_saves * 4 >= done, "{places:?}");
}
