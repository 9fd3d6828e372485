//! What a run's best checkpoint says about pictures of any kind, decoded as in training.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fast_image_resize::Resizer;
use tch::{Device, Kind, Tensor};
use warmstart_runs::checkpoint::Content;
use warmstart_schema::architecture::Architecture;
use warmstart_schema::experiment::{DatasetKind, Experiment};
use warmstart_schema::look::Split;
use warmstart_schema::prediction::{Answer, ClassProbability, Predicted, Predictions};
use warmstart_schema::preparation::Preparation;
use warmstart_schema::text;

use crate::best::BestCheckpoint;
use crate::data::folder::decode::{self, Framing};
use crate::device;
use crate::failure::UserError;
use crate::initial::prepared_spec;
use crate::look::{self, DatasetSource};
use crate::model::Model;
use crate::views;
use crate::weights::{self, LoadPolicy};
use crate::worker::number_format;

/// How many classes the answer names for each picture.
const TOP: usize = 5;

/// The images to classify.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    Files(&'a [PathBuf]),
    /// A picture of the run's own dataset, by its split and number as they were written on a command line.
    OfDataset {
        part: &'a str,
        number: &'a str,
    },
}

/// Asks the best checkpoint of the run in `folder`, on the CPU, for its most probable classes of each picture. If `with_pixels`
/// is set, the answer also holds what the model saw.
pub fn predict(folder: &Path, subject: &Subject, with_pixels: bool) -> Answer {
    answer(folder, subject, with_pixels).map_or_else(
        |error| {
            let UserError { error, help, .. } = UserError::of(&error);
            Answer::Refused { error, help }
        },
        Answer::Predictions,
    )
}

fn answer(folder: &Path, subject: &Subject, with_pixels: bool) -> Result<Predictions> {
    let best = BestCheckpoint::load(folder)?;
    let preparation = best.preparation();
    let BestCheckpoint {
        info,
        experiment,
        classes,
        content,
    } = best;
    let model = model(&experiment, &preparation, classes.len(), &content)?;
    device::configure(
        Device::Cpu,
        number_format::of_checkpoint(&experiment, &content),
        experiment.train.deterministic,
    )?;
    let shown = text::distinct(classes.iter().map(String::as_str), 80);
    let predicted = |image: String, pixels: Result<Tensor>| {
        let seen = pixels.and_then(|pixels| {
            let kept = with_pixels.then(|| look::pixels(&pixels)).transpose()?;
            Ok((top(&model, &experiment, &pixels, (&classes, &shown))?, kept))
        });
        match seen {
            Ok((classes, pixels)) => Predicted {
                image,
                classes,
                error: None,
                pixels,
            },
            Err(error) => {
                let error = Some(text::line(&format!("{error:#}"), 300));
                Predicted {
                    image,
                    classes: Vec::new(),
                    error,
                    pixels: None,
                }
            }
        }
    };
    let images = match *subject {
        Subject::Files(files) => {
            let mut resizer = Resizer::new();
            let mut of_file = |file: &PathBuf| {
                let image = file.display().to_string();
                predicted(
                    image,
                    decoded(&experiment, &preparation, file, &mut resizer),
                )
            };
            files.iter().map(&mut of_file).collect()
        }
        Subject::OfDataset { part, number } => {
            vec![predicted(
                format!("{part} {number}"),
                of_dataset(&experiment, &preparation, part, number),
            )]
        }
    };
    Ok(Predictions {
        run: info.id,
        epoch: content.state.epoch,
        step: content.state.step,
        images,
    })
}

/// A picture of the run's dataset as `[1, 3, H, W]` in 0..1.
fn of_dataset(
    experiment: &Experiment,
    preparation: &Preparation,
    part: &str,
    number: &str,
) -> Result<Tensor> {
    let part = Split::ALL
        .into_iter()
        .find(|known| known.as_str() == part)
        .context("there is no such part")?;
    let mut album = DatasetSource::listed(experiment.clone(), preparation)?;
    let (part, position) = album.find(
        part,
        number.parse().context("expected the number of a picture")?,
    )?;
    album.image(part, position)
}

fn model(
    experiment: &Experiment,
    preparation: &Preparation,
    classes: usize,
    content: &Content,
) -> Result<Model> {
    let blocks = Architecture::new(experiment.model.backbone).blocks.len();
    let spec = prepared_spec(experiment, preparation, classes, blocks);
    let model = Model::new(&spec, experiment.seed, Device::Cpu)?;
    weights::load_bytes(&model, &content.model, LoadPolicy::Exact)
        .context("loading the checkpoint's model")?;
    Ok(model)
}

/// A picture from its file as `[1, 3, H, W]` in 0..1.
fn decoded(
    experiment: &Experiment,
    preparation: &Preparation,
    picture: &Path,
    resizer: &mut Resizer,
) -> Result<Tensor> {
    // The model itself enlarges the small pictures of a published dataset, so a file is decoded in their size.
    let framing = match experiment.dataset.kind {
        DatasetKind::ImageFolder(_) => preparation.into(),
        DatasetKind::Emoji98 { .. }
        | DatasetKind::Cifar100 { .. }
        | DatasetKind::Cifar10 { .. } => Framing::centred(experiment.dataset.name().pixels()),
    };
    let mut pixels = vec![0; 3 * framing.side as usize * framing.side as usize];
    decode::read(picture, framing, resizer, &mut pixels)?;
    let side = i64::from(framing.side);
    let bytes = Tensor::f_from_data_size(&pixels, &[1, side, side, 3], Kind::Uint8)?;
    Ok(bytes
        .f_permute([0, 3, 1, 2])?
        .f_to_kind(Kind::Float)?
        .f_div_scalar(255.0)?)
}

fn top(
    model: &Model,
    experiment: &Experiment,
    image: &Tensor,
    (classes, shown): (&[String], &[String]),
) -> Result<Vec<ClassProbability>> {
    let logits = views::logits(model, image, &experiment.evaluate)?;
    let (probabilities, numbers) = logits.f_softmax(-1, Kind::Double)?.f_topk(
        i64::try_from(classes.len().min(TOP))?,
        -1,
        true,
        true,
    )?;
    let (probabilities, numbers) = (
        Vec::<f64>::try_from(probabilities.f_view([-1])?)?,
        Vec::<i64>::try_from(numbers.f_view([-1])?)?,
    );
    // JSON has no such numbers, so one of them would make the answer about all pictures unreadable.
    ensure!(
        probabilities.iter().all(|it| it.is_finite()),
        "the model's outputs for this picture are not finite numbers"
    );
    let named = |(probability, number): (f64, i64)| {
        let of = |names: &[String]| {
            usize::try_from(number)
                .ok()
                .and_then(|number| names.get(number))
                .cloned()
        };
        let name = of(classes).unwrap_or_default();
        ClassProbability {
            label: of(shown).filter(|shown| *shown != name),
            name,
            probability,
        }
    };
    Ok(probabilities.into_iter().zip(numbers).map(named).collect())
}

#[cfg(test)]
mod tests {
    use warmstart_schema::experiment;

    use super::*;

    #[test]
    fn outputs_that_are_not_finite_are_an_error_of_the_picture() {
        let yaml = "name: x\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18, weights: random }\n\
            train: { epochs: 1, batch_size: 16, optimizer: { name: adam, learning_rate: 1.0e-3 } }\n";
        let experiment = experiment::parse(yaml, "x.yaml").unwrap();
        let classes = ["cat", "dog"].map(str::to_owned);
        let preparation = Preparation::earlier(&experiment);
        let blocks = Architecture::new(experiment.model.backbone).blocks.len();
        let spec = prepared_spec(&experiment, &preparation, classes.len(), blocks);
        let model = Model::new(&spec, experiment.seed, Device::Cpu).unwrap();
        let picture = Tensor::full([1, 3, 32, 32], 0.5, (Kind::Float, Device::Cpu));
        let found = || top(&model, &experiment, &picture, (&classes, &classes));
        assert_eq!(found().unwrap().len(), classes.len());
        tch::no_grad(|| {
            for named in model.tensors() {
                let _ = named.tensor.shallow_clone().fill_(f64::NAN);
            }
        });
        let error = found().unwrap_err().to_string();
        assert!(error.contains("not finite"), "{error}");
    }
}
