//! What a queued run waits for, in the same words on the machine's screen and in every answer.

use crate::queue::Entry;
use crate::run::RunId;

use super::{ExperimentKey, Run, Runs};

/// In a word, and in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitsFor {
    pub word: String,
    pub sentence: String,
}

impl Runs {
    /// What a run has its place on: as the queue started it, or else its device.
    pub fn slot_of<'a>(&'a self, run: &'a Run) -> &'a str {
        let active = &self.queue().active;
        let active = active.iter().find(|active| active.entry.run == run.id);
        active.map_or(run.device(), |active| &active.entry.slot)
    }

    /// What a waiting run waits for.
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
        let before = queue
            .waiting
            .iter()
            .take_while(|other| other.run != entry.run)
            .find(|other| other.slot == entry.slot);
        match before.or(active().find(|other| other.slot == entry.slot)) {
            Some(other) => says(
                &entry.slot,
                format!(
                    "{} goes to {} before it.",
                    entry.slot,
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
