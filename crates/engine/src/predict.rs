//! What a run's best checkpoint says about pictures of any kind, decoded as in training.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fast_image_resize::Resizer;
use tch::{Device, Kind, Tensor};
use warmstart_schema::architecture::Architecture;
use warmstart_schema::catalog::DatasetName;
use warmstart_schema::checkpoint::Content;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::prediction::{Answer, ClassProbability, Predicted, Predictions};
use warmstart_schema::text;

use crate::best::Best;
use crate::data::folder::decode;
use crate::failure::Blame;
use crate::initial::model_spec;
use crate::model::{Mode, Model};
use crate::train::autocast;
use crate::weights::{self, LoadPolicy};

/// Classes that are named of each picture.
const TOP: usize = 5;

/// Asks the best checkpoint of the run in `folder`, on the CPU, for its most probable classes of each picture.
pub fn predict(folder: &Path, pictures: &[PathBuf]) -> Answer {
    answer(folder, pictures).map_or_else(
        |error| {
            let Blame { error, help, .. } = Blame::of(&error);
            Answer::Refused { error, help }
        },
        Answer::Predictions,
    )
}

fn answer(folder: &Path, pictures: &[PathBuf]) -> Result<Predictions> {
    let Best { info, experiment, classes, content } = Best::of(folder)?;
    let model = model(&experiment, classes.len(), &content)?;
    let mut resizer = Resizer::new();
    let predicted = |picture: &PathBuf| {
        let image = text::line(&picture.display().to_string(), 300);
        match top(&model, &experiment, picture, &classes, &mut resizer) {
            Ok(classes) => Predicted { image, classes, error: None },
            Err(error) => Predicted { image, classes: Vec::new(), error: Some(text::line(&format!("{error:#}"), 300)) },
        }
    };
    let images = pictures.iter().map(predicted).collect();
    Ok(Predictions { run: info.id, epoch: content.state.epoch, step: content.state.step, images })
}

fn model(experiment: &Experiment, classes: usize, content: &Content) -> Result<Model> {
    let blocks = Architecture::new(experiment.model.backbone).blocks.len();
    let model = Model::new(&model_spec(experiment, classes, blocks), experiment.seed, Device::Cpu)?;
    weights::load_bytes(&model, &content.model, LoadPolicy::Exact).context("loading the checkpoint's model")?;
    Ok(model)
}

fn top(
    model: &Model,
    experiment: &Experiment,
    picture: &Path,
    classes: &[String],
    resizer: &mut Resizer,
) -> Result<Vec<ClassProbability>> {
    // Small pictures of a published dataset grow within the model, and so do others that are shown to it.
    let name = experiment.dataset.name;
    let side = if name == DatasetName::ImageFolder { experiment.pixels() } else { name.pixels() };
    let mut pixels = vec![0; 3 * side as usize * side as usize];
    decode::read(picture, side, resizer, &mut pixels)?;
    let side = i64::from(side);
    let bytes = Tensor::f_from_data_size(&pixels, &[1, side, side, 3], Kind::Uint8)?;
    let image = bytes.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?;
    let logits = {
        let _autocast = autocast(experiment.train.precision, model)?;
        model.forward(&image, Mode::Eval)?
    };
    let (probabilities, numbers) =
        logits.f_softmax(-1, Kind::Double)?.f_topk(i64::try_from(classes.len().min(TOP))?, -1, true, true)?;
    let (probabilities, numbers) =
        (Vec::<f64>::try_from(probabilities.f_view([-1])?)?, Vec::<i64>::try_from(numbers.f_view([-1])?)?);
    let named = |(probability, number): (f64, i64)| {
        let name = usize::try_from(number).ok().and_then(|number| classes.get(number)).cloned().unwrap_or_default();
        ClassProbability { name, probability }
    };
    Ok(probabilities.into_iter().zip(numbers).map(named).collect())
}
