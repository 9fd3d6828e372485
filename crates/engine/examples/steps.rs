//! Speed of training steps on synthetic pixels, in images a second, with or without frozen blocks. A few steps warm up. The first
//! figure is by the median step, where the program waits for the device after each. The second is the mean of as many steps, where
//! it waits only after the last.
//!
//! `cargo run --release -p warmstart-engine --example steps -- [backbone pixels batch frozen-blocks [precision]]`
#![expect(clippy::print_stdout, reason = "it prints a table")]

use anyhow::Result;
use warmstart_engine::device::{self, DeviceRequest};
use warmstart_engine::selftest::rates::{Case, Rate, measure};
use warmstart_schema::architecture::{Architecture, Backbone, Stem};
use warmstart_schema::experiment::NumberFormat;

const STEPS: usize = 8;
const STEPS_ON_A_GPU: usize = 30;

/// The quickstart's models, then the study's.
const CASES: [Case; 8] = [
    Case {
        backbone: Backbone::Resnet18,
        stem: Stem::Original,
        pixels: 32,
        batch: 8,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::Resnet18,
        stem: Stem::Original,
        pixels: 64,
        batch: 32,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::TfEfficientnetLite0,
        stem: Stem::Original,
        pixels: 64,
        batch: 32,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::TfEfficientnetLite0,
        stem: Stem::Original,
        pixels: 96,
        batch: 32,
        frozen_blocks: usize::MAX,
    },
    Case {
        backbone: Backbone::Resnet50,
        stem: Stem::Original,
        pixels: 32,
        batch: 128,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::Resnet50,
        stem: Stem::Original,
        pixels: 224,
        batch: 16,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::EfficientnetB0,
        stem: Stem::Original,
        pixels: 224,
        batch: 16,
        frozen_blocks: 0,
    },
    Case {
        backbone: Backbone::EfficientnetB0,
        stem: Stem::Original,
        pixels: 224,
        batch: 32,
        frozen_blocks: usize::MAX,
    },
];

fn main() -> Result<()> {
    warmstart_engine::blocks::keep_freed_memory();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (asked, precision) = match arguments.as_slice() {
        [] => (CASES.to_vec(), "float32"),
        [backbone, pixels, batch, frozen, precision @ ..] if precision.len() < 2 => (
            vec![Case {
                backbone: backbone.parse()?,
                stem: Stem::Original,
                pixels: pixels.parse()?,
                batch: batch.parse()?,
                frozen_blocks: frozen.parse()?,
            }],
            precision.first().map_or("float32", String::as_str),
        ),
        _ => anyhow::bail!(
            "expected nothing, or backbone, pixels, batch, how many blocks are frozen, and float32, tf32 or bfloat16"
        ),
    };
    let precision = match precision {
        "float32" => NumberFormat::Float32,
        "tf32" => NumberFormat::Tf32,
        "bfloat16" => NumberFormat::Bfloat16,
        other => anyhow::bail!("unknown precision `{other}`, expected float32, tf32 or bfloat16"),
    };
    let (device, why) = device::select(DeviceRequest::Auto);
    println!(
        "{why}; {} threads; images a second by the median step, and in the mean",
        tch::get_num_threads()
    );
    let steps = if device.is_cuda() {
        STEPS_ON_A_GPU
    } else {
        STEPS
    };
    device::configure(device, precision, false)?;
    for case in asked {
        let Rate { median, mean } = measure(case, device, precision, steps)?;
        let Case {
            backbone,
            pixels,
            batch,
            frozen_blocks,
            ..
        } = case;
        let frozen = match frozen_blocks {
            0 => String::new(),
            blocks if blocks >= Architecture::new(backbone).blocks.len() => "frozen".to_owned(),
            blocks => format!("first {blocks} frozen"),
        };
        println!(
            "{backbone:<22} {pixels:>3} px  batch {batch:>3}  {frozen:<15} {median:>8.1} {mean:>8.1}"
        );
    }
    Ok(())
}
