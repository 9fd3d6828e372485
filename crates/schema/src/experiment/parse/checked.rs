//! Checks the rules that types cannot express, and sanitizes the texts that screens show.

use serde_yaml::Value;

use super::explain::explain;
use super::problem::Problem;
use crate::experiment::forbidden::Finding;
use crate::experiment::{Experiment, validate};
use crate::text;

/// The experiment of a document that is not as its file has it, so that its problems have no line. `label` is its name in them.
pub(super) fn from_document(document: Value, label: &str) -> Result<Experiment, Vec<Problem>> {
    let experiment: Experiment = serde_path_to_error::deserialize(document)
        .map_err(|error| vec![explain(&error, "", label)])?;
    checked(experiment, |found| {
        Problem::new(label, found.message)
            .field(&found.field)
            .help(found.help)
    })
}

/// The experiment with sanitized texts, or what its rules forbid.
pub(super) fn checked(
    mut experiment: Experiment,
    problem: impl Fn(Finding) -> Problem,
) -> Result<Experiment, Vec<Problem>> {
    experiment
        .settle_kind()
        .map_err(|found| vec![problem(found)])?;
    let problems: Vec<Problem> = validate::all(&experiment)
        .into_iter()
        .map(problem)
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    experiment.name = text::line(&experiment.name, 80);
    experiment.group = text::line(&experiment.group, 40);
    experiment.question = experiment
        .question
        .map(|question| text::line(&question, 200));
    if let Some(reference) = &mut experiment.reference {
        reference.source = text::line(&reference.source, 80);
        reference.note = reference.note.take().map(|note| text::line(&note, 300));
    }
    Ok(experiment)
}
