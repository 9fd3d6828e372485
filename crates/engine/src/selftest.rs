//! Checks that a device computes what it should: against references that `PyTorch` and timm wrote, and against the CPU. One file per
//! kind of check.

mod agreement;
pub mod backbones;
mod device;
pub mod formula;
pub mod losses;
pub mod optimizers;
pub mod rates;
mod training;

use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tch::Device;
use warmstart_schema::architecture::{Architecture, Backbone, Stem, TensorSpec};
use warmstart_schema::experiment::NumberFormat;
use warmstart_schema::selftest::{Check, Verdict};

pub use self::agreement::Agreement;
use self::rates::{Case, Rate};
use crate::device::DeviceRequest;

/// Steps of each measured case.
const STEPS_ON_A_GPU: usize = 20;
const STEPS_ON_A_CPU: usize = 3;

/// A CPU would need many minutes for larger backbones.
const MOST_PARAMETERS_ON_A_CPU: u64 = 50_000_000;

fn parameters(backbone: Backbone) -> u64 {
    let architecture = Architecture::new(backbone);
    architecture.tensors().map(TensorSpec::len).sum()
}

/// The result of a check that did not fail: its verdict, a text, and a measured value.
type Outcome = (Verdict, String, Option<f64>);

/// Runs checks on a device: those whose name contains one of `only`, or all if it is empty. Answers a JSON line for each. A GPU that
/// is asked for and not there is a failed check, and the only one.
pub fn serve(request: DeviceRequest, only: &[String], answers: impl Write) -> Result<()> {
    let (device, reason) = crate::device::select(request);
    let mut session = Session {
        device,
        only,
        answers,
    };
    if matches!(request, DeviceRequest::Cuda(_)) && !device.is_cuda() {
        session.only = &[];
        return session.check("device", &request.to_string(), || bail!("{reason}"));
    }
    session.all()
}

/// The measured models: training at 224 pixels if there is a GPU, and a small model.
fn speeds(device: Device) -> Vec<(Case, &'static [NumberFormat])> {
    use NumberFormat::{Bfloat16, Float32, Tf32};
    let case = |backbone, pixels, batch, frozen_blocks| Case {
        backbone,
        stem: Stem::Original,
        pixels,
        batch,
        frozen_blocks,
    };
    let small = case(Backbone::TfEfficientnetLite0, 64, 32, 0);
    if !device.is_cuda() {
        return vec![(small, &[Float32, Bfloat16])];
    }
    vec![
        (
            case(Backbone::Resnet50, 224, 256, 0),
            &[Float32, Tf32, Bfloat16],
        ),
        (
            case(Backbone::EfficientnetB0, 224, 256, 0),
            &[Tf32, Bfloat16],
        ),
        (
            case(Backbone::EfficientnetB0, 224, 256, usize::MAX),
            &[Bfloat16],
        ),
        (case(Backbone::EfficientnetB0, 224, 32, 0), &[Bfloat16]),
        (small, &[Float32, Tf32]),
    ]
}

struct Session<'a, W> {
    device: Device,
    only: &'a [String],
    answers: W,
}

impl<W: Write> Session<'_, W> {
    fn all(&mut self) -> Result<()> {
        let device = self.device;
        crate::device::configure(device, NumberFormat::Float32, false)?;
        self.check("device", &crate::device::name_of(device), || {
            Ok(device::facts(device))
        })?;
        for backbone in Backbone::ALL {
            if !device.is_cuda() && parameters(backbone) > MOST_PARAMETERS_ON_A_CPU {
                let what = "only on a GPU, because it is large";
                for name in ["features", "gradients"] {
                    self.check(name, backbone.as_str(), || Ok(device::skipped(what)))?;
                }
                continue;
            }
            if !backbones::loses_precision(backbone) {
                self.agrees("features", backbone.as_str(), || {
                    backbones::features(backbone, 0, device)
                })?;
                self.agrees("features, frozen", backbone.as_str(), || {
                    backbones::features(backbone, usize::MAX, device)
                })?;
            }
            self.agrees("gradients", backbone.as_str(), || {
                backbones::gradients(backbone, device)
            })?;
        }
        for backbone in [
            Backbone::EfficientnetB0,
            Backbone::MobilenetV3Large100,
            Backbone::ConvnextTiny,
        ] {
            self.agrees("gradients, large batch", backbone.as_str(), || {
                backbones::large_batches(backbone, device)
            })?;
        }
        let table = optimizers::table()?;
        for case in optimizers::cases(&table)? {
            let name = case["name"].as_str().unwrap_or_default();
            let options = case["options"].to_string();
            self.agrees("optimizer", &format!("{name} {options}"), || {
                optimizers::trace(&table, case, device)
            })?;
        }
        for (index, case) in losses::cases()?.iter().enumerate() {
            self.agrees("losses", case, || {
                losses::compare(index, losses::STEPS, device)
            })?;
        }
        self.check("augmentation", "", || device::augmentation(device))?;
        self.check("frozen weights", "", || device::frozen(device))?;
        self.check("same bits twice", "train.deterministic", || {
            device::same_bits(device)
        })?;
        self.rates()?;
        self.check("memory", "peak", || device::peak(device))?;
        self.check("out of memory", "", || device::out_of_memory(device))?;
        // Last: after an error, a GPU does nothing more for the process.
        self.check("GPU error", "", || device::gpu_error(device))
    }

    fn rates(&mut self) -> Result<()> {
        let device = self.device;
        for (case, formats) in speeds(device) {
            let Case {
                backbone,
                pixels,
                batch,
                frozen_blocks,
                ..
            } = case;
            let frozen = if frozen_blocks == 0 { "" } else { ", frozen" };
            for &format in formats {
                let what = format!("{backbone}{frozen}, {pixels} px, batch {batch}, {format}");
                let limit = if format == NumberFormat::Bfloat16 && !device.is_cuda() {
                    "; in float32 if this CPU has no instructions for bfloat16"
                } else {
                    ""
                };
                self.check("speed", &what, || {
                    crate::device::configure(device, format, false)?;
                    let steps = if device.is_cuda() {
                        STEPS_ON_A_GPU
                    } else {
                        STEPS_ON_A_CPU
                    };
                    let Rate { median, mean } = rates::measure(case, device, format, steps)?;
                    let text = format!(
                        "{mean:.0} images/s; {median:.0} where each step is waited for{limit}"
                    );
                    Ok((Verdict::Measured, text, Some(mean)))
                })?;
            }
        }
        crate::device::configure(device, NumberFormat::Float32, false)
    }

    fn agrees(
        &mut self,
        name: &str,
        case: &str,
        compare: impl FnOnce() -> Result<Agreement>,
    ) -> Result<()> {
        self.check(name, case, || {
            let agreement = compare()?;
            let verdict = if agreement.holds() {
                Verdict::Passed
            } else {
                Verdict::Failed
            };
            Ok((verdict, agreement.to_string(), None))
        })
    }

    /// Carries out one check and answers; an error in it is a failed check.
    fn check(
        &mut self,
        name: &str,
        case: &str,
        run: impl FnOnce() -> Result<Outcome>,
    ) -> Result<()> {
        if !self.only.is_empty() && !self.only.iter().any(|only| name.contains(only.as_str())) {
            return Ok(());
        }
        let begun = Instant::now();
        let (verdict, text, value) = match run() {
            Ok(outcome) => outcome,
            Err(error) => (Verdict::Failed, format!("{error:#}"), None),
        };
        let check = Check {
            name: name.to_owned(),
            case: case.to_owned(),
            verdict,
            text,
            value,
            seconds: begun.elapsed().as_secs_f64(),
        };
        let line = serde_json::to_string(&check)? + "\n";
        self.answers
            .write_all(line.as_bytes())
            .and_then(|()| self.answers.flush())
            .context("answering")
    }
}
