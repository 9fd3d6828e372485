//! Fifty steps of the study's models against plain `PyTorch`'s, loss by loss. `reference/losses.py` writes the table.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "support/formula.rs"]
mod formula;

use rstest::rstest;
use serde_json::Value;
use tch::Device;
use warmstart_engine::data::{self, OnDevice, Source};
use warmstart_engine::model::{Mode, Model, ModelSpec};
use warmstart_engine::optimizer::Optimizer;
use warmstart_engine::train::evaluate::cross_entropy;
use warmstart_runs::places::Places;
use warmstart_schema::architecture::{HeadSpec, TensorSpec};
use warmstart_schema::catalog::Pretrained;
use warmstart_schema::experiment::{self, Interpolation, Labels};

/// Only its dataset is used.
const EXPERIMENT: &str = "
name: losses
dataset: { name: emoji98 }
model: { backbone: resnet18, weights: random }
train: { epochs: 1, batch_size: 16, optimizer: { name: adam, learning_rate: 1.0e-3 } }
";

/// A model as the table describes it, its weights made of the formula.
fn model(table: &Value, case: &Value) -> Model {
    let backbone = case["backbone"].as_str().unwrap().parse().unwrap();
    let pretrained = Pretrained::of(backbone);
    let hidden = usize::try_from(table["hidden"].as_u64().unwrap()).unwrap();
    let spec = ModelSpec {
        backbone,
        classes: 98,
        hidden,
        dropout: 0.0,
        frozen_blocks: if case["frozen"] == true {
            usize::MAX
        } else {
            0
        },
        norm_inference: false,
        input_size: case["resize"].as_i64(),
        interpolation: Interpolation::Nearest,
        mean: pretrained.mean,
        std: pretrained.std,
    };
    let model = Model::new(&spec, 0, Device::Cpu).unwrap();
    let features = model.architecture().features;
    let head = HeadSpec {
        features,
        hidden,
        classes: spec.classes,
        dropout: spec.dropout,
    }
    .tensors();
    let described: Vec<&TensorSpec> = model.architecture().tensors().chain(&head).collect();
    let damping = table["damping"].as_f64().unwrap();
    tch::no_grad(|| {
        for (spec, named) in described.into_iter().zip(model.tensors()) {
            assert_eq!(spec.name, named.name);
            let value = formula::value(spec, &spec.name);
            let ends_block = spec.name.ends_with(".bn3.weight");
            let is_damped = ends_block && (case["frozen"] == true || has_shortcut(&spec.name));
            let value = if is_damped { value * damping } else { value };
            named.tensor.shallow_clone().copy_(&value);
        }
    });
    model
}

/// Whether a shortcut leads around the block that ends with this normalization: in `ResNet` around every one, in `EfficientNet` not
/// around the first of a stage.
fn has_shortcut(name: &str) -> bool {
    name.starts_with("layer") || !name.ends_with(".0.bn3.weight")
}

#[rstest]
#[case::resnet_original(0)]
#[case::resnet_resized(1)]
#[case::effnet_resized(2)]
#[case::effnet_freeze(3)]
fn fifty_steps_lose_what_pytorch_loses(#[case] index: usize) {
    let table: Value = serde_json::from_str(include_str!("reference/losses.json")).unwrap();
    let case = &table["cases"][index];
    let model = model(&table, case);
    let dataset = experiment::parse(EXPERIMENT, "losses.yaml")
        .unwrap()
        .dataset;
    let pictures = data::load(&dataset, &Places::from_env()).unwrap().unwrap();
    let pictures = OnDevice::new(&pictures.train, Labels::Fine, Device::Cpu).unwrap();
    let mut optimizer = Optimizer::new(
        &experiment::Optimizer::Adam {
            learning_rate: 0.0,
            weight_decay: 0.0,
        },
        model.trainable(),
    )
    .unwrap();
    let [batch, images] = [&case["batch"], &table["images"]]
        .map(|count| u32::try_from(count.as_u64().unwrap()).unwrap());
    let expected: Vec<f64> = serde_json::from_value(case["losses"].clone()).unwrap();
    assert!(
        expected.len() == 50 && expected[49] < 0.9 * expected[0],
        "a loss that stays compares nothing"
    );
    let order: Vec<u32> = (0..50 * batch).map(|index| index % images).collect();
    let batches = pictures.batches(&order, batch as usize).unwrap();
    for (step, (batch, expected)) in batches.zip(expected).enumerate() {
        let batch = batch.unwrap();
        let loss = cross_entropy(
            &batch.input.forward(&model, Mode::Train).unwrap(),
            &batch.labels,
        )
        .unwrap();
        optimizer.zero_grad();
        loss.backward();
        optimizer.step(case["rate"].as_f64().unwrap()).unwrap();
        let found = loss.double_value(&[]);
        let error = (found - expected).abs() / expected;
        assert!(
            error < 1e-3,
            "{}, step {step}: {found}, PyTorch {expected}, apart by {error:.1e}",
            case["name"]
        );
    }
}
