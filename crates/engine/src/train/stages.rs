//! Gradual unfreezing (Howard and Ruder 2018): from some epochs on, more blocks train.

use anyhow::{Result, ensure};
use warmstart_schema::architecture::{HeadSpec, count};
use warmstart_schema::event::{Event, Level, Unfrozen};
use warmstart_schema::experiment::Experiment;

use super::Trainer;
use crate::model::Model;
use crate::optimizer::Optimizer;

/// Makes the blocks of a stage train; stages are counted from 1. The optimizer begins fresh for these blocks and keeps its state of
/// the others.
pub(crate) fn begin(
    experiment: &Experiment,
    model: &mut Model,
    optimizer: &mut Optimizer,
    stage: usize,
) -> Result<()> {
    let planned = experiment.model.unfreeze.len();
    ensure!(
        stage <= planned,
        "the checkpoint is of stage {stage} of model.unfreeze, which has {planned}"
    );
    let blocks = model.architecture().blocks.len();
    let frozen = experiment.model.frozen_in(stage).frozen_blocks(blocks);
    model.unfreeze(frozen)?;
    optimizer.take_in(experiment, model)
}

impl Trainer<'_> {
    /// Begins the stages that the next epoch has reached, and logs them. Does nothing if training is over.
    pub(super) fn unfreeze(&mut self) -> Result<()> {
        let setup = &self.setup;
        let epoch = setup.state.epoch + 1;
        let is_over = epoch > self.epochs() || setup.state.stopped_early;
        let (begun, reached) = (
            setup.optimizer.stages(),
            setup.experiment.model.stage(epoch),
        );
        if is_over || begun >= reached {
            return Ok(());
        }
        self.prove_frozen()?;
        let setup = &mut self.setup;
        for stage in begun + 1..=reached {
            begin(
                setup.experiment,
                &mut setup.model,
                &mut setup.optimizer,
                stage,
            )?;
        }
        if let Some(average) = &mut setup.average {
            average.take_in(&setup.model)?;
        }
        // Features change from now on.
        setup.train.use_pictures();
        setup.validation.use_pictures();
        self.frozen = self.fingerprint()?;
        self.report_stage(epoch);
        Ok(())
    }

    fn report_stage(&mut self, epoch: u32) {
        let Self { setup, .. } = self;
        let (spec, architecture) = (setup.model.spec(), setup.model.architecture());
        let counts = count(
            architecture,
            &HeadSpec {
                features: architecture.features,
                hidden: spec.hidden,
                classes: spec.classes,
                dropout: spec.dropout,
            },
            spec.frozen_blocks,
        );
        let text = format!(
            "model.unfreeze: from epoch {epoch} on {} of {} blocks are frozen; {} parameters train, {} do not",
            spec.frozen_blocks,
            architecture.blocks.len(),
            counts.total.trainable,
            counts.total.frozen
        );
        setup.reporter.note(Level::Info, text);
        setup.reporter.emit(&Event::Unfrozen(Unfrozen {
            epoch,
            step: setup.state.step,
            counts,
        }));
    }
}
