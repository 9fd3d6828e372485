//! Rules of the other fields of `train`.

use super::range::{number, whole};
use crate::experiment::Experiment;
use crate::experiment::forbidden::Finding;

pub(super) fn length(experiment: &Experiment, findings: &mut Vec<Finding>) {
    whole(findings, "train.epochs", experiment.train.epochs);
    whole(findings, "train.batch_size", experiment.train.batch_size);
    whole(findings, "train.accumulate", experiment.train.accumulate);
}

/// Batch normalization computes its statistics from the images of a device alone.
const LEAST_ON_A_DEVICE: u32 = 4;

pub(super) fn devices(experiment: &Experiment, findings: &mut Vec<Finding>) {
    const FIELD: &str = "train.devices";
    let (devices, batch_size) = (experiment.train.devices, experiment.train.batch_size);
    whole(findings, FIELD, devices);
    if devices > 1 && batch_size / devices < LEAST_ON_A_DEVICE {
        let most = (batch_size / LEAST_ON_A_DEVICE).max(1);
        let expected = format!("at most {most} for batches of {batch_size} images");
        let help = format!(
            "each device needs {LEAST_ON_A_DEVICE} images of a batch or more; raise train.batch_size, or lower train.devices"
        );
        findings.push(Finding::new(FIELD, &expected, devices).help(&help));
    }
}

pub(super) fn early_stopping(experiment: &Experiment, findings: &mut Vec<Finding>) {
    if let Some(stop) = &experiment.train.early_stopping {
        whole(findings, "train.early_stopping.patience", stop.patience);
        number(
            findings,
            "train.early_stopping.min_delta",
            stop.min_delta,
            |x| x >= 0.0,
            "0 or more",
        );
    }
}

pub(super) fn step(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let train = &experiment.train;
    number(
        findings,
        "train.label_smoothing",
        train.label_smoothing,
        |x| (0.0..1.0).contains(&x),
        "a share from 0 to below 1",
    );
    if let Some(norm) = train.clip_norm {
        number(
            findings,
            "train.clip_norm",
            norm,
            |x| x > 0.0 && x <= 1e6,
            "a norm above 0 and up to 1000000",
        );
    }
}

pub(super) fn sampler(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let train = &experiment.train;
    if train.sampler.is_some() && train.class_weights.is_some() {
        let help = "each makes up for uneven classes, both would do so twice; remove one of them";
        findings.push(
            Finding::new("train.sampler", "it only without `class_weights`", "both").help(help),
        );
    }
}

pub(super) fn mix(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let Some(mix) = &experiment.train.mixing else {
        return;
    };
    for (field, parameter) in [
        ("train.mixing.mixup", mix.mixup),
        ("train.mixing.cutmix", mix.cutmix),
    ] {
        number(
            findings,
            field,
            parameter,
            |x| (0.0..=100.0).contains(&x),
            "0 to 100",
        );
    }
    for (field, share) in [
        ("train.mixing.probability", mix.probability),
        ("train.mixing.switch", mix.switch),
    ] {
        let expected = "a share from 0 to 1";
        number(
            findings,
            field,
            share,
            |x| (0.0..=1.0).contains(&x),
            expected,
        );
    }
    if mix.mixup == 0.0 && mix.cutmix == 0.0 {
        let help = "add `mixup: 0.2`, or remove `mixing`";
        findings.push(
            Finding::new("train.mixing", "`mixup` or `cutmix` above 0", "neither").help(help),
        );
    }
}

pub(super) fn ema(experiment: &Experiment, findings: &mut Vec<Finding>) {
    if let Some(ema) = &experiment.train.ema {
        let expected = "a share above 0 and below 1";
        number(
            findings,
            "train.ema.decay",
            ema.decay,
            |x| x > 0.0 && x < 1.0,
            expected,
        );
    }
}

pub(super) fn saving(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let saving = &experiment.train.checkpoint;
    let expected = "minutes above 0 and up to 1440";
    number(
        findings,
        "train.checkpoint.every_minutes",
        saving.every_minutes,
        |x| x > 0.0 && x <= 1440.0,
        expected,
    );
    // With one checkpoint, damage to it would lose the run.
    whole(findings, "train.checkpoint.keep", saving.keep);
}
