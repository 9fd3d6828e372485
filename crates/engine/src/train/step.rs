//! One batch forward and back, and the optimizer's step once enough of them have left their gradients.

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::event::Batch;
use warmstart_schema::seed;

use super::batches::autocast;
use super::clock::Clock;
use super::evaluate::{batch_sums, cross_entropy, weighted_cross_entropy};
use super::{Trainer, count};
use crate::augment::augment;
use crate::data::{self, Input};
use crate::model::Mode;

/// A batch's part in the optimizer's step that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    /// Its images among those of the step.
    share: f64,
    /// Its place among the batches of the step, from 0.
    place: usize,
    is_last: bool,
}

impl Part {
    /// Of the batch with this index in an epoch of `batches` batches over `images` images.
    fn of(index: usize, images: usize, batch_size: usize, batches: usize, accumulate: usize) -> Self {
        let place = index % accumulate;
        let (first, after) = (index - place, batches.min(index - place + accumulate));
        let up_to = |batch: usize| images.min(batches * batch_size).min(batch * batch_size);
        let share = (up_to(index + 1) - up_to(index)) as f64 / (up_to(after) - up_to(first)).max(1) as f64;
        Self { share, place, is_last: index + 1 == after }
    }
}

impl Trainer<'_> {
    /// The next batch of the epoch, and the optimizer's step where it is the last that this step waits for.
    pub(super) fn batch(&mut self, epoch: u32, batch: data::Batch, clock: &mut Clock) -> Result<()> {
        let index = self.setup.state.batch as usize;
        let images = self.setup.train.len();
        let part = Part::of(index, images, self.batch_size(), self.batches_per_epoch(), self.accumulate());
        self.setup.state.batch += 1;
        if let Some(waited) = batch.waited {
            *clock.waited.get_or_insert_default() += waited;
        }
        // Where most of a batch cannot be read there may be nothing left to learn from.
        if batch.members.len() >= 2 {
            clock.images += batch.members.len();
            self.leave_gradients(epoch, batch, part)?;
        }
        if part.is_last && self.accumulated > 0 {
            self.accumulated = 0;
            self.step(epoch, clock)?;
        }
        Ok(())
    }

    /// Adds a batch's gradients to those that wait.
    fn leave_gradients(&mut self, epoch: u32, batch: data::Batch, part: Part) -> Result<()> {
        let (accumulate, precision) = (self.accumulate() as u64, self.precision());
        if self.accumulated == 0 {
            self.setup.optimizer.zero_grad();
            self.begin_step()?;
        }
        let setup = &mut self.setup;
        let data::Batch { input, labels, members, .. } = batch;
        let moment = setup.state.step * accumulate + part.place as u64;
        let draw = |purpose| seed::derive(setup.experiment.seed, purpose, u64::from(epoch), moment);
        let input = match input {
            Input::Images(images) => Input::Images(augment(&images, &setup.experiment.augment, draw("augment"))?),
            features @ Input::Features(_) => features,
        };
        tch::manual_seed(draw("dropout").cast_signed());
        let (loss, logits) = {
            let _autocast = autocast(precision, &setup.model)?;
            let logits = input.forward(&setup.model, Mode::Train)?;
            (cross_entropy(&logits, &labels)?, logits)
        };
        let minimized = match &setup.class_weights {
            Some(weights) => weighted_cross_entropy(&logits, &labels, weights)?,
            None => loss.shallow_clone(),
        };
        self.accumulated += 1;
        if self.is_spoilt_by(&minimized)? {
            return Ok(());
        }
        scaled(minimized, part.share)?.f_backward()?;
        self.setup.state.sums.images += count(members.len());
        self.sums = self.sums.f_add(&batch_sums(&loss, &logits, &labels)?)?;
        Ok(())
    }

    /// One optimizer step on the gradients that wait.
    fn step(&mut self, epoch: u32, clock: &Clock) -> Result<()> {
        let rate = self.learning_rate(self.setup.state.step);
        let batches = count(self.batches_per_epoch());
        let setup = &mut self.setup;
        let is_due = setup.reporter.is_due();
        let gradient_norm = if is_due || self.guard.is_on() && !self.guard.is_spoilt() {
            setup.optimizer.gradient_norm(None)?
        } else {
            0.0
        };
        if self.guard.is_on() && (self.guard.is_spoilt() || !gradient_norm.is_finite()) {
            return self.skip(gradient_norm);
        }
        self.setup.state.skipped.in_a_row = 0;
        let setup = &mut self.setup;
        setup.optimizer.step(rate)?;
        setup.state.step += 1;
        if is_due {
            let sums = self.read_sums()?;
            let setup = &mut self.setup;
            setup.reporter.progress(Batch {
                epoch,
                step: setup.state.step,
                batch: setup.state.batch,
                batches,
                loss: sums.mean_loss(),
                accuracy: sums.accuracy(),
                learning_rate: rate,
                images_per_second: clock.rate(),
                gradient_norm,
            });
        }
        Ok(())
    }
}

/// The loss of a batch, as much of it as the batch has in its step; untouched where it is the only one.
fn scaled(loss: Tensor, share: f64) -> Result<Tensor> {
    if (share - 1.0).abs() < f64::EPSILON { Ok(loss) } else { Ok(loss.f_mul_scalar(share)?) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_a_step_weigh_as_their_images_do() {
        // 10 images in batches of 4 (4, 4, 2), two batches a step: the second step has the last batch alone.
        let parts: Vec<Part> = (0..3).map(|index| Part::of(index, 10, 4, 3, 2)).collect();
        let part = |share, place, is_last| Part { share, place, is_last };
        assert_eq!(parts, [part(0.5, 0, false), part(0.5, 1, true), part(1.0, 0, true)]);
        // Of three batches in one step each image has a tenth.
        let shares: Vec<f64> = (0..3).map(|index| Part::of(index, 10, 4, 3, 3).share).collect();
        assert_eq!(shares, [0.4, 0.4, 0.2]);
        // A single left-over image belongs to no batch.
        assert_eq!(Part::of(1, 9, 4, 2, 2), part(0.5, 1, true));
    }
}
