//! One batch forward and back, and the optimizer's step once enough of them have left their gradients.

use anyhow::{Result, bail};
use tch::Tensor;
use warmstart_schema::event::{Batch, Event};
use warmstart_schema::seed::{self, SplitMix64};

use super::Trainer;
use super::accumulation::{Accumulated, Part, Plan};
use super::batches::autocast;
use super::clock::{Clock, count};
use super::evaluate::Weighted;
use super::guard::Guard;
use super::loss::Targets;
use super::mix::mixed;
use crate::augment;
use crate::data::{self, Input};
use crate::device::{MeasuredConvolutions, upload};
use crate::metric;
use crate::model::{Mode, TrainingPass};
use crate::parallel::Rank;

/// A run of fewer batches would not win back the seconds that cuDNN needs to measure its algorithms.
const LEAST_BATCHES_TO_MEASURE: usize = 1_000;

impl Trainer<'_> {
    /// The next batch of the epoch, and the optimizer's step where it is the last that this step waits for. The images of this
    /// process are those of the batch from place `first` on; there may be none.
    pub(super) fn batch(
        &mut self,
        epoch: u32,
        (batch, first): (Option<data::Batch>, usize),
        clock: &mut Clock,
    ) -> Result<()> {
        let index = self.setup.state.batch as usize;
        let plan = Plan {
            images: self.setup.train.len(),
            batch_size: self.batch_size(),
            accumulate: self.accumulate(),
        };
        let part = plan.part(index);
        self.setup.state.batch += 1;
        if let Some(waited) = batch.as_ref().and_then(|batch| batch.waited) {
            *clock.waited.get_or_insert_default() += waited;
        }
        let batch = match (self.accumulated.alone.take(), batch) {
            (Some(alone), Some(batch)) => Some(joined(alone, batch)?),
            (alone, batch) => alone.or(batch),
        };
        if let Some(batch) = batch {
            // Where most of a batch cannot be read there may be nothing left to learn from.
            match batch.members.len() {
                0 => {}
                1 if part.is_last => {}
                1 => self.accumulated.alone = Some(batch),
                _ => self.accumulate_gradients(epoch, index, (batch, first), part)?,
            }
        }
        if part.is_last {
            let accumulated = std::mem::take(&mut self.accumulated);
            let accumulated = self.all_reduce(accumulated)?;
            clock.images += accumulated.images;
            if accumulated.batches > 0 {
                self.step(epoch, index, &accumulated, part, clock)?;
            }
        }
        Ok(())
    }

    /// Adds a batch's gradients to those that wait.
    fn accumulate_gradients(
        &mut self,
        epoch: u32,
        index: usize,
        (batch, first): (data::Batch, usize),
        part: Part,
    ) -> Result<()> {
        let format = self.format();
        let moment = self.position(index) * self.accumulate() as u64 + part.place as u64;
        if self.accumulated.batches == 0 {
            self.begin_step()?;
        }
        let is_whole = !self.is_shared();
        let measures_convolutions = self.measures_convolutions(batch.members.len());
        let setup = &mut self.setup;
        let data::Batch {
            input,
            labels,
            members,
            ..
        } = batch;
        let draw = |purpose| seed::derive(setup.experiment.seed, purpose, u64::from(epoch), moment);
        let rank = setup.rank.as_ref().map_or(0, Rank::number) as u64;
        let draw_own = |purpose| match rank {
            0 => draw(purpose),
            rank => seed::derive(draw(purpose), "rank", rank, 0),
        };
        let (input, share) = match input {
            Input::Images(images) => {
                let images = augment::rows(&images, &setup.experiment.augment, draw, first)?;
                let (images, share) = match &setup.experiment.train.mixing {
                    Some(settings) => mixed(&images, settings, SplitMix64::new(draw("mix")))?,
                    None => (images, 1.0),
                };
                (Input::Images(images), share)
            }
            features @ Input::Features(_) => (features, 1.0),
        };
        let targets = Targets {
            labels: &labels,
            smoothing: setup.experiment.train.label_smoothing,
            share,
        };
        let _convolutions = measures_convolutions.then(MeasuredConvolutions::enter);
        tch::manual_seed(draw_own("dropout").cast_signed());
        let (loss, logits) = {
            let _autocast = autocast(format, &setup.model)?;
            let logits = input.forward(
                &setup.model,
                Mode::Train(TrainingPass {
                    path_seed: draw_own("drop_path"),
                    side: setup.experiment.input.early_side(epoch).map(i64::from),
                }),
            )?;
            (targets.reported(&logits)?, logits)
        };
        // What a step minimizes is the mean over all of its images. Their number and weight are known once all of them were
        // read, so each batch has the share that is planned, and the step makes up the difference.
        let share = members.len() as f64 / part.images.max(1) as f64;
        let minimized = if let Some(weights) = &setup.class_weights {
            let Weighted { sum, weight } = targets.weighted_cross_entropy(&logits, weights)?;
            if is_whole {
                sum.f_div(&weight)?
            } else {
                self.accumulated.weight = Some(match &self.accumulated.weight {
                    Some(before) => before.f_add(&weight)?,
                    None => weight,
                });
                sum.f_div_scalar(part.images.max(1) as f64)?
            }
        } else {
            let mean = if targets.are_plain() {
                loss.shallow_clone()
            } else {
                targets.cross_entropy(&logits)?
            };
            if is_whole {
                mean
            } else {
                scaled(&mean, share)?
            }
        };
        self.accumulated.batches += 1;
        self.accumulated.images += members.len();
        if self.guard.is_non_finite_loss(&minimized)? {
            return Ok(());
        }
        minimized.f_backward()?;
        let sums = metric::batch_sums(&loss, &logits, &targets.main_labels()?)?;
        if self.setup.rank.is_some() {
            self.accumulated.sums = Some(match &self.accumulated.sums {
                Some(before) => before.f_add(&sums)?,
                None => sums,
            });
            return Ok(());
        }
        self.add(&sums, members.len())
    }

    /// Whether cuDNN should measure its algorithms for a batch of that many images. The last batch of an epoch has a shape of its
    /// own, which is too rare to be worth it.
    fn measures_convolutions(&self, images: usize) -> bool {
        let setup = &self.setup;
        setup.model.device().is_cuda()
            && !setup.experiment.train.deterministic
            && images == setup.shard(self.batch_size()).len()
            && self.epochs() as usize * self.batches_per_epoch() >= LEAST_BATCHES_TO_MEASURE
    }

    /// Adds loss and metrics of images to those of the epoch.
    pub(super) fn add(&mut self, sums: &Tensor, images: usize) -> Result<()> {
        self.setup.state.sums.images += count(images);
        self.sums = self.sums.f_add(sums)?;
        Ok(())
    }

    /// Whether gradients of a step are of parts of its images.
    fn is_shared(&self) -> bool {
        self.accumulate() > 1 || self.setup.rank.is_some()
    }

    /// Forgets the gradients of the step before.
    pub(super) fn begin_step(&mut self) -> Result<()> {
        self.setup.optimizer.remove_gradients()?;
        self.guard = Guard::before_step(&self.setup, &self.sums)?;
        Ok(())
    }

    /// Makes the gradients that wait those of the mean over all images that entered, each weighing as it does.
    fn normalize(&self, accumulated: &Accumulated, part: Part) -> Result<()> {
        let optimizer = &self.setup.optimizer;
        match &accumulated.weight {
            Some(weight) => {
                optimizer.scale_gradients(&weight.f_reciprocal()?.f_mul_scalar(part.images as f64)?)
            }
            None if self.is_shared() && accumulated.images != part.images => {
                let factor = Tensor::from(part.images as f64 / accumulated.images as f64);
                optimizer.scale_gradients(&upload(&factor, self.setup.model.device())?)
            }
            None => Ok(()),
        }
    }

    /// One optimizer step on the gradients that wait.
    fn step(
        &mut self,
        epoch: u32,
        index: usize,
        accumulated: &Accumulated,
        part: Part,
        clock: &Clock,
    ) -> Result<()> {
        let rate = self.learning_rate(self.position(index));
        if !self.guard.is_non_finite() {
            self.normalize(accumulated, part)?;
        }
        let batches = count(self.batches_per_epoch());
        let setup = &mut self.setup;
        let is_due = setup.reporter.is_progress_due();
        let clip = setup.experiment.train.clip_norm;
        // Reading a number waits for the device.
        let is_read = is_due || self.guard.is_on();
        let gradient_norm = if (is_read || clip.is_some()) && !self.guard.is_non_finite() {
            let norm = setup.optimizer.gradient_norm(clip)?;
            if is_read { f64::try_from(norm)? } else { 0.0 }
        } else {
            0.0
        };
        if self.guard.is_on() && (self.guard.is_non_finite() || !gradient_norm.is_finite()) {
            let guard = std::mem::take(&mut self.guard);
            return guard.skip(&mut self.setup, &mut self.sums, gradient_norm);
        }
        self.setup.state.skipped.in_a_row = 0;
        let setup = &mut self.setup;
        setup.optimizer.step(rate)?;
        setup.state.step += 1;
        if let Some(average) = &mut setup.average {
            average.update(setup.optimizer.steps().cast_unsigned())?;
        }
        if is_due {
            let sums = self.read_sums()?;
            let setup = &mut self.setup;
            setup.reporter.progress(&Event::Batch(Batch {
                epoch,
                step: setup.state.step,
                batch: setup.state.batch,
                batches,
                loss: sums.mean_loss(),
                accuracy: sums.accuracy(),
                learning_rate: rate,
                images_per_second: clock.rate(),
                gradient_norm,
            }));
        }
        Ok(())
    }
}

/// The loss of a batch, as much of it as the batch has in its step; untouched where it is the only one.
fn scaled(loss: &Tensor, share: f64) -> Result<Tensor> {
    if (share - 1.0).abs() < f64::EPSILON {
        Ok(loss.shallow_clone())
    } else {
        Ok(loss.f_mul_scalar(share)?)
    }
}

/// Two batches as one.
fn joined(first: data::Batch, second: data::Batch) -> Result<data::Batch> {
    let input = match (first.input, second.input) {
        (Input::Images(first), Input::Images(second)) => {
            Input::Images(Tensor::f_cat(&[first, second], 0)?)
        }
        (Input::Features(first), Input::Features(second)) => {
            Input::Features(Tensor::f_cat(&[first, second], 0)?)
        }
        _ => bail!("pictures and features make no batch together"),
    };
    Ok(data::Batch {
        input,
        labels: Tensor::f_cat(&[first.labels, second.labels], 0)?,
        members: [first.members, second.members].concat(),
        waited: second.waited,
    })
}
