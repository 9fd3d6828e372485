//! Parameter counts of an experiment's model, from its structure alone.

use warmstart_schema::architecture::{Architecture, HeadSpec, ModelCounts, count};
use warmstart_schema::experiment::Experiment;

/// Counts by block and in total, as the study and Keras report them.
pub fn counts(experiment: &Experiment) -> ModelCounts {
    let architecture = Architecture::new(experiment.model.backbone);
    let width = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let head = HeadSpec {
        features: architecture.features,
        hidden: width(experiment.model.head.hidden),
        classes: width(experiment.classes()),
        dropout: experiment.model.head.dropout,
    };
    count(&architecture, &head, experiment.model.freeze.frozen_blocks(architecture.blocks.len()))
}
