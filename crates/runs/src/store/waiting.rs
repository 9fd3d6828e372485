//! What a queued run waits for, in the same words on the machine's screen and in every answer.

use crate::queue::Entry;
use crate::run::RunId;

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
    /// So many were stopped, or have never run.
    Left(usize),
    /// Not all members were launched, or one was taken out of the queue.
    Incomplete,
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
            Round::Left(count) => {
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
            Round::Incomplete => format!(
                "waits at epoch {epoch} for runs of its group that are not in the queue: {train} adds them"
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

    /// What a run of this group waits for.
    fn round_of(&self, run: &Run, group: &[RunId]) -> Round {
        let epoch = run.round();
        let is_due = |other: &&Run| {
            let rounds = other.member().and_then(|member| member.halving.as_ref());
            let next = rounds.and_then(|rounds| rounds.next(&other.state.halvings));
            next.is_some() && next <= epoch
        };
        let others = group.iter().filter_map(|id| self.get(id)).filter(is_due);
        let (mut open, mut left) = (0, 0);
        for other in others {
            match other.status() {
                status if status.is_live() || matches!(status, Status::Queued(_)) => open += 1,
                Status::Stopped => left += 1,
                _ if other.state.attempt.is_none() => left += 1,
                _ => {}
            }
        }
        match (open, left) {
            (0, 0) => Round::Due,
            (0, left) => Round::Left(left),
            (open, _) => Round::Others(open),
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
        let active = || queue.active.iter().map(|active| &active.entry);
        let source = entry.after.as_ref().filter(|_| {
            active()
                .chain(&queue.waiting)
                .any(|other| entry.comes_after(other) && other.run != entry.run)
        });
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
