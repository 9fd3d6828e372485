//! Checkpoints during training: their content, and what happens when the disk refuses them.

use std::time::Instant;

use anyhow::{Context, Result};
use tch::Tensor;
use warmstart_runs::checkpoint::{self, Content, State};
use warmstart_runs::storage::Disk;
use warmstart_schema::event::{Checkpoint, Event, Phase};

use super::average::Average;
use super::{Ended, Setup, Trainer, guard};
use crate::weights;

/// Saves that may fail one after the other before the run gives up.
const MAX_FAILED_SAVES: u32 = 3;

impl Trainer<'_> {
    /// Saves and logs it. Logs a failed save too, and continues. Several in a row end the run.
    pub(super) fn save(&mut self, best: bool) -> Result<()> {
        if !self.setup.is_first() {
            return Ok(());
        }
        // Overflowing gradients make weights non-finite before any loss shows it; such a checkpoint could not be resumed.
        if !self.setup.model.is_finite()? {
            return Err(guard::non_finite_weights(&self.setup));
        }
        self.setup.reporter.phase(Phase::Saving);
        let saved = self.try_to_save(best);
        // Measured from the end: a slow disk would otherwise save all the time.
        self.last_save = Instant::now();
        saved
    }

    fn try_to_save(&mut self, best: bool) -> Result<()> {
        match self
            .setup
            .content()
            .and_then(|content| self.commit(content, best))
        {
            Ok(()) => {
                self.failed_saves = 0;
                Ok(())
            }
            Err(error) => {
                self.failed_saves += 1;
                // The event says that training continues. The end of the run has its own.
                if self.failed_saves >= MAX_FAILED_SAVES {
                    return Err(error.context("no checkpoint could be saved any more"));
                }
                self.setup.reporter.emit(&Event::CheckpointFailed {
                    error: format!("{error:#}"),
                });
                Ok(())
            }
        }
    }

    /// Saves the best that waits, then `content`.
    fn commit(&mut self, content: Content, best: bool) -> Result<()> {
        if best {
            self.unsaved_best = None;
        }
        self.commit_best()?;
        let saved = self.write(&content, best);
        if saved.is_err() && best {
            self.unsaved_best = Some(content);
        }
        saved
    }

    fn commit_best(&mut self) -> Result<()> {
        if let Some(content) = self.unsaved_best.take() {
            let saved = self.write(&content, true);
            if saved.is_err() {
                self.unsaved_best = Some(content);
            }
            saved?;
        }
        Ok(())
    }

    /// Saves everything that is still unsaved.
    pub(super) fn save_pending(&mut self) -> Result<()> {
        self.commit_best().context("saving the best checkpoint")?;
        if self.failed_saves > 0 {
            // No later save can make up for it, so one more failure is an error.
            self.failed_saves = MAX_FAILED_SAVES - 1;
            self.save(false).context("saving the last checkpoint")?;
        }
        Ok(())
    }

    fn write(&mut self, content: &Content, best: bool) -> Result<()> {
        let started = Instant::now();
        let keep = self.setup.experiment.train.checkpoint.keep as usize;
        let bytes = checkpoint::save(&Disk, self.setup.run, content, keep)?;
        let (State { step, epoch, .. }, seconds) =
            (&content.state, started.elapsed().as_secs_f64());
        self.setup.reporter.emit(&Event::Checkpoint(Checkpoint {
            step: *step,
            epoch: *epoch,
            best,
            bytes,
            seconds,
        }));
        Ok(())
    }

    /// Ends at the end of an epoch, which has been saved.
    pub(super) fn wait_for_group(&mut self) -> Result<Ended> {
        self.save_pending()?;
        let epoch = self.setup.state.epoch;
        Ok(Ended::Paused { epoch })
    }

    /// Saves and stops.
    pub(super) fn stop(&mut self) -> Result<Ended> {
        self.setup.reporter.emit(&Event::Stopping);
        // This save is the last, so its failure is an error.
        self.failed_saves = MAX_FAILED_SAVES - 1;
        self.save(false).context("stopping")?;
        Ok(Ended::Stopped)
    }
}

impl Setup<'_> {
    /// All that another process needs to continue from here.
    pub(crate) fn content(&self) -> Result<Content> {
        let Self {
            model,
            optimizer,
            average,
            state,
            ..
        } = self;
        // What is saved as the model is what was measured.
        let counts = |name: &str| average.as_ref().and_then(|average| average.of(name));
        let tensors: Vec<(String, Tensor)> = model
            .tensors()
            .iter()
            .map(|named| {
                let tensor = counts(&named.name).unwrap_or(&named.tensor);
                (named.name.clone(), tensor.shallow_clone())
            })
            .collect();
        let model = weights::write(&tensors)?;
        let mut training = optimizer.state();
        training.extend(average.iter().flat_map(Average::plain));
        Ok(Content {
            state: state.clone(),
            model,
            optimizer: weights::write(&training)?,
        })
    }
}
