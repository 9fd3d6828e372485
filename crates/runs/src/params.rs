//! Parameter counts of an experiment's model, from its structure alone.

use warmstart_schema::architecture::{HeadSpec, ModelCounts, ParamCounts, count};
use warmstart_schema::experiment::Experiment;

use crate::store::Run;

/// A run's parameter counts as its worker logged them, or as its experiment implies them.
pub fn of(run: &Run) -> Option<ParamCounts> {
    let logged = run.state.model.as_ref().map(|model| model.counts.total);
    logged.or_else(|| {
        run.experiment
            .as_deref()
            .and_then(counts)
            .map(|counts| counts.total)
    })
}

/// Counts by block and in total, as the study and Keras report them; none if only the image folder knows the number of classes.
pub fn counts(experiment: &Experiment) -> Option<ModelCounts> {
    experiment
        .classes()
        .map(|classes| counts_with(experiment, classes))
}

/// The same for this many classes.
pub fn counts_with(experiment: &Experiment, classes: u32) -> ModelCounts {
    let architecture = experiment.model.architecture();
    let width = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let head = HeadSpec {
        features: architecture.features,
        hidden: width(experiment.head_width()),
        classes: width(classes),
        dropout: experiment.model.head.dropout,
    };
    count(
        &architecture,
        &head,
        experiment
            .model
            .freeze
            .frozen_blocks(architecture.blocks.len()),
    )
}
