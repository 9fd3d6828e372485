//! Rules of `augment`.

use super::range::{number, whole};
use crate::experiment::Experiment;
use crate::experiment::forbidden::Finding;

pub(super) fn numbers(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let augment = &experiment.augment;
    number(
        findings,
        "augment.rotation",
        augment.rotation,
        |x| (0.0..=180.0).contains(&x),
        "degrees from 0 to 180",
    );
    number(
        findings,
        "augment.zoom",
        augment.zoom,
        |x| (0.0..=0.9).contains(&x),
        "a share from 0 to 0.9",
    );
}

pub(super) fn crops(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let augment = &experiment.augment;
    if let Some(crop) = &augment.resized_crop {
        areas(
            [
                "augment.resized_crop.min_area",
                "augment.resized_crop.max_area",
                "augment.resized_crop.max_aspect",
            ],
            (crop.min_area, crop.max_area, crop.max_aspect),
            findings,
        );
    }
    if let Some(crop) = &augment.padding_crop {
        whole(findings, "augment.padding_crop.pixels", crop.pixels);
    }
    if let Some(erasing) = &augment.erasing {
        number(
            findings,
            "augment.erasing.probability",
            erasing.probability,
            |x| (0.0..=1.0).contains(&x),
            "a share from 0 to 1",
        );
        areas(
            [
                "augment.erasing.min_area",
                "augment.erasing.max_area",
                "augment.erasing.max_aspect",
            ],
            (erasing.min_area, erasing.max_area, erasing.max_aspect),
            findings,
        );
    }
}

/// Areas and shapes of random rectangles.
fn areas(
    fields: [&'static str; 3],
    (min_area, max_area, max_aspect): (f64, f64, f64),
    findings: &mut Vec<Finding>,
) {
    let [min_field, max_field, aspect_field] = fields;
    let is_share = |x: f64| x > 0.0 && x <= 1.0;
    let expected = "a share of the area above 0 and up to 1";
    number(findings, min_field, min_area, is_share, expected);
    number(findings, max_field, max_area, is_share, expected);
    if is_share(min_area) && is_share(max_area) && min_area > max_area {
        let expected = format!("at most the largest area of {max_area}");
        findings.push(Finding::new(min_field, &expected, min_area));
    }
    let expected = "a ratio of sides from 1 to 100";
    number(
        findings,
        aspect_field,
        max_aspect,
        |x| (1.0..=100.0).contains(&x),
        expected,
    );
}

pub(super) fn rand_augment(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let Some(settings) = &experiment.augment.rand_augment else {
        return;
    };
    number(
        findings,
        "augment.rand_augment.magnitude",
        settings.magnitude,
        |x| (0.0..=10.0).contains(&x),
        "0 to 10",
    );
    number(
        findings,
        "augment.rand_augment.deviation",
        settings.deviation,
        |x| (0.0..=10.0).contains(&x),
        "0 to 10",
    );
    number(
        findings,
        "augment.rand_augment.probability",
        settings.probability,
        |x| (0.0..=1.0).contains(&x),
        "a share from 0 to 1",
    );
    whole(
        findings,
        "augment.rand_augment.operations",
        settings.operations,
    );
}

pub(super) fn colors(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let Some(jitter) = &experiment.augment.color_jitter else {
        return;
    };
    for (field, strength) in [
        ("augment.color_jitter.brightness", jitter.brightness),
        ("augment.color_jitter.contrast", jitter.contrast),
        ("augment.color_jitter.saturation", jitter.saturation),
    ] {
        number(
            findings,
            field,
            strength,
            |x| (0.0..=10.0).contains(&x),
            "0 to 10",
        );
    }
    number(
        findings,
        "augment.color_jitter.hue",
        jitter.hue,
        |x| (0.0..=0.5).contains(&x),
        "a share of a turn from 0 to 0.5",
    );
}
