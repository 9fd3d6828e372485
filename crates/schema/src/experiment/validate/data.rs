//! Rules of `dataset` and `input`.

use super::range::{number, whole};
use crate::architecture::InputSize;
use crate::experiment::Experiment;
use crate::experiment::forbidden::Finding;

pub(super) fn dataset(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let dataset = &experiment.dataset;
    number(
        findings,
        "dataset.validation",
        dataset.validation,
        |x| x > 0.0 && x <= 0.9,
        "a share above 0 and up to 0.9",
    );
    if let Some(limit) = dataset.limit {
        whole(findings, "dataset.limit", limit);
    }
    if let Some(test) = dataset.folder().and_then(|folder| folder.test) {
        number(
            findings,
            "dataset.test",
            test,
            |x| x > 0.0 && x <= 0.9,
            "a share above 0 and up to 0.9",
        );
    }
}

pub(super) fn input(experiment: &Experiment, findings: &mut Vec<Finding>) {
    if let Some(pixels) = experiment.input.resize {
        whole(findings, "input.resize", pixels);
    }
    let (backbone, found) = (experiment.model.backbone, experiment.pixels());
    if let InputSize::Patches { side, least, .. } = backbone.input_size()
        && !backbone.input_size().takes(found)
    {
        // If no size is given, show the line of the backbone.
        let field = if experiment.input.resize.is_some() {
            "input.resize"
        } else {
            "model.backbone"
        };
        let expected = format!("for {backbone} a multiple of {side} pixels, {least} or more");
        let help = format!(
            "it sees pictures as patches of {side} by {side} pixels; write `input: {{ resize: 224 }}`"
        );
        findings.push(Finding::new(field, &expected, found).help(&help));
    }
}

pub(super) fn progressive(experiment: &Experiment, findings: &mut Vec<Finding>) {
    const FIELD: &str = "input.progressive";
    let stages = &experiment.input.progressive;
    let backbone = experiment.model.backbone;
    if let (InputSize::Patches { .. }, Some(first)) = (backbone.input_size(), stages.first()) {
        let expected = format!("for {backbone} the same size in all epochs");
        let help = "a vision transformer trains at one size; remove the line";
        findings.push(Finding::new(FIELD, &expected, first).help(help));
    }
    let mut before = 0;
    for stage in stages {
        if !(32..=1024).contains(&stage.resize) {
            let expected = "a side from 32 to 1024 pixels";
            findings.push(Finding::new(FIELD, expected, stage.resize));
        }
        if stage.until_epoch <= before {
            let expected = format!("`until_epoch` above {before}, so that the epochs rise");
            findings.push(Finding::new(FIELD, &expected, stage.until_epoch));
        }
        before = before.max(stage.until_epoch);
    }
    let epochs = experiment.train.epochs;
    if before >= epochs && epochs > 0 {
        let expected = format!("its last `until_epoch` below the {epochs} epochs");
        let help = "the last epochs have the size of validation and the test";
        findings.push(Finding::new(FIELD, &expected, before).help(help));
    }
}
