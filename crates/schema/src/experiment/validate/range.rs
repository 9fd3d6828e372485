//! Ranges of numbers.

use std::ops::RangeInclusive;

use crate::experiment::forbidden::Finding;

/// The fields that take whole numbers.
const RANGES: [(&str, RangeInclusive<u32>); 18] = [
    ("dataset.limit", 10..=1_000_000),
    ("input.resize", 32..=1024),
    // No image is smaller than 32 pixels, and a mirrored border must fit into it.
    ("augment.padding_crop.pixels", 1..=31),
    ("augment.rand_augment.operations", 1..=15),
    ("model.head.hidden", 1..=65_536),
    ("train.epochs", 1..=100_000),
    // Batch normalization needs two examples to have a variance.
    ("train.batch_size", 2..=65_536),
    ("train.accumulate", 1..=1000),
    ("train.devices", 1..=64),
    ("train.checkpoint.keep", 2..=1000),
    ("train.schedule.step_epochs", 1..=100_000),
    ("train.schedule.step_steps", 1..=1_000_000_000),
    ("train.schedule.warmup_steps", 0..=1_000_000_000),
    ("train.schedule.patience", 0..=100_000),
    ("train.early_stopping.patience", 1..=100_000),
    ("probe.strengths", 2..=1000),
    ("probe.neighbours", 0..=10_000),
    ("probe.batch_size", 2..=65_536),
];

/// Refuses a number that is not finite or not allowed.
pub(super) fn number(
    findings: &mut Vec<Finding>,
    field: &'static str,
    value: f64,
    allowed: impl Fn(f64) -> bool,
    expected: &str,
) {
    if !value.is_finite() || !allowed(value) {
        findings.push(Finding::new(field, expected, value));
    }
}

/// The range of a whole-number field, for messages about numbers out of range and about other values.
pub(in crate::experiment) fn whole_number(field: &str) -> Option<String> {
    let (_, allowed) = RANGES.iter().find(|(name, _)| *name == field)?;
    Some(format!(
        "a whole number from {} to {}",
        allowed.start(),
        allowed.end()
    ))
}

/// Refuses a whole number outside the range of its field.
pub(super) fn whole(findings: &mut Vec<Finding>, field: &'static str, value: u32) {
    let is_allowed = RANGES
        .iter()
        .any(|(name, allowed)| *name == field && allowed.contains(&value));
    if !is_allowed {
        findings.push(Finding::new(
            field,
            &whole_number(field).unwrap_or_default(),
            value,
        ));
    }
}
