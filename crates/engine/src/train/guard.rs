//! Steps whose loss or gradients are not finite numbers: they end the run, or are left out.

use anyhow::Result;
use tch::Tensor;
use warmstart_runs::storage::Disk;
use warmstart_schema::event::{Event, FailureKind};
use warmstart_schema::experiment::OnNan;

use super::setup::Setup;
use crate::failure::UserError;

/// Skipped steps in a row after which the run ends: it will not recover by itself.
const MOST_IN_A_ROW: u32 = 10;

const ADVICE: &str =
    "lower train.optimizer.learning_rate or lengthen the warm-up, then launch again";

/// Checks every step where the experiment asks to skip bad ones, and can undo the step.
#[derive(Debug, Default)]
pub(super) struct Guard {
    is_on: bool,
    /// The non-finite loss of this step.
    loss: Option<f64>,
    /// Statistics of normalization, each with its value before the step: the forward pass overwrites them.
    statistics: Vec<(Tensor, Tensor)>,
    /// The epoch's sums before the step, and the number of images in them.
    sums: Option<(Tensor, u32)>,
}

impl Guard {
    /// Remembers what a skipped step must restore.
    pub(super) fn before_step(setup: &Setup, sums: &Tensor) -> Result<Self> {
        if setup.experiment.train.on_nan != OnNan::Skip {
            return Ok(Self::default());
        }
        let moving = setup
            .model
            .tensors()
            .iter()
            .filter(|named| named.kind.is_statistic() && !named.frozen);
        let kept =
            moving.map(|named| Ok((named.tensor.shallow_clone(), named.tensor.f_detach_copy()?)));
        Ok(Self {
            is_on: true,
            loss: None,
            statistics: kept.collect::<Result<_>>()?,
            sums: Some((sums.shallow_clone(), setup.state.sums.images)),
        })
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) fn is_non_finite(&self) -> bool {
        self.loss.is_some()
    }

    /// The non-finite loss of this step.
    pub(super) fn loss(&self) -> Option<f64> {
        self.loss
    }

    /// Takes the sum of the non-finite losses of all processes; it is finite where none had any.
    pub(super) fn join(&mut self, loss: f64) {
        if self.is_on && !loss.is_finite() {
            self.loss = Some(loss);
        }
    }

    /// Whether the step must be skipped because of this loss. Keeps a loss that is not finite, for the log.
    pub(super) fn is_non_finite_loss(&mut self, loss: &Tensor) -> Result<bool> {
        if !self.is_on {
            return Ok(false);
        }
        let loss = f64::try_from(&loss.f_detach()?)?;
        if !loss.is_finite() {
            self.loss = Some(loss);
        }
        Ok(!loss.is_finite())
    }

    /// Undoes the step and logs it. Ends the run after too many skipped steps in a row.
    pub(super) fn skip(
        mut self,
        setup: &mut Setup,
        sums: &mut Tensor,
        gradient_norm: f64,
    ) -> Result<()> {
        tch::no_grad(|| -> Result<()> {
            for (statistic, before) in &mut self.statistics {
                statistic.f_copy_(before)?;
            }
            Ok(())
        })?;
        let state = &mut setup.state;
        if let Some((before, images)) = self.sums {
            (*sums, state.sums.images) = (before, images);
        }
        state.step += 1;
        state.skipped.steps += 1;
        state.skipped.in_a_row += 1;
        let (step, in_a_row) = (state.step, state.skipped.in_a_row);
        let gradient_norm = self.loss.is_none().then_some(gradient_norm);
        setup.reporter.emit(&Event::Skipped {
            step,
            in_a_row,
            loss: self.loss,
            gradient_norm,
        });
        if in_a_row >= MOST_IN_A_ROW {
            return Err(UserError {
                kind: FailureKind::NonFinite,
                error: format!(
                    "loss or gradients of {in_a_row} steps in a row are not finite numbers, up to step {step}"
                ),
                help: format!("{}; {ADVICE}", what_is_left(setup)),
            }
            .into());
        }
        Ok(())
    }
}

/// The error of a loss that is not a finite number.
pub(super) fn non_finite_loss(setup: &Setup, loss: f64) -> anyhow::Error {
    let state = &setup.state;
    let error = format!(
        "the training loss is {loss} in epoch {}, by step {}",
        state.epoch + 1,
        state.step
    );
    not_finite(setup, error)
}

/// The error of an epoch whose steps were all left out.
pub(super) fn nothing_but_skipped_steps(setup: &Setup) -> anyhow::Error {
    let epoch = setup.state.epoch + 1;
    let error = format!(
        "all steps of epoch {epoch} were left out: their loss or their gradients are not finite numbers"
    );
    not_finite(setup, error)
}

/// The error of weights that are not finite numbers.
pub(super) fn non_finite_weights(setup: &Setup) -> anyhow::Error {
    not_finite(
        setup,
        format!(
            "the weights are not finite numbers after step {}",
            setup.state.step
        ),
    )
}

/// What the run has when it ends here. Its first steps may fail, before there is a checkpoint.
fn what_is_left(setup: &Setup) -> &'static str {
    match setup.run.names(&Disk) {
        Ok(names) if names.last.is_none() => "it stops here, before its first checkpoint",
        // A file that cannot be read may name one.
        _ => "it stops here, and all numbers of the last checkpoint are finite",
    }
}

fn not_finite(setup: &Setup, error: String) -> anyhow::Error {
    let skip = match setup.experiment.train.on_nan {
        OnNan::Stop => "; train.on_nan: skip leaves such steps out",
        OnNan::Skip => "",
    };
    let help = format!("{}; {ADVICE}{skip}", what_is_left(setup));
    UserError {
        kind: FailureKind::NonFinite,
        error,
        help,
    }
    .into()
}
