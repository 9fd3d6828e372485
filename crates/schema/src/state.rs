//! The state of a run, as a pure fold over its events.

mod stage;
mod status;
mod timeline;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::stage::Stage;
pub use self::status::{Liveness, Status};
pub use self::timeline::{Downsampled, Moment, Progress, Sample};
use crate::event::{
    Attempt, Batch, Change, Changed, Checkpoint, DatasetFacts, Epoch, Event, Fetch, Halved, Level,
    ModelFacts, Neighbours, Phase, PhaseProgress, Record, StartedFrom, System, Test, WeightsFacts,
};
use crate::exit::Exit;
pub use crate::failure::Outcome;
use crate::text;

/// How many notes to keep; older ones are in the log.
const MAX_NOTES: usize = 200;
/// How many skipped steps to keep.
pub const MAX_SKIPPED: usize = 1000;

/// The state of a run after its events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// The newest attempt.
    pub attempt: Option<Attempt>,
    pub phase: Phase,
    /// The current download.
    pub fetch: Option<Fetch>,
    /// When this download began in this process, and how many bytes it had then.
    pub fetch_began: Option<(f64, u64)>,
    pub dataset: Option<DatasetFacts>,
    /// Shared with the runs of the same model, so the file of summaries stores it separately.
    #[serde(skip)]
    pub model: Option<Arc<ModelFacts>>,
    /// The file of the first weights.
    #[serde(default)]
    pub weights: Option<WeightsFacts>,
    /// The run that this one's weights come from.
    pub started_from: Option<StartedFrom>,
    /// Every finished epoch, in order. An epoch that a resume repeats is here once.
    pub epochs: Vec<Epoch>,
    /// Progress of the current phase.
    pub batch: Option<Batch>,
    /// Training progress of the whole run, in order of steps.
    pub batches: Downsampled<Progress>,
    /// When steps were done, in order of steps.
    pub moments: Downsampled<Moment>,
    /// The newest skipped steps, whose loss or gradients were not finite, in order.
    pub skipped: Vec<u64>,
    /// Use of the machine, in order of steps.
    pub samples: Downsampled<Sample>,
    /// The newest checkpoint, and its time.
    pub checkpoint: Option<(f64, Checkpoint)>,
    pub system: Option<System>,
    pub frozen: Option<FrozenProof>,
    pub test: Option<Test>,
    /// What the nearest neighbours of a probe reach.
    #[serde(default)]
    pub neighbours: Option<Neighbours>,
    pub notes: Vec<Note>,
    /// Changes of the experiment between attempts, in order.
    pub changes: Vec<Changed>,
    /// Whether a change waits for the next attempt.
    pub awaits_change: bool,
    /// What the rounds of its group's halving decided, in order.
    #[serde(default)]
    pub halvings: Vec<Halved>,
    pub outcome: Option<Outcome>,
    /// How the newest attempt ended, if it brought nothing new; the earlier results stay.
    #[serde(default)]
    pub setback: Option<Outcome>,
    /// While the newest attempt has nothing new: its first step, and the earlier end.
    #[serde(default)]
    pub begins: Option<Begins>,
    /// The next attempt must start over, and the old checkpoints are still in place.
    #[serde(default)]
    pub starts_over: bool,
    /// The user asked for a stop.
    pub stopping: bool,
    /// Steps from which attempts after the first continued, 0 for a start over; for marks on charts.
    pub resumes: Vec<u64>,
    /// Where more blocks began to train, in order, for marks on charts.
    #[serde(default)]
    pub stages: Vec<Stage>,
    /// Seconds since the Unix epoch of the first and the newest event.
    pub first_event: Option<f64>,
    pub last_event: Option<f64>,
    /// How many lines of the log were no events.
    pub damaged_lines: usize,
}

/// An attempt that has nothing new yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begins {
    /// Step of the checkpoint that it continues from; 0 if it starts from the beginning.
    pub step: u64,
    /// Whether it has trained, which voids the later steps of earlier attempts.
    pub trains: bool,
    /// How the run had ended before.
    pub earned: Option<Outcome>,
}

/// The hashes of all frozen tensors, before and after training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenProof {
    pub tensors: u32,
    pub before: String,
    pub after: String,
}

impl FrozenProof {
    pub fn unchanged(&self) -> bool {
        self.before == self.after
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Seconds since the Unix epoch.
    pub t: f64,
    pub level: Level,
    pub text: String,
}

impl RunState {
    /// Applies the next event.
    pub fn apply(&mut self, record: Record) {
        let Record { t, event } = record;
        self.first_event.get_or_insert(t);
        self.last_event = Some(t);
        match event {
            Event::Attempt(attempt) => self.begin(attempt.sanitized()),
            Event::Phase { phase } => {
                if phase == Phase::Training {
                    self.takes_over();
                }
                self.phase = phase;
                self.batch = None;
                self.fetch = None;
            }
            Event::Fetch(fetch) => self.take_fetch(t, &fetch),
            Event::Dataset(facts) => self.dataset = Some(facts.sanitized()),
            Event::Model(facts) => {
                let facts = facts.sanitized();
                self.started_from = facts.started_from.clone().or(self.started_from.take());
                self.model = Some(Arc::new(facts));
            }
            Event::Unfrozen(unfrozen) => self.unfreeze(unfrozen),
            Event::Weights(facts) => self.weights = Some(facts.sanitized()),
            Event::Batch(batch) => self.progress(t, batch),
            Event::Progress(progress) => self.batch = Some(as_batch(&progress)),
            Event::Skipped { step, .. } => self.skip(step),
            Event::Epoch(epoch) => {
                self.brings_new(epoch.step);
                // They are in order, and a run may have 100,000: looking at each of them would take ever longer.
                let earlier = self
                    .epochs
                    .partition_point(|other| other.epoch < epoch.epoch);
                self.epochs.truncate(earlier);
                self.add_moment(epoch.step, t, true);
                self.epochs.push(epoch);
            }
            Event::Checkpoint(checkpoint) => {
                self.brings_new(checkpoint.step);
                self.checkpoint = Some((t, checkpoint));
            }
            Event::CheckpointFailed { error } => {
                self.note(
                    t,
                    Level::Error,
                    &format!("checkpoint not saved: {error}; training continues"),
                );
            }
            Event::System(system) => {
                self.add_sample(t, system.clone());
                self.system = Some(system);
            }
            Event::Frozen {
                tensors,
                before,
                after,
            } => {
                self.frozen = Some(FrozenProof {
                    tensors,
                    before: text::line(&before, 128),
                    after: text::line(&after, 128),
                });
            }
            Event::Test(test) => self.test = Some(test),
            Event::Neighbours(neighbours) => self.neighbours = Some(neighbours),
            Event::Note { level, text } => self.note(t, level, &text),
            Event::Changed(changed) => self.change(t, changed),
            Event::StartOver => {
                self.note(
                    t,
                    Level::Info,
                    "is to start over from the beginning; earlier results stay until there are new ones",
                );
                (self.starts_over, self.awaits_change) = (true, true);
            }
            Event::PutAside { folder } => {
                let text = if folder.is_empty() {
                    "starts over; there were no earlier checkpoints".to_owned()
                } else {
                    format!("starts over; the earlier checkpoints are in {folder}")
                };
                self.note(t, Level::Info, &text);
                (self.starts_over, self.checkpoint) = (false, None);
            }
            Event::Stopping => self.stopping = true,
            Event::Stopped { .. } => self.end(Outcome::Stopped),
            Event::Paused { epoch, .. } => {
                let text = format!("epoch {epoch} is done; the run waits for its group");
                self.note(t, Level::Info, &text);
                self.end(Outcome::Paused);
            }
            Event::Halved(place) => self.halve(t, place),
            Event::Finished { stopped_early, .. } => self.end(Outcome::Finished { stopped_early }),
            Event::Failed { kind, error, help } => {
                let (error, help) = (text::line(&error, 2000), text::line(&help, 500));
                self.end(Outcome::Failed { kind, error, help });
            }
            Event::Exit(exit) => self.exit(t, &exit),
            Event::Header { .. } | Event::Unknown => {}
        }
    }

    /// The state after these events.
    pub fn fold(records: impl IntoIterator<Item = Record>) -> Self {
        let mut state = Self::default();
        records.into_iter().for_each(|record| state.apply(record));
        state
    }

    /// Drops the progress within epochs except its newest points: a list of ten thousand runs needs no more.
    pub fn summarize(&mut self) {
        self.batches.keep_newest();
        self.moments.keep_newest();
        self.samples.keep_newest();
        self.epochs.shrink_to_fit();
        self.notes.shrink_to_fit();
    }

    pub fn status(&self, liveness: Liveness) -> Status {
        match (liveness, &self.outcome) {
            (Liveness::Queued(position), _) => Status::Queued(position),
            (Liveness::Waiting, _) => Status::Waiting,
            (Liveness::Leaving, _) => Status::Stopping,
            (Liveness::Unclear, _) => Status::Unclear,
            (Liveness::Started | Liveness::Held | Liveness::HeartbeatLost, Some(_))
                if self.awaits_change =>
            {
                Status::Starting
            }
            // Its worker may still be exiting.
            (_, Some(Outcome::Finished { .. })) => Status::Finished,
            // Between taking the lock and its first event, a resumed run still has its old outcome.
            (Liveness::Started, _) => Status::Starting,
            (held, Some(_)) if held.is_held() => Status::Starting,
            (held, None) if held.is_held() && self.attempt.is_none() => Status::Starting,
            (Liveness::Stalled, None) => Status::Stalled,
            (Liveness::Hung, None) => Status::Hung,
            (Liveness::Suspended, None) => Status::Suspended,
            (Liveness::Held | Liveness::HeartbeatLost, None) if self.stopping => Status::Stopping,
            (Liveness::Held | Liveness::HeartbeatLost, None) => Status::Active(self.phase),
            (_, Some(Outcome::Stopped)) => Status::Stopped,
            (_, Some(Outcome::Paused)) => Status::Paused,
            (_, Some(Outcome::Halved)) => Status::Halved,
            (_, Some(Outcome::Failed { .. })) => Status::Failed,
            (Liveness::Unknown, None) => Status::Unreadable,
            (_, None) => Status::Lost,
        }
    }

    /// The epoch with the best monitored metric.
    pub fn best_epoch(&self) -> Option<&Epoch> {
        self.epochs.iter().rev().find(|epoch| epoch.best)
    }

    /// The epoch whose metrics represent the run: the best by the monitored metric, or else the last.
    pub fn best_or_last_epoch(&self) -> Option<&Epoch> {
        self.best_epoch().or(self.epochs.last())
    }

    /// Whether steps were done after the newest checkpoint: a resume does them again.
    pub fn has_unsaved_steps(&self) -> bool {
        let saved = self.checkpoint.as_ref();
        let saved = saved.map_or(0, |(_, checkpoint)| checkpoint.step);
        let last = self.batches.last();
        last.is_some_and(|last| last.batch.step > saved)
    }

    /// Where the newest checkpoint lies, in words: `epoch 3` at the end of an epoch, `step 250, in epoch 4` within one.
    pub fn checkpoint_place(&self) -> Option<String> {
        let (_, checkpoint) = self.checkpoint.as_ref()?;
        let ends = |epoch: &Epoch| epoch.epoch == checkpoint.epoch && epoch.step == checkpoint.step;
        Some(if self.epochs.iter().any(ends) {
            format!("epoch {}", checkpoint.epoch)
        } else {
            format!(
                "step {}, in epoch {}",
                checkpoint.step,
                checkpoint.epoch.saturating_add(1)
            )
        })
    }

    /// The planned epochs.
    pub fn epochs_planned(&self) -> Option<u32> {
        self.attempt.as_ref().map(|attempt| attempt.epochs)
    }

    /// Seconds of training so far: every finished epoch, over all attempts.
    pub fn train_time(&self) -> Option<f64> {
        self.epochs.last().map(|epoch| epoch.train_time)
    }

    /// Seconds until the last epoch ends, with validation but without saving; none before the pace is known. Means something only
    /// in training, because other phases have another pace.
    pub fn time_left(&self) -> Option<f64> {
        let (planned, batch) = (self.epochs_planned()?, self.batch.as_ref()?);
        let dataset = self.dataset.as_ref()?;
        if batch.images_per_second <= 0.0 {
            return None;
        }
        let share_left =
            f64::from(batch.batches.saturating_sub(batch.batch)) / f64::from(batch.batches.max(1));
        let per_epoch = f64::from(dataset.train) / batch.images_per_second;
        // Validation has no backward pass: about a third of the work for each image.
        let validation = f64::from(dataset.validation) / f64::from(dataset.train.max(1)) / 3.0;
        let epochs_left = f64::from(planned.saturating_sub(batch.epoch));
        Some(per_epoch * (share_left + validation + epochs_left * (1.0 + validation)))
    }

    /// Seconds until the download ends, at the pace so far.
    pub fn fetch_left(&self) -> Option<f64> {
        let (fetch, (began, before)) = (self.fetch.as_ref()?, self.fetch_began?);
        let (seconds, came) = (self.last_event? - began, fetch.done.saturating_sub(before));
        let left = fetch.total.saturating_sub(fetch.done) as f64 / came as f64 * seconds;
        // The first second says little about the pace.
        (seconds >= 1.0 && left.is_finite()).then_some(left)
    }

    fn take_fetch(&mut self, t: f64, fetch: &Fetch) {
        let fetch = Fetch {
            what: text::line(&fetch.what, 80),
            ..*fetch
        };
        let is_same = |before: &Fetch| before.what == fetch.what && before.action == fetch.action;
        let goes_on = self
            .fetch
            .as_ref()
            .is_some_and(|before| is_same(before) && before.done <= fetch.done);
        if !goes_on {
            self.fetch_began = Some((t, fetch.done));
        }
        self.fetch = Some(fetch);
    }

    fn begin(&mut self, attempt: Attempt) {
        // If the attempt before brought nothing new and logged no end, the end before that one still counts.
        let earned = self
            .outcome
            .take()
            .or_else(|| self.begins.take().and_then(|begins| begins.earned));
        self.begins = Some(Begins {
            step: attempt.resumed_from.unwrap_or(0),
            trains: false,
            earned,
        });
        self.batch = None;
        self.fetch = None;
        self.setback = None;
        self.awaits_change = false;
        self.stopping = false;
        self.phase = Phase::Loading;
        self.attempt = Some(attempt);
    }

    /// The newest attempt trains: steps that an earlier one did after its last checkpoint happen again.
    fn takes_over(&mut self) {
        let Some(begins) = self.begins.as_mut().filter(|begins| !begins.trains) else {
            return;
        };
        begins.trains = true;
        let step = begins.step;
        // After a start over, earlier results stay until an epoch replaces them.
        if step > 0 {
            self.epochs.retain(|epoch| epoch.step <= step);
        }
        self.batches.retain(|progress| progress.batch.step <= step);
        self.moments.retain(|moment| moment.step <= step);
        self.samples.retain(|sample| sample.step <= step);
        self.skipped.retain(|skipped| *skipped <= step);
        self.resumes.retain(|mark| *mark <= step);
        self.stages.retain(|stage| stage.step <= step);
        if self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.number > 1)
        {
            self.resumes.push(step);
        }
    }

    /// An epoch or a checkpoint of this step exists: if it is later than the attempt's start, the attempt's results count.
    fn brings_new(&mut self, step: u64) {
        if self
            .begins
            .as_ref()
            .is_some_and(|begins| step > begins.step)
        {
            self.takes_over();
            self.begins = None;
            self.test = None;
            self.neighbours = None;
            self.frozen = None;
        }
    }

    fn change(&mut self, t: f64, changed: Changed) {
        let clean = |change: Change| Change {
            field: text::line(&change.field, 80),
            from: text::line(&change.from, 80),
            to: text::line(&change.to, 80),
        };
        let changed = Changed {
            fields: changed.fields.into_iter().map(clean).collect(),
            ..changed
        };
        for Change { field, from, to } in &changed.fields {
            self.note(
                t,
                Level::Info,
                &format!(
                    "{field} was changed from {from} to {to} at step {}",
                    changed.step
                ),
            );
        }
        self.changes.push(changed);
        self.awaits_change = true;
    }

    /// A round of its group's halving was decided, while no worker had the run.
    fn halve(&mut self, t: f64, place: Halved) {
        let end = if place.continues {
            "continues"
        } else {
            "is stopped"
        };
        self.note(t, Level::Info, &format!("halving: {place}; the run {end}"));
        let has_own_end = matches!(
            self.outcome,
            Some(Outcome::Finished { .. } | Outcome::Failed { .. })
        );
        if !place.continues && !has_own_end {
            self.outcome = Some(Outcome::Halved);
        }
        self.halvings.push(place);
    }

    fn progress(&mut self, t: f64, batch: Batch) {
        if self.phase == Phase::Training {
            self.takes_over();
            self.add_moment(batch.step, t, false);
            self.add_progress(batch.clone());
        }
        self.batch = Some(batch);
    }

    fn skip(&mut self, step: u64) {
        self.takes_over();
        if self.skipped.len() == MAX_SKIPPED {
            self.skipped.remove(0);
        }
        self.skipped.push(step);
    }

    fn note(&mut self, t: f64, level: Level, note: &str) {
        if self.notes.len() == MAX_NOTES {
            self.notes.remove(0);
        }
        self.notes.push(Note {
            t,
            level,
            text: text::line(note, 500),
        });
    }

    /// A worker that could not log its end has ended.
    fn exit(&mut self, t: f64, exit: &Exit) {
        let outcome = exit.outcome(
            self.attempt.is_some() && self.outcome.is_none(),
            self.stopping,
        );
        if outcome == Outcome::Stopped {
            self.note(
                t,
                Level::Warning,
                "the worker stopped at once, as asked; everything after the last checkpoint is lost",
            );
        }
        self.end(match outcome {
            Outcome::Failed { kind, error, help } => Outcome::Failed {
                kind,
                error: text::line(&error, 2000),
                help,
            },
            other => other,
        });
    }

    fn end(&mut self, outcome: Outcome) {
        let begins = self.begins.take();
        // A worker that did not start has not begun an attempt.
        let earned = begins
            .and_then(|begins| begins.earned)
            .or_else(|| self.outcome.take());
        let stays = |earned: &Outcome| {
            matches!(earned, Outcome::Finished { .. })
                && !matches!(outcome, Outcome::Finished { .. })
        };
        if let Some(earned) = earned.filter(stays) {
            self.outcome = Some(earned);
            self.setback = Some(outcome);
            // Its change still waits for the next attempt.
            self.awaits_change = true;
        } else {
            self.outcome = Some(outcome);
            self.setback = None;
        }
        self.stopping = false;
        self.batch = None;
        self.fetch = None;
    }
}

/// Progress of a phase in the form that screens read; metrics that the phase does not have are NaN.
fn as_batch(progress: &PhaseProgress) -> Batch {
    let PhaseProgress {
        epoch,
        step,
        done,
        total,
        images_per_second,
        loss,
        accuracy,
        ..
    } = *progress;
    Batch {
        epoch,
        step,
        batch: done,
        batches: total,
        loss: loss.unwrap_or(f64::NAN),
        accuracy: accuracy.unwrap_or(f64::NAN),
        learning_rate: f64::NAN,
        images_per_second,
        gradient_norm: f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_after(lines: &[&str]) -> RunState {
        RunState::fold(
            lines
                .iter()
                .map(|line| Record::parse(line.as_bytes()).unwrap()),
        )
    }

    #[test]
    fn evaluation_progress_of_earlier_versions_means_the_same() {
        let phase = r#"{"t":1.0,"event":"phase","phase":"validating"}"#;
        // The line that version 0.1.0 wrote.
        let old = state_after(&[
            phase,
            r#"{"t":2.5,"event":"batch","epoch":3,"step":72,"batch":4,"batches":10,"loss":1.25,"accuracy":0.5,"learning_rate":"NaN","images_per_second":310.5,"gradient_norm":"NaN"}"#,
        ]);
        let new = state_after(&[
            phase,
            r#"{"t":2.5,"event":"progress","phase":"validating","epoch":3,"step":72,"done":4,"total":10,"images_per_second":310.5,"loss":1.25,"accuracy":0.5}"#,
        ]);
        // Compared as text, because NaN does not equal NaN.
        assert_eq!(format!("{old:?}"), format!("{new:?}"));
        assert!(new.batch.is_some() && new.batches.is_empty());
    }

    #[test]
    fn names_of_blocks_and_hashes_of_a_foreign_log_have_no_hidden_characters() {
        // An override of the direction is no control character, so the terminal's library draws it.
        let hidden = |c: char| c.is_control() || c == '\u{202e}';
        let foreign = "\\u001b[31mx\\u202e";
        let counts = format!(
            r#"{{"blocks":[{{"name":"{foreign}","total":1,"trainable":0,"frozen":1,"statistics":0}}],"total":{{"total":1,"trainable":0,"frozen":1,"statistics":0}}}}"#
        );
        let model = format!(
            r#"{{"t":1.0,"event":"model","backbone":"b","pixels":32,"weights":"w","counts":{counts},"cached_features":true}}"#
        );
        let unfrozen =
            format!(r#"{{"t":2.0,"event":"unfrozen","epoch":2,"step":1,"counts":{counts}}}"#);
        let frozen = format!(
            r#"{{"t":3.0,"event":"frozen","tensors":1,"before":"{foreign}","after":"{foreign}"}}"#
        );
        for lines in [
            &[&*model, &*frozen][..],
            &[&*model, &*unfrozen, &*frozen][..],
        ] {
            let state = state_after(lines);
            let proof = state.frozen.unwrap();
            let model = state.model.unwrap();
            for text in [&model.counts.blocks[0].name, &proof.before, &proof.after] {
                assert!(text.contains('x') && !text.contains(hidden), "{text:?}");
            }
        }
    }

    #[test]
    fn a_checkpoint_lies_at_the_end_of_an_epoch_or_within_one() {
        let saved = |step, epoch| Record {
            t: 1.0,
            event: Event::Checkpoint(Checkpoint {
                step,
                epoch,
                best: false,
                bytes: 1,
                seconds: 0.1,
            }),
        };
        let ended = |epoch, step| Record {
            t: 1.0,
            event: Event::Epoch(Epoch {
                epoch,
                step,
                ..Epoch::default()
            }),
        };
        let place = |records: Vec<Record>| RunState::fold(records).checkpoint_place();
        assert_eq!(place(vec![]), None);
        assert_eq!(
            place(vec![saved(40, 0)]).as_deref(),
            Some("step 40, in epoch 1")
        );
        assert_eq!(
            place(vec![ended(1, 100), saved(100, 1)]).as_deref(),
            Some("epoch 1")
        );
        assert_eq!(
            place(vec![ended(1, 100), saved(100, 1), saved(150, 1)]).as_deref(),
            Some("step 150, in epoch 2")
        );
    }

    #[test]
    fn feature_progress_of_earlier_versions_means_the_same() {
        let phase = r#"{"t":1.0,"event":"phase","phase":"loading"}"#;
        let old = state_after(&[
            phase,
            r#"{"t":2.5,"event":"batch","epoch":0,"step":0,"batch":4,"batches":10,"loss":"NaN","accuracy":"NaN","learning_rate":"NaN","images_per_second":310.5,"gradient_norm":"NaN"}"#,
        ]);
        let new = state_after(&[
            phase,
            r#"{"t":2.5,"event":"progress","phase":"loading","epoch":0,"step":0,"done":4,"total":10,"images_per_second":310.5}"#,
        ]);
        assert_eq!(format!("{old:?}"), format!("{new:?}"));
        assert!(new.batch.is_some());
    }
}
