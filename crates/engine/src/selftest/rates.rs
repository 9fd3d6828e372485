//! Speed of training steps, on synthetic pixels.

use std::time::Instant;

use anyhow::{Context, Result};
use tch::{Device, Kind, Tensor};
use warmstart_schema::architecture::{Backbone, Stem};
use warmstart_schema::experiment::{Interpolation, NumberFormat};

use super::training::Training;
use crate::device::MeasuredConvolutions;
use crate::model::ModelSpec;

/// Steps to warm up before any is timed.
const WARM_UP: usize = 3;

/// A model and its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    pub backbone: Backbone,
    pub stem: Stem,
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

/// Images a second of the fastest of some steps, each with the device waited for. Takes four steps.
pub fn fastest_step(case: Case, device: Device, format: NumberFormat) -> Result<f64> {
    let mut steps = Steps::new(case, device, format)?;
    steps.seconds()?;
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        least = least.min(steps.seconds()?);
    }
    Ok(case.batch as f64 / least)
}

/// Times `count` training steps twice: each alone, then all without a wait between them.
pub fn measure(case: Case, device: Device, format: NumberFormat, count: usize) -> Result<Rate> {
    let mut steps = Steps::new(case, device, format)?;
    for _ in 0..WARM_UP {
        steps.seconds()?;
    }
    let mut seconds = Vec::with_capacity(count);
    for _ in 0..count {
        seconds.push(steps.seconds()?);
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds
        .get(seconds.len() / 2)
        .context("no step was measured")?;
    let begun = Instant::now();
    for _ in 1..count {
        drop(steps.step()?);
    }
    steps.seconds()?;
    let mean = begun.elapsed().as_secs_f64() / count as f64;
    let images = case.batch as f64;
    Ok(Rate {
        median: images / median,
        mean: images / mean,
    })
}

/// A training, and a batch of synthetic images with its labels.
struct Steps {
    training: Training,
    images: Tensor,
    labels: Tensor,
    /// As in the steps of a long training.
    _convolutions: Option<MeasuredConvolutions>,
}

impl Steps {
    fn new(case: Case, device: Device, format: NumberFormat) -> Result<Self> {
        let spec = ModelSpec {
            backbone: case.backbone,
            stem: case.stem,
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
        Ok(Self {
            training: Training::new(&spec, 1, device, format)?,
            images: Tensor::f_rand([case.batch, 3, 32, 32], (Kind::Float, device))?,
            labels: Tensor::f_randint(100, [case.batch], (Kind::Int64, device))?,
            _convolutions: device.is_cuda().then(MeasuredConvolutions::enter),
        })
    }

    /// The loss of a step, which a GPU may still compute.
    fn step(&mut self) -> Result<Tensor> {
        self.training.step(&self.images, &self.labels)
    }

    /// Seconds of a step. Reading its loss waits for the device.
    fn seconds(&mut self) -> Result<f64> {
        let begun = Instant::now();
        let loss = f64::try_from(self.step()?)?;
        std::hint::black_box(loss);
        Ok(begun.elapsed().as_secs_f64())
    }
}
