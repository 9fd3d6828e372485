//! The decision as a function of figures, and what it does with the folders of a group.

use std::fs;

use tempfile::TempDir;
use warmstart_schema::event::FailureKind;
use warmstart_schema::event::{Attempt, Epoch};
use warmstart_schema::experiment;

use super::*;
use crate::event_log::EventWriter;
use crate::launcher::Programs;
use crate::member::MemberOf;
use crate::queue::{Push, Queue};
use crate::run::Launch;

const YAML: &str = "
name: small
dataset: { name: emoji98 }
model: { backbone: resnet18, weights: random }
train: { epochs: 9, batch_size: 32, optimizer: { name: adam, learning_rate: 0.001 } }
";

fn ranks(monitor: Monitor, settings: &[&[Option<f64>]]) -> (Vec<usize>, Vec<bool>) {
    let settings: Vec<Vec<Option<f64>>> = settings.iter().map(|it| it.to_vec()).collect();
    let places = places(monitor, &settings);
    places.iter().map(|it| (it.rank, it.continues)).unzip()
}

#[test]
fn the_better_half_continues_and_of_an_odd_number_the_larger() {
    let loss = |figures: &[f64]| {
        let settings: Vec<Vec<Option<f64>>> = figures.iter().map(|it| vec![Some(*it)]).collect();
        let settings: Vec<&[Option<f64>]> = settings.iter().map(Vec::as_slice).collect();
        ranks(Monitor::ValLoss, &settings)
    };
    assert_eq!(loss(&[4.0, 1.0, 3.0, 2.0]).0, [4, 1, 3, 2]);
    assert_eq!(loss(&[4.0, 1.0, 3.0, 2.0]).1, [false, true, false, true]);
    assert_eq!(loss(&[3.0, 1.0, 2.0]).1, [false, true, true]);
    assert_eq!(loss(&[3.0]).1, [true]);
    let accuracy = ranks(Monitor::ValAcc, &[&[Some(0.1)], &[Some(0.9)]]);
    assert_eq!(accuracy.0, [2, 1]);
}

#[test]
fn equal_settings_keep_the_order_of_the_file() {
    let same: &[Option<f64>] = &[Some(1.0)];
    assert_eq!(
        ranks(Monitor::ValLoss, &[same, same, same, same]),
        (vec![1, 2, 3, 4], vec![true, true, false, false])
    );
}

#[test]
fn settings_count_by_the_mean_of_their_seeds_and_are_last_without_a_figure() {
    let (ranks, continues) = ranks(
        Monitor::ValLoss,
        &[
            &[None, None],
            &[Some(1.0), Some(3.0)],
            // A seed that failed does not count.
            &[Some(1.5), None],
            &[Some(f64::NAN)],
        ],
    );
    assert_eq!(ranks, [3, 2, 1, 4]);
    assert_eq!(continues, [false, true, true, false]);
}

#[test]
fn the_figure_is_the_best_finite_one_up_to_the_round() {
    let mut state = RunState::default();
    for (epoch, val_loss) in [(1, 2.0), (2, f64::NAN), (3, 3.0), (4, 1.0)] {
        state.epochs.push(Epoch {
            epoch,
            val_loss,
            ..Epoch::default()
        });
    }
    assert_eq!(figure(Monitor::ValLoss, &state, 3), Some(2.0));
    assert_eq!(figure(Monitor::ValLoss, &state, 4), Some(1.0));
    state.epochs.remove(0);
    assert_eq!(figure(Monitor::ValLoss, &state, 2), None);
}

/// Runs of one group, by their learning rate.
struct Group {
    folder: TempDir,
    runs: Vec<RunId>,
}

impl Group {
    fn new(rates: &[&str], seeds: &[u64], epochs: &[u32]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut runs = Vec::new();
        for &seed in seeds {
            for rate in rates {
                let member = serde_json::json!({
                    "group": "g", "seed": seed, "settings": [{ "field": "rate", "value": rate }],
                    "halving": { "epochs": epochs, "monitor": "val_loss" },
                });
                let member: MemberOf = serde_json::from_value(member).unwrap();
                let experiment = experiment::parse(YAML, "small.yaml").unwrap();
                let launch = Launch {
                    experiment: &experiment,
                    source: "small.yaml".as_ref(),
                    device: "cpu",
                };
                let created =
                    RunDir::create_member(folder.path(), &launch, None, Some(&member)).unwrap();
                runs.push(created.1.id);
            }
        }
        Queue::new(folder.path()).halve(runs.clone()).unwrap();
        Self { folder, runs }
    }

    fn dir(&self, run: usize) -> RunDir {
        RunDir::of(self.folder.path(), &self.runs[run])
    }

    fn log(&self, run: usize, events: &[Event]) {
        let mut log = EventWriter::open(&self.dir(run).events()).unwrap();
        for event in events {
            log.write(event).unwrap();
        }
        log.sync().unwrap();
    }

    /// The run begins, trains these epochs from `first` on, and ends so.
    fn trains(&self, run: usize, first: u32, losses: &[f64], end: Event) {
        let attempt = serde_json::json!({
            "number": 1, "worker": { "boot_id": "b", "pid": 9, "start_ticks": 1 }, "host": "h", "device": "cpu",
            "device_name": "c", "device_reason": "r", "threads": 1, "libtorch": "2", "epochs": 9, "resumed_from": null,
        });
        let attempt: Attempt = serde_json::from_value(attempt).unwrap();
        let mut events = vec![Event::Attempt(attempt)];
        for (epoch, &val_loss) in (first..).zip(losses) {
            events.push(Event::Epoch(Epoch {
                epoch,
                step: u64::from(epoch) * 10,
                val_loss,
                ..Epoch::default()
            }));
        }
        events.push(end);
        self.log(run, &events);
    }

    /// All runs have waited at epoch 2 with these losses.
    fn all_pause(&self, losses: &[f64]) {
        for (run, &loss) in losses.iter().enumerate() {
            self.trains(run, 1, &[9.0, loss], paused(2));
        }
    }

    fn queue(&self) -> Queue {
        Queue::new(self.folder.path())
    }

    /// Decides without starting anything; returns which runs wait in the queue.
    fn decide(&self) -> Vec<usize> {
        let queue = self.queue();
        queue.pause("a test").unwrap();
        assert!(queue.advance(&programs(), None).unwrap().failed.is_empty());
        self.queued()
    }

    fn queued(&self) -> Vec<usize> {
        let waiting = self.queue().content().unwrap().waiting;
        let place = |entry: &Entry| self.runs.iter().position(|run| *run == entry.run);
        waiting.iter().filter_map(place).collect()
    }

    fn outcome(&self, run: usize) -> Option<Outcome> {
        self.dir(run).state().unwrap().outcome
    }

    fn is_open(&self) -> bool {
        !self.queue().content().unwrap().halving.is_empty()
    }

    fn places(&self, run: usize) -> Vec<(u32, u32, u32, bool)> {
        let halvings = self.dir(run).state().unwrap().halvings;
        let place = |it: &Halved| (it.epoch, it.rank, it.of, it.continues);
        halvings.iter().map(place).collect()
    }
}

fn programs() -> Programs {
    Programs {
        worker: "/bin/true".into(),
        monitor: None,
    }
}

fn paused(epoch: u32) -> Event {
    Event::Paused {
        epoch,
        step: u64::from(epoch) * 10,
        train_time: 1.0,
    }
}

fn stopped() -> Event {
    Event::Stopped {
        step: 10,
        train_time: 1.0,
    }
}

fn failed() -> Event {
    Event::Failed {
        kind: FailureKind::Input,
        error: "e".to_owned(),
        help: "h".to_owned(),
    }
}

const RATES: [&str; 4] = ["1", "2", "3", "4"];

#[test]
fn a_round_stops_the_worse_half_and_queues_the_better() {
    let group = Group::new(&RATES, &[1], &[2, 4]);
    group.all_pause(&[4.0, 1.0, 3.0, 2.0]);
    assert_eq!(group.decide(), [1, 3]);
    assert_eq!(group.places(0), [(2, 4, 4, false)]);
    assert_eq!(group.places(1), [(2, 1, 4, true)]);
    assert_eq!(group.outcome(2), Some(Outcome::Halved));
    assert!(group.is_open());
    // Deciding again changes nothing.
    assert_eq!(group.decide(), [1, 3]);
    assert_eq!(group.places(0).len(), 1);
}

#[test]
fn a_round_waits_for_runs_that_train_wait_or_were_stopped() {
    let group = Group::new(&RATES, &[1], &[2]);
    for (run, loss) in [(0, 1.0), (1, 2.0)] {
        group.trains(run, 1, &[9.0, loss], paused(2));
    }
    group.trains(2, 1, &[9.0], stopped());
    group.trains(3, 1, &[9.0, 3.0], paused(2));
    assert!(group.decide().is_empty());
    group.trains(2, 2, &[0.5], paused(2));
    // A worker has it.
    let lock = group.dir(0).lock().unwrap();
    assert!(group.decide().is_empty());
    drop(lock);
    assert_eq!(group.decide(), [0, 2]);
    assert!(!group.is_open());
}

#[test]
fn failed_lost_deleted_and_unreadable_runs_do_not_delay_a_round() {
    let group = Group::new(&["1", "2", "3", "4", "5"], &[1], &[2]);
    group.trains(0, 1, &[0.1], failed());
    group.trains(1, 1, &[9.0, 2.0], paused(2));
    group.trains(2, 1, &[9.0, 1.0], paused(2));
    fs::remove_dir_all(group.dir(3).path()).unwrap();
    fs::write(group.dir(4).path().join("run.json"), "{").unwrap();
    assert_eq!(group.decide(), [1, 2]);
    assert_eq!(group.places(0), [(2, 3, 3, false)]);
    assert!(matches!(group.outcome(0), Some(Outcome::Failed { .. })));
    let is_lost = Group::new(&["1", "2"], &[1], &[2]);
    is_lost.trains(0, 1, &[9.0, 2.0], paused(2));
    // Its worker exited after the first epoch and logged no end.
    is_lost.trains(1, 1, &[0.1], Event::Stopping);
    assert_eq!(is_lost.decide(), [0]);
    assert_eq!(is_lost.outcome(1), Some(Outcome::Halved));
}

#[test]
fn nothing_is_decided_without_a_figure() {
    let group = Group::new(&["1", "2"], &[1], &[2]);
    group.trains(0, 1, &[], failed());
    group.trains(1, 1, &[], failed());
    assert!(group.decide().is_empty());
    assert!(group.places(0).is_empty() && group.is_open());
}

#[test]
fn settings_continue_with_all_their_seeds() {
    let group = Group::new(&["1", "2"], &[1, 2], &[2]);
    group.all_pause(&[1.0, 2.0, 6.0, 3.0]);
    assert_eq!(group.decide(), [1, 3]);
    assert_eq!(group.places(3), [(2, 1, 2, true)]);
    assert_eq!(group.places(0), [(2, 2, 2, false)]);
}

#[test]
fn a_run_that_has_finished_counts_in_later_rounds() {
    let group = Group::new(&RATES, &[1], &[2, 4]);
    let finished = Event::Finished {
        train_time: 1.0,
        stopped_early: true,
    };
    group.trains(0, 1, &[0.5], finished);
    for (run, loss) in [(1, 4.0), (2, 3.0), (3, 2.0)] {
        group.trains(run, 1, &[9.0, loss], paused(2));
    }
    assert_eq!(group.decide(), [3]);
    assert_eq!(group.places(0), [(2, 1, 4, true)]);
    assert!(group.queue().remove(&group.runs[3]).unwrap());
    group.trains(3, 3, &[2.0, 0.4], paused(4));
    assert_eq!(group.decide(), [3]);
    assert_eq!(group.places(0)[1], (4, 2, 2, false));
    assert!(matches!(group.outcome(0), Some(Outcome::Finished { .. })));
    assert!(!group.is_open());
}

#[test]
fn a_decision_that_was_cut_short_is_completed() {
    let group = Group::new(&RATES, &[1], &[2]);
    group.all_pause(&[4.0, 1.0, 3.0, 2.0]);
    let place = Halved {
        epoch: 2,
        rank: 1,
        of: 4,
        monitor: Monitor::ValLoss,
        figure: Some(1.0),
        continues: true,
    };
    group.log(1, &[Event::Halved(place)]);
    assert_eq!(group.decide(), [1, 3]);
    assert_eq!(group.places(1).len(), 1);
}

#[test]
fn an_added_seed_shares_the_end_of_its_settings() {
    let group = Group::new(&["1", "2"], &[1, 2], &[2]);
    let all = group.runs.clone();
    group.queue().halve(all[..2].to_vec()).unwrap();
    group.trains(0, 1, &[9.0, 2.0], paused(2));
    group.trains(1, 1, &[9.0, 1.0], paused(2));
    assert_eq!(group.decide(), [1]);
    group.queue().halve(all).unwrap();
    group.trains(2, 1, &[9.0, 0.1], paused(2));
    group.trains(3, 1, &[9.0, 5.0], paused(2));
    assert_eq!(group.decide(), [1, 3]);
    assert!(!group.places(2)[0].3);
}

#[test]
fn a_run_on_its_way_to_a_later_round_does_not_delay_an_added_seed() {
    let group = Group::new(&["1", "2"], &[1, 2], &[2, 4]);
    let all = group.runs.clone();
    group.queue().halve(all[..2].to_vec()).unwrap();
    group.trains(0, 1, &[9.0, 2.0], paused(2));
    group.trains(1, 1, &[9.0, 1.0], paused(2));
    assert_eq!(group.decide(), [1]);
    group.queue().halve(all).unwrap();
    group.trains(2, 1, &[9.0, 0.1], paused(2));
    group.trains(3, 1, &[9.0, 5.0], paused(2));
    // Run 1 still waits for a worker that trains it to epoch 4.
    assert_eq!(group.decide(), [1, 3]);
    assert_eq!(group.outcome(2), Some(Outcome::Halved));
    // The next round needs both.
    assert!(group.queue().remove(&group.runs[3]).unwrap());
    group.trains(3, 3, &[2.0, 0.4], paused(4));
    assert_eq!(group.decide(), [1]);
    assert_eq!(group.places(3).len(), 1);
}

#[test]
fn a_run_that_its_user_takes_out_of_the_queue_stays_out() {
    let group = Group::new(&RATES, &[1], &[2, 4]);
    group.all_pause(&[4.0, 1.0, 3.0, 2.0]);
    assert_eq!(group.decide(), [1, 3]);
    assert!(group.queue().remove(&group.runs[1]).unwrap());
    assert_eq!(group.outcome(1), Some(Outcome::Stopped));
    assert_eq!(group.decide(), [3]);
    // Without a run that has never begun, the group is not whole.
    let group = Group::new(&RATES, &[1], &[2]);
    let entry = Entry {
        run: group.runs[0].clone(),
        stem: "small".to_owned(),
        slot: "cpu".to_owned(),
        after: None,
        file: None,
        after_file: None,
    };
    assert_eq!(group.queue().push(entry).unwrap(), Push::Queued);
    assert!(group.queue().remove(&group.runs[0]).unwrap());
    fs::remove_dir_all(group.dir(0).path()).unwrap();
    for run in 1..4 {
        group.trains(run, 1, &[9.0, 1.0], paused(2));
    }
    assert!(group.decide().is_empty() && group.places(1).is_empty());
}

#[test]
fn a_run_whose_log_cannot_be_read_is_not_taken_out_of_the_queue_half() {
    let group = Group::new(&RATES, &[1], &[2, 4]);
    group.all_pause(&[4.0, 1.0, 3.0, 2.0]);
    assert_eq!(group.decide(), [1, 3]);
    let log = group.dir(1).events();
    let kept = log.with_extension("kept");
    fs::rename(&log, &kept).unwrap();
    // A folder in the place of the log, with a content: an empty one may look like a log without a line.
    fs::create_dir_all(log.join("x")).unwrap();
    assert!(group.queue().remove(&group.runs[1]).is_err());
    assert_eq!(group.queued(), [1, 3]);
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&kept, &log).unwrap();
    assert!(group.queue().remove(&group.runs[1]).unwrap());
    assert_eq!(group.queued(), [3]);
}

#[test]
fn of_two_processes_that_advance_at_once_one_starts_each_run() {
    for _ in 0..20 {
        let group = Group::new(&RATES, &[1], &[2]);
        group.all_pause(&[4.0, 1.0, 3.0, 2.0]);
        group.queue().set_slots(4).unwrap();
        let mut started: Vec<RunId> = std::thread::scope(|scope| {
            let both = [(); 2].map(|()| {
                scope.spawn(|| {
                    let advance = group.queue().advance(&programs(), None).unwrap();
                    assert!(advance.failed.is_empty());
                    advance.started
                })
            });
            let started = both.into_iter().flat_map(|thread| thread.join().unwrap());
            let ids = started.map(|(id, started)| {
                started.child.unwrap().wait().unwrap();
                id
            });
            ids.collect()
        });
        started.sort_unstable();
        let mut winners = vec![group.runs[1].clone(), group.runs[3].clone()];
        winners.sort_unstable();
        assert_eq!(started, winners);
        assert_eq!(group.places(1).len(), 1);
    }
}
