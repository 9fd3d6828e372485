//! What a queued run waits for, in the same words on the machine's screen and in every answer.

use crate::halving::figure_in_round;
use crate::queue::Entry;
use crate::run::RunId;

use warmstart_schema::experiment::Rounds;
use warmstart_schema::state::Status;

use super::{ExperimentKey, Run, Runs};

/// What a queued run waits for, in a word and in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitsFor {
    pub word: String,
    pub sentence: String,
}

/// What a run waits for at a round of its group's halving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// So many runs of its group train or wait in the queue.
    Others(usize),
    /// So many were stopped.
    Stopped(usize),
    /// So many have never run, because they could not be started.
    NeverRan(usize),
    /// Not all members were launched, or one was taken out of the queue.
    Incomplete,
    /// No run has a finite figure, so nothing tells which is better.
    WithoutFigure,
    /// The next process that advances the queue decides.
    Due,
}

impl Runs {
    /// Whether a round of a group's halving can be decided now.
    pub fn has_due_round(&self) -> bool {
        let mut rounds = self.rounds();
        rounds.any(|(run, group)| self.round_of(run, group) == Round::Due)
    }

    /// What each group that is being halved waits for, in a sentence, with a run that waits.
    pub fn groups_that_wait(&self) -> impl Iterator<Item = (&Run, String)> {
        let rounds = self.rounds();
        rounds.filter_map(|(run, _)| Some((run, self.waits_for_group(run)?)))
    }

    /// What a run waits for at a round of its group's halving, in a sentence.
    pub fn waits_for_group(&self, run: &Run) -> Option<String> {
        let epoch = run.round()?;
        let monitor = run.member()?.halving.as_ref()?.monitor.as_str();
        let group = &self.queue().halving;
        let group = group.iter().find(|group| group.contains(&run.id));
        let round = group.map_or(Round::Incomplete, |group| self.round_of(run, group));
        let runs = |count: usize| match count {
            1 => "1 run of its group".to_owned(),
            count => format!("{count} runs of its group"),
        };
        let train = "`warmstart train` with the group's file";
        Some(match round {
            Round::Others(count) => {
                format!("waits for {} to reach epoch {epoch}", runs(count))
            }
            Round::Stopped(count) => {
                let (were, them) = if count == 1 {
                    ("was", "it")
                } else {
                    ("were", "them")
                };
                format!(
                    "waits for {} at epoch {epoch}, which {were} stopped: {train} resumes {them}",
                    runs(count)
                )
            }
            Round::NeverRan(count) => {
                let (have, them) = if count == 1 {
                    ("has", "it")
                } else {
                    ("have", "them")
                };
                format!(
                    "waits for {} at epoch {epoch}, which {have} never run: {train} starts {them}",
                    runs(count)
                )
            }
            Round::Incomplete => format!(
                "waits at epoch {epoch} for runs of its group that are not in the queue: {train} adds them"
            ),
            Round::WithoutFigure => format!(
                "waits at epoch {epoch}, because no run of its group has a finite {monitor}: add a seed or a value to the group's \
                 file, then run `warmstart train` with it"
            ),
            Round::Due => {
                format!("waits at epoch {epoch} for a look at the queue: its group can be halved")
            }
        })
    }

    /// Of each group whose next round has runs that wait, one of them.
    fn rounds(&self) -> impl Iterator<Item = (&Run, &[RunId])> {
        self.queue().halving.iter().filter_map(|group| {
            let runs = group.iter().filter_map(|id| self.get(id));
            let waiting = runs.filter_map(|run| Some((run.round()?, run)));
            let (_, run) = waiting.min_by_key(|(epoch, _)| *epoch)?;
            Some((run, &**group))
        })
    }

    /// What a run of this group waits for. It agrees with what the process that advances the queue would decide.
    fn round_of(&self, run: &Run, group: &[RunId]) -> Round {
        let members: Vec<(&Run, &Rounds)> = group
            .iter()
            .filter_map(|id| self.get(id))
            .filter_map(|member| Some((member, member.member()?.halving.as_ref()?)))
            .collect();
        let epoch = run.round();
        let (mut open, mut stopped, mut never_ran) = (0, 0, 0);
        for (other, rounds) in &members {
            let next = rounds.next(&other.state.halvings);
            if next.is_none() || next > epoch {
                continue;
            }
            match other.status() {
                status if status.is_live() || matches!(status, Status::Queued(_)) => open += 1,
                Status::Stopped => stopped += 1,
                _ if other.state.attempt.is_none() => never_ran += 1,
                _ => {}
            }
        }
        let has_figure = |epoch| {
            let mut members = members.iter();
            members.any(|(run, rounds)| figure_in_round(rounds, &run.state, epoch).is_some())
        };
        match (open, stopped, never_ran) {
            (0, 0, 0) if epoch.is_some_and(has_figure) => Round::Due,
            (0, 0, 0) => Round::WithoutFigure,
            (0, 0, never_ran) => Round::NeverRan(never_ran),
            (0, stopped, _) => Round::Stopped(stopped),
            (open, ..) => Round::Others(open),
        }
    }

    /// The devices that a run takes: those for which the queue started it, or else its own.
    pub fn slot_of<'a>(&'a self, run: &'a Run) -> &'a str {
        let active = &self.queue().active;
        let active = active.iter().find(|active| active.entry.run == run.id);
        active.map_or(run.device(), |active| &active.entry.slot)
    }

    /// What a run in the queue waits for: the queue itself, the run that it starts from, or a device.
    pub fn waits_for(&self, entry: &Entry) -> WaitsFor {
        let queue = self.queue();
        let says = |word: &str, sentence: String| WaitsFor {
            word: word.to_owned(),
            sentence,
        };
        if let Some(reason) = &queue.paused {
            return says("the queue", format!("The queue is paused: {reason}."));
        }
        let source = entry.after.as_ref();
        let source = source.filter(|_| queue.waits_for_base(entry));
        if let Some(stem) = source {
            let file = entry.after_file.clone().map(ExperimentKey::File);
            let run = file.map_or_else(|| self.all_named(stem).last(), |key| self.latest_of(&key));
            let label = run.map_or(stem.as_str(), Run::label);
            return says(
                "its base",
                format!("It starts from {label}, which has not ended."),
            );
        }
        let label = |run: &RunId, stem: &str| self.get(run).map_or(stem, Run::label).to_owned();
        match queue.goes_before(entry) {
            Some(other) => says(
                &entry.slot,
                format!(
                    "{} goes to {} before it.",
                    other.slot,
                    label(&other.run, &other.stem)
                ),
            ),
            None => says(
                "its start",
                "Nothing is in its way: it starts with the next look at the queue.".to_owned(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use warmstart_schema::event::{Epoch, Event, FailureKind, Record};

    use super::*;
    use crate::launcher;
    use crate::queue::{Active, Content};
    use crate::store::Change;

    fn id(index: usize) -> RunId {
        format!("20260101-00000{index}-aaaa").parse().unwrap()
    }

    /// A run of a group that is halved at epoch 2.
    fn added(index: usize) -> Change {
        let info = json!({
            "format": 1, "id": id(index), "experiment": "Name", "group": "g", "stem": "s", "source": "s.yaml",
            "created": format!("2026-01-01T00:00:0{index}Z"), "device": "cpu",
            "member": {
                "group": "g", "seed": 1, "settings": [{ "field": "rate", "value": index.to_string() }],
                "halving": { "epochs": [2], "monitor": "val_loss" },
            },
        });
        Change::Added {
            id: id(index),
            info: Ok(serde_json::from_value(info).unwrap()),
            experiment: None,
        }
    }

    /// It trains two epochs and waits for its group.
    fn pauses(index: usize, val_loss: f64) -> Change {
        let attempt = json!({
            "number": 1, "worker": { "boot_id": "b", "pid": 9, "start_ticks": 1 }, "host": "h", "device": "cpu",
            "device_name": "c", "device_reason": "r", "threads": 1, "libtorch": "2", "epochs": 9, "resumed_from": null,
        });
        let epoch = |epoch| {
            Event::Epoch(Epoch {
                epoch,
                val_loss,
                ..Epoch::default()
            })
        };
        let end = Event::Paused {
            epoch: 2,
            step: 20,
            train_time: 1.0,
        };
        let attempt = Event::Attempt(serde_json::from_value(attempt).unwrap());
        let events = [attempt, epoch(1), epoch(2), end];
        Change::Events {
            id: id(index),
            records: events.map(|event| Record { t: 1.0, event }).into(),
            damaged: 0,
            restarted: false,
        }
    }

    /// A group whose runs have these losses. A run without one has not begun.
    fn group(losses: &[Option<f64>]) -> Runs {
        let mut runs = Runs::default();
        for (index, loss) in losses.iter().enumerate() {
            runs.apply(added(index));
            if let Some(loss) = loss {
                runs.apply(pauses(index, *loss));
            }
        }
        runs.apply(Change::Queue(Content {
            halving: vec![(0..losses.len()).map(id).collect()],
            ..Content::default()
        }));
        runs
    }

    /// What the group waits for.
    fn waits(runs: &Runs) -> String {
        let groups: Vec<String> = runs.groups_that_wait().map(|(_, text)| text).collect();
        groups.join("\n")
    }

    #[test]
    fn a_round_is_due_once_a_run_has_a_finite_figure() {
        let diverged = group(&[Some(f64::NAN), Some(f64::INFINITY)]);
        assert!(!diverged.has_due_round());
        let text = waits(&diverged);
        assert!(
            text.contains("no run of its group has a finite val_loss"),
            "{text}"
        );
        assert!(group(&[Some(f64::NAN), Some(1.0)]).has_due_round());
    }

    #[test]
    fn a_run_that_could_not_be_started_is_not_called_stopped() {
        let mut runs = group(&[None, Some(1.0)]);
        let event = Event::Failed {
            kind: FailureKind::Input,
            error: "e".to_owned(),
            help: "h".to_owned(),
        };
        runs.apply(Change::Events {
            id: id(0),
            records: vec![Record { t: 1.0, event }],
            damaged: 0,
            restarted: false,
        });
        assert!(!runs.has_due_round());
        let text = waits(&runs);
        assert!(
            text.contains("1 run of its group") && text.contains("has never run"),
            "{text}"
        );
    }

    #[test]
    fn runs_that_start_from_each_other_wait_for_their_device_alone() {
        let entry = |index: usize, stem: &str, after: Option<&str>| Entry {
            run: id(index),
            stem: stem.to_owned(),
            slot: "cpu".to_owned(),
            after: after.map(str::to_owned),
            file: None,
            after_file: None,
        };
        let started = Active {
            entry: entry(0, "first", None),
            worker: launcher::current(),
            since: 0,
        };
        let mut runs = Runs::default();
        runs.apply(Change::Queue(Content {
            waiting: vec![
                entry(1, "cat", Some("dog")),
                entry(2, "dog", Some("cat")),
                entry(3, "last", Some("first")),
            ],
            active: vec![started],
            ..Content::default()
        }));
        let waiting = runs.queue().waiting.iter();
        let words: Vec<String> = waiting.map(|entry| runs.waits_for(entry).word).collect();
        assert_eq!(words, ["cpu", "cpu", "its base"]);
    }
}
