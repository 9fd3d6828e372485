//! Augmented views whose features a frozen backbone computes once.

use super::Experiment;
use super::forbidden::Finding;
use crate::architecture::Architecture;

const FIELD: &str = "train.cache_views";
const MOST: u32 = 100;

pub(super) fn validate(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let (train, model) = (&experiment.train, &experiment.model);
    let Some(views) = train.cache_views else {
        return;
    };
    let mut refuse = |expected: &str, found: &str, help: &str| {
        findings.push(Finding::new(FIELD, expected, found).help(help));
    };
    if !(1..=MOST).contains(&views) {
        let expected = format!("a whole number from 1 to {MOST}");
        return refuse(&expected, &views.to_string(), "8 is a good start");
    }
    let blocks = Architecture::new(model.backbone).blocks.len();
    if model.frozen_at_last().frozen_blocks(blocks) < blocks {
        let help = "features of a backbone that trains change with each step; write `freeze: backbone` in `model`, without \
             `unfreeze`, or remove `cache_views`";
        refuse(
            "it only with a backbone that is frozen whole",
            "one that trains",
            help,
        );
    }
    if experiment.augment.is_identity() {
        let help = "without `augment` all views are the same, and their features are kept anyway; remove `cache_views`";
        refuse("it only with `augment`", "none", help);
    }
    for (name, is_set) in [
        ("train.mixing", train.mixing.is_some()),
        (
            "input.progressive",
            !experiment.input.progressive.is_empty(),
        ),
        ("train.devices", train.devices > 1),
    ] {
        if is_set {
            let expected = format!("it only without `{name}`");
            let help =
                "remove one of them: the images would differ in each epoch, or on each device";
            refuse(&expected, "both", help);
        }
    }
}
