//! When a run was where, and how it used its machine: what lets a chart run by time as well as by step.

use serde::{Deserialize, Serialize};

use super::RunState;
use crate::event::System;

/// Moments and samples kept; older ones are thinned.
const MAX: usize = 4096;

/// A step and when it was done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    pub step: u64,
    /// Seconds since the Unix epoch.
    pub t: f64,
}

/// Use of the machine at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub step: u64,
    /// Seconds since the Unix epoch.
    pub t: f64,
    pub system: System,
}

impl RunState {
    pub(super) fn passes(&mut self, step: u64, t: f64) {
        push(&mut self.moments, MAX, Moment { step, t });
    }

    pub(super) fn sample(&mut self, t: f64, system: System) {
        let step = self.moments.last().map_or(0, |moment| moment.step);
        push(&mut self.samples, MAX, Sample { step, t, system });
    }
}

/// Appends; of a full list every second item is kept, which tells the same story, and fresh ones keep coming at full rate.
pub(super) fn push<T>(items: &mut Vec<T>, most: usize, item: T) {
    if items.len() == most {
        let mut keep = false;
        items.retain(|_| {
            keep = !keep;
            keep
        });
    }
    items.push(item);
}
