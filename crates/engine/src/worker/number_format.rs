//! In which number format an attempt computes. `train.precision: auto` measures some steps of the run's model on synthetic images,
//! and remembers the answer for this machine.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use warmstart_runs::checkpoint::Content;
use warmstart_runs::search_paths;
use warmstart_runs::storage::{self, Disk};
use warmstart_schema::architecture::Architecture;
use warmstart_schema::event::Level;
use warmstart_schema::experiment::{Experiment, NumberFormat};
use warmstart_schema::preparation::Preparation;

use super::context::Context;
use crate::selftest::rates::{Case, fastest_step};
use crate::{device, ffi, worker_log};

/// Rounding is worth it from this speed-up on.
const WORTH: f64 = 1.1;
/// A trial's batch has about this many pixels, so that it takes seconds even on a slow machine.
const TRIAL_PIXELS: u32 = 4 * 224 * 224;
/// Batch normalization needs two images to have a variance.
const LEAST_BATCH: u32 = 2;

/// Images a second in each number format.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Rates {
    float32: f64,
    bfloat16: f64,
}

impl Rates {
    fn faster(self) -> NumberFormat {
        if self.bfloat16 >= WORTH * self.float32 {
            NumberFormat::Bfloat16
        } else {
            NumberFormat::Float32
        }
    }
}

/// The number format of an attempt, and what its log says about it.
pub(super) struct Choice {
    pub format: NumberFormat,
    pub note: Option<(Level, String)>,
}

/// Chooses the format of the experiment, else that of the checkpoint, else the faster one; and sets it for the whole process. A trial
/// that fails or is interrupted gives float32.
pub(super) fn choose(
    context: &Context,
    experiment: &Experiment,
    preparation: &Preparation,
    saved: Option<&Content>,
) -> Result<Choice> {
    let earlier = saved.map(|content| of_checkpoint(experiment, content));
    let fixed = experiment.train.precision.fixed().or(earlier);
    let choice = fixed.map_or_else(
        || faster(context, experiment, preparation),
        |format| Choice { format, note: None },
    );
    device::configure(
        context.chosen.device,
        choice.format,
        experiment.train.deterministic,
    )?;
    Ok(choice)
}

/// The number format that a checkpoint was trained in. Checkpoints of earlier versions do not name it.
pub(crate) fn of_checkpoint(experiment: &Experiment, content: &Content) -> NumberFormat {
    let fixed = experiment.train.precision.fixed();
    let saved = content.state.conditions.precision;
    fixed.or(saved).unwrap_or(NumberFormat::Float32)
}

fn faster(context: &Context, experiment: &Experiment, preparation: &Preparation) -> Choice {
    let case = case(experiment, preparation);
    let key = format!(
        "{}, {} threads, libtorch {}: {}, stem {}, at {} pixels, {} images, {} blocks frozen",
        context.chosen.name,
        tch::get_num_threads(),
        ffi::version(),
        case.backbone,
        case.stem,
        case.pixels,
        case.batch,
        case.frozen_blocks
    );
    let file = search_paths::cache().join("warmstart/number-formats.json");
    let (rates, when) = match read(&file).get(&key) {
        Some(rates) => (*rates, "measured earlier on this machine"),
        None => match trial(context, case) {
            Ok(Some(rates)) => {
                remember(&file, key, rates);
                (rates, "measured now")
            }
            Ok(None) => {
                return Choice {
                    format: NumberFormat::Float32,
                    note: None,
                };
            }
            Err(error) => {
                let text = format!("computes in float32: the trial of bfloat16 failed: {error:#}");
                return Choice {
                    format: NumberFormat::Float32,
                    note: Some((Level::Warning, text)),
                };
            }
        },
    };
    let text = format!(
        "computes in {}: {:.1} images/s in float32, {:.1} in bfloat16, {when}",
        rates.faster(),
        rates.float32,
        rates.bfloat16
    );
    Choice {
        format: rates.faster(),
        note: Some((Level::Info, text)),
    }
}

/// The run's model, with a batch that is small enough for a short trial.
fn case(experiment: &Experiment, preparation: &Preparation) -> Case {
    let side = preparation.side.max(1);
    let blocks = Architecture::new(experiment.model.backbone).blocks.len();
    let batch = (TRIAL_PIXELS / (side * side))
        .clamp(LEAST_BATCH, experiment.train.batch_size.max(LEAST_BATCH));
    Case {
        backbone: experiment.model.backbone,
        stem: experiment.model.stem,
        pixels: side.into(),
        batch: batch.into(),
        // The last stage takes the longest for each image.
        frozen_blocks: experiment.model.frozen_at_last().frozen_blocks(blocks),
    }
}

/// None if a stop was requested meanwhile.
fn trial(context: &Context, case: Case) -> Result<Option<Rates>> {
    let rate = |format| -> Result<Option<f64>> {
        if context.interrupt.is_requested() {
            return Ok(None);
        }
        device::configure(context.chosen.device, format, false)?;
        fastest_step(case, context.chosen.device, format).map(Some)
    };
    let (Some(float32), Some(bfloat16)) =
        (rate(NumberFormat::Float32)?, rate(NumberFormat::Bfloat16)?)
    else {
        return Ok(None);
    };
    Ok(Some(Rates { float32, bfloat16 }))
}

/// What earlier trials found; nothing where the file is missing or damaged, because a trial finds it out again.
fn read(file: &Path) -> BTreeMap<String, Rates> {
    std::fs::read(file)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// Adds the rates of a trial to those in the file.
fn remember(file: &Path, key: String, rates: Rates) {
    // A trial takes seconds, in which workers of other runs may have added theirs.
    let mut known = read(file);
    known.insert(key, rates);
    let write = || -> Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        storage::replace(&Disk, file, &serde_json::to_vec_pretty(&known)?)?;
        Ok(())
    };
    if let Err(error) = write() {
        worker_log::line(&format!(
            "the faster number format is not remembered: {error:#}: {}",
            file.display()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfloat16_is_chosen_only_where_it_is_clearly_faster() {
        for (bfloat16, expected) in [
            (50.0, NumberFormat::Float32),
            (105.0, NumberFormat::Float32),
            (115.0, NumberFormat::Bfloat16),
            (f64::NAN, NumberFormat::Float32),
        ] {
            let rates = Rates {
                float32: 100.0,
                bfloat16,
            };
            assert_eq!(rates.faster(), expected, "{bfloat16}");
        }
    }

    #[test]
    fn remembered_rates_are_read_again_and_a_damaged_file_is_empty() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("deep/er.json");
        let rates = Rates {
            float32: 1.5,
            bfloat16: 3.0,
        };
        remember(&file, "this machine".to_owned(), rates);
        let known = BTreeMap::from([("this machine".to_owned(), rates)]);
        assert_eq!(read(&file), known);
        std::fs::write(&file, "{").unwrap();
        assert_eq!(read(&file), BTreeMap::new());
    }

    #[test]
    fn rates_that_another_worker_remembered_during_a_trial_stay() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("rates.json");
        let rates = Rates {
            float32: 1.5,
            bfloat16: 3.0,
        };
        // Both workers find an empty file before their trials.
        assert_eq!(read(&file), BTreeMap::new());
        for run in ["one", "other"] {
            remember(&file, run.to_owned(), rates);
        }
        let known = ["one", "other"].map(|run| (run.to_owned(), rates));
        assert_eq!(read(&file), BTreeMap::from(known));
    }
}
