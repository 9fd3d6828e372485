//! Steps whose loss or gradients are not finite numbers: they end the run, or are left out.

use anyhow::Result;
use tch::Tensor;
use warmstart_schema::event::{Event, Failure};
use warmstart_schema::experiment::OnNan;

use super::Trainer;
use crate::failure::UserError;

/// Steps left out in a row after which the run ends: it will not recover by itself.
const MOST_IN_A_ROW: u32 = 10;

/// Looks at every step, where the experiment asks for steps to be left out.
#[derive(Debug, Default)]
pub(super) struct Guard {
    is_on: bool,
    /// The loss that spoilt the step under way.
    spoilt: Option<f64>,
    /// What normalization knew before the step, beside where it keeps it: a forward pass has written to it already.
    statistics: Vec<(Tensor, Tensor)>,
    /// What the epoch had summed before the step: its tensor, and of how many images.
    sums: Option<(Tensor, u32)>,
}

impl Guard {
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) fn is_non_finite(&self) -> bool {
        self.spoilt.is_some()
    }
}

impl Trainer<'_> {
    /// Remembers what a step that is left out has to give back.
    pub(super) fn begin_step(&mut self) -> Result<()> {
        let is_on = self.setup.experiment.train.on_nan == OnNan::Skip;
        self.guard = Guard {
            is_on,
            ..Guard::default()
        };
        if is_on {
            let moving = self
                .setup
                .model
                .tensors()
                .iter()
                .filter(|named| named.kind.is_statistic() && !named.frozen);
            let kept = moving
                .map(|named| Ok((named.tensor.shallow_clone(), named.tensor.f_detach_copy()?)));
            self.guard.statistics = kept.collect::<Result<_>>()?;
            self.guard.sums = Some((self.sums.shallow_clone(), self.setup.state.sums.images));
        }
        Ok(())
    }

    /// Whether the step is to be left out because of this loss; then nothing of it counts.
    pub(super) fn is_spoilt_by(&mut self, loss: &Tensor) -> Result<bool> {
        if !self.guard.is_on {
            return Ok(false);
        }
        let loss = f64::try_from(&loss.f_detach()?)?;
        if !loss.is_finite() {
            self.guard.spoilt = Some(loss);
        }
        Ok(!loss.is_finite())
    }

    /// Leaves out the step under way, and says so.
    pub(super) fn skip(&mut self, gradient_norm: f64) -> Result<()> {
        tch::no_grad(|| -> Result<()> {
            for (statistic, before) in &mut self.guard.statistics {
                statistic.f_copy_(before)?;
            }
            Ok(())
        })?;
        let state = &mut self.setup.state;
        if let Some((sums, images)) = self.guard.sums.take() {
            (self.sums, state.sums.images) = (sums, images);
        }
        state.step += 1;
        state.skipped.steps += 1;
        state.skipped.in_a_row += 1;
        let (step, in_a_row) = (state.step, state.skipped.in_a_row);
        let (loss, gradient_norm) = match self.guard.spoilt {
            Some(loss) => (Some(loss), None),
            None => (None, Some(gradient_norm)),
        };
        self.setup.reporter.tell(&Event::Skipped {
            step,
            in_a_row,
            loss,
            gradient_norm,
        });
        if in_a_row >= MOST_IN_A_ROW {
            return Err(UserError {
                kind: Failure::NotANumber,
                error: format!(
                    "loss or gradients of {in_a_row} steps in a row are not finite numbers, up to step {step}"
                ),
                help: format!("it stops here, and the last checkpoint is sound; {ADVICE}"),
            }
            .into());
        }
        Ok(())
    }

    /// The error of a loss that is not a finite number.
    pub(super) fn not_a_number(&self, loss: f64) -> anyhow::Error {
        let state = &self.setup.state;
        let error = format!(
            "the training loss is {loss} in epoch {}, by step {}",
            state.epoch + 1,
            state.step
        );
        self.not_finite(error)
    }

    /// The error of weights that are no finite numbers any more.
    pub(super) fn spoilt_weights(&self) -> anyhow::Error {
        self.not_finite(format!(
            "the weights are not finite numbers after step {}",
            self.setup.state.step
        ))
    }

    fn not_finite(&self, error: String) -> anyhow::Error {
        let skip = match self.setup.experiment.train.on_nan {
            OnNan::Stop => "; train.on_nan: skip leaves such steps out",
            OnNan::Skip => "",
        };
        let help = format!("it stops here, and the last checkpoint is from before; {ADVICE}{skip}");
        UserError {
            kind: Failure::NotANumber,
            error,
            help,
        }
        .into()
    }
}

const ADVICE: &str =
    "lower train.optimizer.learning_rate or lengthen the warm-up, then launch again";
