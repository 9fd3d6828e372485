//! Speed of training steps and of a frozen backbone's features, in images a second: the median of the steps after two to
//! warm up, on synthetic pixels.
//!
//! `cargo run --release -p warmstart-engine --example steps -- [backbone pixels batch frozen-blocks]`
#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::time::Instant;

use anyhow::{Context, Result};
use tch::{Kind, Tensor};
use warmstart_engine::device::{self, DeviceRequest};
use warmstart_engine::model::{Mode, Model, ModelSpec};
use warmstart_engine::optimizer::Optimizer;
use warmstart_schema::architecture::Backbone;
use warmstart_schema::experiment::{self, Interpolation};

const STEPS: usize = 8;

#[derive(Debug, Clone, Copy)]
struct Case {
    backbone: Backbone,
    pixels: i64,
    batch: i64,
    frozen_blocks: usize,
}

/// The quickstart's models, then the study's.
const CASES: [Case; 8] = [
    Case {
        backbone: Backbone::Resnet18,
        pixels: 32,
        batch: 8,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::Resnet18,
        pixels: 64,
        batch: 32,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::TfEfficientnetLite0,
        pixels: 64,
        batch: 32,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::TfEfficientnetLite0,
        pixels: 96,
        batch: 32,
        frozen_blocks: usize::MAX,
    },
    Case {
        backbone: Backbone::Resnet50,
        pixels: 32,
        batch: 128,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::Resnet50,
        pixels: 224,
        batch: 16,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::EfficientnetB0,
        pixels: 224,
        batch: 16,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::EfficientnetB0,
        pixels: 224,
        batch: 32,
        frozen_blocks: usize::MAX,
    },
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = match arguments.as_slice() {
        [] => CASES.to_vec(),
        [backbone, pixels, batch, frozen] => vec![Case {
            backbone: backbone.parse()?,
            pixels: pixels.parse()?,
            batch: batch.parse()?,
            frozen_blocks: frozen.parse()?,
        }],
        _ => anyhow::bail!(
            "expected nothing, or backbone, pixels, batch and how many blocks are frozen"
        ),
    };
    let (device, why) = device::select(DeviceRequest::Auto);
    println!("{why}; {} threads; images a second", tch::get_num_threads());
    for case in asked {
        let rate = measure(case, device)?;
        let Case {
            backbone,
            pixels,
            batch,
            frozen_blocks,
        } = case;
        let frozen = if frozen_blocks == 0 { "" } else { "frozen" };
        println!("{backbone:<22} {pixels:>3} px  batch {batch:>3}  {frozen:<6} {rate:>8.1}");
    }
    Ok(())
}

fn measure(case: Case, device: tch::Device) -> Result<f64> {
    let spec = ModelSpec {
        backbone: case.backbone,
        classes: 100,
        hidden: 256,
        dropout: 0.2,
        frozen_blocks: case.frozen_blocks,
        norm_inference: false,
        input_size: Some(case.pixels),
        interpolation: Interpolation::Nearest,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    let model = Model::new(&spec, 1, device)?;
    let mut optimizer = Optimizer::new(
        &experiment::Optimizer::Adam {
            learning_rate: 0.0,
            weight_decay: 0.0,
        },
        model.trainable(),
    )?;
    let images = Tensor::f_rand([case.batch, 3, 32, 32], (Kind::Float, device))?;
    let labels = Tensor::f_randint(100, [case.batch], (Kind::Int64, device))?;
    let mut seconds = Vec::with_capacity(STEPS);
    for step in 0..STEPS + 2 {
        let begun = Instant::now();
        optimizer.zero_grad();
        let loss = model
            .forward(&images, Mode::Train)?
            .cross_entropy_for_logits(&labels);
        loss.f_backward()?;
        optimizer.step(1e-3)?;
        // Reading a number waits for the device.
        f64::try_from(loss)?;
        if step >= 2 {
            seconds.push(begun.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds
        .get(seconds.len() / 2)
        .context("no step was measured")?;
    Ok(case.batch as f64 / median)
}
