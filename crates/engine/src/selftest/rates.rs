//! Speed of training steps, on synthetic pixels.

use std::time::Instant;

use anyhow::{Context, Result};
use tch::{Device, Kind, Tensor};
use warmstart_schema::architecture::Backbone;
use warmstart_schema::experiment::{Interpolation, Precision};

use super::training::Training;
use crate::model::ModelSpec;

/// Steps to warm up before any is timed.
const WARM_UP: usize = 3;

/// A model and its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    pub backbone: Backbone,
    /// Side of the images, after resizing within the model.
    pub pixels: i64,
    pub batch: i64,
    /// How many of the backbone's first blocks are frozen.
    pub frozen_blocks: usize,
}

/// Images a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// By the median step, each with the device waited for.
    pub median: f64,
    /// By the mean step, without waiting between them: how training runs.
    pub mean: f64,
}

/// Measures that many steps of Adam on a case, twice.
pub fn measure(case: Case, device: Device, precision: Precision, steps: usize) -> Result<Rate> {
    let spec = ModelSpec {
        backbone: case.backbone,
        classes: 100,
        hidden: 256,
        dropout: 0.2,
        drop_path: 0.0,
        frozen_blocks: case.frozen_blocks,
        norm_inference: false,
        input_size: Some(case.pixels),
        interpolation: Interpolation::Nearest,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    let mut training = Training::new(&spec, 1, device, precision)?;
    let images = Tensor::f_rand([case.batch, 3, 32, 32], (Kind::Float, device))?;
    let labels = Tensor::f_randint(100, [case.batch], (Kind::Int64, device))?;
    let mut step = || training.step(&images, &labels);
    // Reading a number waits for the device.
    let wait = |loss: Tensor| f64::try_from(loss);
    for _ in 0..WARM_UP {
        wait(step()?)?;
    }
    let mut seconds = Vec::with_capacity(steps);
    for _ in 0..steps {
        let begun = Instant::now();
        wait(step()?)?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds
        .get(seconds.len() / 2)
        .context("no step was measured")?;
    let begun = Instant::now();
    for _ in 1..steps {
        drop(step()?);
    }
    wait(step()?)?;
    let mean = begun.elapsed().as_secs_f64() / steps as f64;
    let images = case.batch as f64;
    Ok(Rate {
        median: images / median,
        mean: images / mean,
    })
}
