//! Fifty steps of the study's models against plain `PyTorch`'s, loss by loss. `tests/reference/losses.py` writes the table.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tch::Device;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::architecture::{HeadSpec, Stem, TensorSpec};
use warmstart_schema::catalog::Pretrained;
use warmstart_schema::experiment::{self, Interpolation, Labels};

use super::agreement::Agreement;
use super::formula;
use crate::data::{self, OnDevice, Source};
use crate::model::{Mode, Model, ModelSpec, TrainingPass};
use crate::optimizer::Optimizer;
use crate::train::evaluate::cross_entropy;

/// Only its dataset is used.
const EXPERIMENT: &str = "
name: losses
dataset: { name: emoji98 }
model: { backbone: resnet18, weights: random }
train: { epochs: 1, batch_size: 16, optimizer: { name: adam, learning_rate: 1.0e-3 } }
";
/// The steps of the table.
pub const STEPS: u32 = 50;

fn table() -> Result<Value> {
    Ok(serde_json::from_str(include_str!(
        "../../tests/reference/losses.json"
    ))?)
}

/// The names of the cases.
pub fn cases() -> Result<Vec<String>> {
    let table = table()?;
    let cases = table["cases"]
        .as_array()
        .context("the table has no cases")?;
    let name = |case: &Value| Some(case["name"].as_str()?.to_owned());
    Ok(cases.iter().filter_map(name).collect())
}

/// A model as the table describes it, its weights made of the formula.
fn model(table: &Value, case: &Value, device: Device) -> Result<Model> {
    let backbone = case["backbone"].as_str().context("no backbone")?.parse()?;
    let pretrained = Pretrained::of(backbone);
    let hidden = usize::try_from(table["hidden"].as_u64().context("no width")?)?;
    let is_frozen = case["frozen"] == true;
    let spec = ModelSpec {
        backbone,
        stem: Stem::Original,
        classes: 98,
        hidden,
        dropout: 0.0,
        drop_path: 0.0,
        frozen_blocks: if is_frozen { usize::MAX } else { 0 },
        norm_inference: false,
        input_size: case["resize"].as_i64(),
        interpolation: Interpolation::Nearest,
        mean: pretrained.mean,
        std: pretrained.std,
    };
    let model = Model::new(&spec, 0, device)?;
    let head = HeadSpec {
        features: model.architecture().features,
        hidden,
        classes: spec.classes,
        dropout: spec.dropout,
    }
    .tensors();
    let described: Vec<&TensorSpec> = model.architecture().tensors().chain(&head).collect();
    ensure!(
        described.len() == model.tensors().len(),
        "expected {} tensors, the model has {}",
        described.len(),
        model.tensors().len()
    );
    let damping = table["damping"].as_f64().context("no damping")?;
    tch::no_grad(|| -> Result<()> {
        for (spec, named) in described.into_iter().zip(model.tensors()) {
            ensure!(spec.name == named.name, "the model has other tensors");
            let value = formula::value(spec, &spec.name);
            let ends_block = spec.name.ends_with(".bn3.weight");
            let is_damped = ends_block && (is_frozen || has_shortcut(&spec.name));
            let value = if is_damped { value * damping } else { value };
            named.tensor.shallow_clone().f_copy_(&value)?;
        }
        Ok(())
    })?;
    Ok(model)
}

/// Whether a shortcut leads around the block that ends with this normalization: in `ResNet` around every one, in `EfficientNet` not
/// around the first of a stage.
fn has_shortcut(name: &str) -> bool {
    name.starts_with("layer") || !name.ends_with(".0.bn3.weight")
}

/// Compares the losses of the first `steps` steps of a case, at most [`STEPS`], with the table's.
pub fn compare(index: usize, steps: u32, device: Device) -> Result<Agreement> {
    let table = table()?;
    let case = &table["cases"][index];
    let model = model(&table, case, device)?;
    let dataset = match experiment::parse(EXPERIMENT, "losses.yaml") {
        Ok(experiment) => experiment.dataset,
        Err(problems) => anyhow::bail!("{problems:?}"),
    };
    let pictures = data::load(&dataset, &SearchPaths::from_env())?.context("no pictures")?;
    let pictures = OnDevice::new(&pictures.train, Labels::Fine, device)?;
    let adam = experiment::Optimizer::Adam {
        learning_rate: 0.0,
        weight_decay: 0.0,
    };
    let mut optimizer = Optimizer::new(&adam, model.trainable())?;
    let count =
        |count: &Value| -> Result<u32> { Ok(u32::try_from(count.as_u64().context("no count")?)?) };
    let (batch, images) = (count(&case["batch"])?, count(&table["images"])?);
    let expected: Vec<f64> = serde_json::from_value(case["losses"].clone())?;
    ensure!(
        expected.len() == STEPS as usize && expected[49] < 0.9 * expected[0],
        "a loss that stays compares nothing"
    );
    let rate = case["rate"].as_f64().context("no rate")?;
    let order: Vec<u32> = (0..steps.min(STEPS) * batch)
        .map(|index| index % images)
        .collect();
    let batches = pictures.batches(&order, batch as usize)?;
    let mut agreement = Agreement::default();
    for (step, (batch, expected)) in batches.zip(expected).enumerate() {
        let batch = batch?;
        let loss = cross_entropy(
            &batch
                .input
                .forward(&model, Mode::Train(TrainingPass::default()))?,
            &batch.labels,
        )?;
        optimizer.remove_gradients()?;
        loss.f_backward()?;
        optimizer.step(rate)?;
        agreement.relative(f64::try_from(loss.f_detach()?)?, expected, 1e-3, || {
            format!("loss of step {step}")
        });
    }
    Ok(agreement)
}
