//! Checks of a GPU: the same images as on the CPU, the same bits twice, its memory, its errors.

use anyhow::{Result, bail, ensure};
use tch::{Device, Kind, Tensor};
use warmstart_schema::architecture::{Backbone, Stem};
use warmstart_schema::event::FailureKind;
use warmstart_schema::experiment::{Augment, Interpolation, NumberFormat, RandAugment};
use warmstart_schema::selftest::Verdict;

use super::training::Training;
use super::{Outcome, formula};
use crate::augment::augment;
use crate::failure::UserError;
use crate::ffi;
use crate::model::{Model, ModelSpec};
use crate::usage::{Usage, cpu_name};

const STEPS_TWICE: u64 = 8;

fn passed(text: impl Into<String>) -> Outcome {
    (Verdict::Passed, text.into(), None)
}

pub(super) fn skipped(text: &str) -> Outcome {
    (Verdict::Skipped, text.to_owned(), None)
}

/// The name of the device, and the versions of its libraries.
pub(super) fn facts(device: Device) -> Outcome {
    let libtorch = ffi::version();
    let text = if let Device::Cuda(index) = device {
        let usage = Usage::new(u32::try_from(index).ok(), std::env::temp_dir());
        let name = usage.gpu_name();
        let name = name.as_deref().unwrap_or("a GPU that NVML does not name");
        let (cuda, cudnn) = (tch::utils::version_cudart(), tch::utils::version_cudnn());
        format!(
            "{name}, libtorch {libtorch}, CUDA {}.{}, cuDNN {}.{}.{}",
            cuda / 1000,
            cuda % 1000 / 10,
            cudnn / 10_000,
            cudnn % 10_000 / 100,
            cudnn % 100
        )
    } else {
        format!("{}, libtorch {libtorch}", cpu_name())
    };
    (Verdict::Measured, text, None)
}

/// The same draws change a picture alike on the CPU and on the device.
pub(super) fn augmentation(device: Device) -> Result<Outcome> {
    if !device.is_cuda() {
        return Ok(skipped("the CPU is what others are compared with"));
    }
    let images = formula::stream("augmentation", &[64, 3, 64, 64]).f_to_kind(Kind::Float)?;
    // RandAugment rounds to bytes, so after another operation its last bits would become a grey value.
    let alone = Augment {
        rand_augment: Some(RandAugment::default()),
        ..Augment::NONE
    };
    let mut most: f64 = 0.0;
    for settings in [Augment::EVERY, alone] {
        let here = augment(&images, &settings, |_| 7)?;
        let there = augment(&images.f_to_device(device)?, &settings, |_| 7)?;
        let difference = here - there.f_to_device(Device::Cpu)?;
        let error = f64::try_from(difference.f_abs()?.f_max()?)?;
        // The grid is computed in float32, whose last bits may differ; one grey value of 255 is 4e-3.
        ensure!(
            error < 1e-3,
            "pixels differ by {error:.1e} from those on the CPU: {settings}"
        );
        most = most.max(error);
    }
    Ok(passed(format!(
        "pixels differ by at most {most:.1e} from those on the CPU"
    )))
}

/// Every operation: `RandAugment` too, which computes on the CPU and moves the images there and back.
fn every_operation() -> Augment {
    Augment {
        rand_augment: Some(RandAugment::default()),
        ..Augment::EVERY
    }
}

fn spec(backbone: Backbone, frozen_blocks: usize) -> ModelSpec {
    ModelSpec {
        backbone,
        stem: Stem::Original,
        classes: 10,
        hidden: 32,
        dropout: 0.2,
        drop_path: 0.0,
        frozen_blocks,
        norm_inference: false,
        input_size: Some(64),
        interpolation: Interpolation::Bilinear,
        mean: [0.5; 3],
        std: [0.25; 3],
    }
}

/// Trains a few steps with augmentation and dropout.
fn trained(
    spec: &ModelSpec,
    steps: u64,
    format: NumberFormat,
    device: Device,
) -> Result<(Model, String)> {
    let mut training = Training::new(spec, 3, device, format)?;
    let before = training.model.frozen_fingerprint()?;
    let images = formula::stream("training", &[32, 3, 32, 32]).f_to_kind(Kind::Float)?;
    let images = images.f_abs()?.f_to_device(device)?;
    let labels: Vec<i64> = (0..32).map(|image| image % 10).collect();
    let labels = Tensor::f_from_slice(&labels)?.f_to_device(device)?;
    for step in 0..steps {
        let images = augment(&images, &every_operation(), |_| step)?;
        tch::manual_seed(step.cast_signed());
        drop(training.step(&images, &labels)?);
    }
    Ok((training.model, before))
}

/// Frozen weights and statistics keep every bit, the others move.
pub(super) fn frozen(device: Device) -> Result<Outcome> {
    for format in [NumberFormat::Float32, NumberFormat::Bfloat16] {
        let spec = spec(Backbone::EfficientnetB0, 5);
        let (model, before) = trained(&spec, 3, format, device)?;
        if model.frozen_fingerprint()? != before {
            bail!("frozen weights moved in three steps in {format}");
        }
        let whole = model.fingerprint()?;
        if Model::new(&spec, 3, device)?.fingerprint()? == whole {
            bail!("three steps in {format} moved nothing");
        }
    }
    Ok(passed(
        "three steps in float32 and in bfloat16 moved no bit of them, and moved the others",
    ))
}

/// With deterministic algorithms, a few steps end twice with the same bits.
pub(super) fn same_bits(device: Device) -> Result<Outcome> {
    // Without bfloat16 units, a CPU would need minutes for all.
    let (backbones, precisions) = if device.is_cuda() {
        (
            &[
                Backbone::Resnet18,
                Backbone::EfficientnetB0,
                Backbone::MobilenetV3Large100,
                Backbone::ConvnextTiny,
                Backbone::VitSmallPatch16,
            ][..],
            &[NumberFormat::Float32, NumberFormat::Bfloat16][..],
        )
    } else {
        (
            &[Backbone::Resnet18, Backbone::EfficientnetB0][..],
            &[NumberFormat::Float32][..],
        )
    };
    for &backbone in backbones {
        for &format in precisions {
            let mut spec = spec(backbone, 0);
            if backbone == Backbone::VitSmallPatch16 {
                spec.input_size = Some(224);
            }
            crate::device::configure(device, format, true)?;
            let run = || trained(&spec, STEPS_TWICE, format, device)?.0.fingerprint();
            let (first, second) = (run()?, run()?);
            crate::device::configure(device, NumberFormat::Float32, false)?;
            if first != second {
                bail!("{backbone} in {format}: {STEPS_TWICE} steps ended with other bits");
            }
        }
    }
    let names: Vec<&str> = backbones.iter().map(|backbone| backbone.as_str()).collect();
    Ok(passed(format!(
        "{STEPS_TWICE} steps, twice, with augmentation and dropout: {}",
        names.join(", ")
    )))
}

/// The most memory that the checks before this one reserved.
pub(super) fn peak(device: Device) -> Result<Outcome> {
    let Device::Cuda(index) = device else {
        return Ok(skipped("on a CPU libtorch does not count memory"));
    };
    let memory = ffi::cuda_memory(index)?;
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let text = format!(
        "{:.1} GB reserved at most, {:.1} of {:.1} GB free now",
        gigabytes(memory.peak),
        gigabytes(memory.free),
        gigabytes(memory.total)
    );
    Ok((Verdict::Measured, text, Some(memory.peak as f64)))
}

/// A request for too much memory gets its kind of error, and the device still works.
pub(super) fn out_of_memory(device: Device) -> Result<Outcome> {
    let Device::Cuda(index) = device else {
        return Ok(skipped("a CPU shares the memory of the whole machine"));
    };
    let total = i64::try_from(ffi::cuda_memory(index)?.total)?;
    let Err(error) = Tensor::f_zeros([total], (Kind::Float, device)) else {
        bail!("four times the device's memory was given");
    };
    let blame = UserError::of(&error.into());
    if blame.kind != FailureKind::OutOfMemory {
        bail!("the error is taken for {:?}: {}", blame.kind, blame.error);
    }
    let sum = f64::try_from(Tensor::f_ones([1000], (Kind::Float, device))?.f_sum(Kind::Float)?)?;
    if (sum - 1000.0).abs() > 1e-6 {
        bail!("afterwards a thousand ones sum to {sum}");
    }
    Ok(passed("named as such, and the device works afterwards"))
}

/// The message names an error in a kernel. After it the GPU refuses this process, so no check can follow.
pub(super) fn gpu_error(device: Device) -> Result<Outcome> {
    if !device.is_cuda() {
        return Ok(skipped("a CPU has no such errors"));
    }
    let table = Tensor::f_zeros([4], (Kind::Float, device))?;
    let beyond = Tensor::f_from_slice(&[1_000_000_i64])?.f_to_device(device)?;
    let read = || -> Result<f64> {
        let row = table.f_index_select(0, &beyond)?;
        Ok(f64::try_from(row.f_sum(Kind::Float)?)?)
    };
    let Err(error) = read() else {
        bail!("reading beyond a tensor went unnoticed");
    };
    let blame = UserError::of(&error);
    if blame.kind == FailureKind::Device {
        Ok(passed(format!("named as such; {}", blame.help)))
    } else {
        bail!("the error is taken for {:?}: {}", blame.kind, blame.error)
    }
}
