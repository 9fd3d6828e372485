//! Blocks that begin to train by epochs: the real training loop against plain `PyTorch`. `reference/unfreeze.py` writes the table.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use rstest::rstest;
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use warmstart_engine::data::{Batch, Batches, Input, Source, Subset};
use warmstart_engine::interrupt::Interrupt;
use warmstart_engine::model::{Model, ModelSpec};
use warmstart_engine::optimizer::Optimizer;
use warmstart_engine::reporter::Reporter;
use warmstart_engine::selftest::formula;
use warmstart_engine::train::{Average, Examples, Setup, train};
use warmstart_engine::usage::Usage;
use warmstart_engine::weights;
use warmstart_runs::checkpoint::{self, State};
use warmstart_runs::event_log::EventReader;
use warmstart_runs::run::{Launch, RunDir};
use warmstart_runs::storage::Disk;
use warmstart_schema::architecture::{Backbone, HeadSpec, Stem, TensorSpec};
use warmstart_schema::experiment::{self, Experiment, Interpolation, NumberFormat};
use warmstart_schema::look;
use warmstart_schema::state::RunState;

/// Images and labels of the formula.
#[derive(Debug)]
struct Formula {
    images: Tensor,
    labels: Tensor,
}

impl Source for Formula {
    fn batches(&self, order: &[u32], size: usize) -> Result<Batches> {
        let (images, labels) = (self.images.shallow_clone(), self.labels.shallow_clone());
        let batches: Vec<Vec<u32>> = order.chunks(size).map(<[u32]>::to_vec).collect();
        Ok(Box::new(batches.into_iter().map(move |members| {
            let rows: Vec<i64> = members.iter().copied().map(i64::from).collect();
            let rows = Tensor::from_slice(&rows);
            Ok(Batch {
                input: Input::Images(images.index_select(0, &rows)),
                labels: labels.index_select(0, &rows),
                members,
                waited: None,
            })
        })))
    }
}

fn table() -> Value {
    serde_json::from_str(include_str!("reference/unfreeze.json")).unwrap()
}

fn number(table: &Value, key: &str) -> u32 {
    u32::try_from(table[key].as_u64().unwrap()).unwrap()
}

fn experiment(table: &Value, case: &Value, recipe: &[String]) -> Experiment {
    let stages: Vec<[u32; 2]> = serde_json::from_value(table["stages"].clone()).unwrap();
    let later: Vec<String> = stages[1..]
        .iter()
        .map(|[epoch, frozen]| format!("{{ from_epoch: {epoch}, freeze: {frozen} }}"))
        .collect();
    let yaml = format!(
        "name: x\nseed: {}\ndataset: {{ name: emoji98 }}\n\
         model: {{ backbone: resnet18, weights: random, freeze: {}, unfreeze: [{}], head: {{ hidden: {}, dropout: 0 }} }}\n\
         train: {{ epochs: {}, batch_size: {}, optimizer: {} }}\n",
        table["seed"],
        stages[0][1],
        later.join(", "),
        table["hidden"],
        table["epochs"],
        table["batch"],
        case["optimizer"].as_str().unwrap()
    );
    experiment::parse_with(&yaml, "x.yaml", recipe).unwrap()
}

fn model(table: &Value, frozen_blocks: usize) -> Model {
    let (hidden, classes) = (number(table, "hidden"), number(table, "classes"));
    let spec = ModelSpec {
        backbone: Backbone::Resnet18,
        stem: Stem::Original,
        classes: classes as usize,
        hidden: hidden as usize,
        dropout: 0.0,
        drop_path: 0.0,
        frozen_blocks,
        norm_inference: false,
        input_size: None,
        interpolation: Interpolation::Nearest,
        mean: [0.0; 3],
        std: [1.0; 3],
    };
    let model = Model::new(&spec, 0, Device::Cpu).unwrap();
    let head = HeadSpec {
        features: model.architecture().features,
        hidden: spec.hidden,
        classes: spec.classes,
        dropout: 0.0,
    }
    .tensors();
    let described: Vec<&TensorSpec> = model.architecture().tensors().chain(&head).collect();
    let damping = table["damping"].as_f64().unwrap();
    tch::no_grad(|| {
        for (spec, named) in described.into_iter().zip(model.tensors()) {
            let value = formula::value(spec, &spec.name);
            let is_damped = spec.name.ends_with("bn2.weight");
            let value = if is_damped { value * damping } else { value };
            named.tensor.shallow_clone().copy_(&value);
        }
    });
    model
}

fn trained(root: &Path, table: &Value, case: &Value, recipe: &[String]) -> RunDir {
    let experiment = experiment(table, case, recipe);
    let launch = Launch {
        experiment: &experiment,
        source: Path::new("x.yaml"),
        device: "cpu",
    };
    let run = RunDir::create(root, &launch).unwrap().0;
    let model = model(table, 5);
    let (images, side) = (number(table, "images"), i64::from(number(table, "side")));
    let pixels = (formula::stream("images", &[images.into(), 3, side, side]) + 1.0) / 2.0;
    let classes = number(table, "classes");
    let labels: Vec<i64> = (0..images)
        .map(|image| i64::from(image % classes))
        .collect();
    let source: Rc<dyn Source> = Rc::new(Formula {
        images: pixels.to_kind(Kind::Float),
        labels: Tensor::from_slice(&labels),
    });
    let part = |which| {
        let members = (0..images).collect();
        Examples::new(
            which,
            Subset {
                source: Rc::clone(&source),
                members,
            },
        )
    };
    let mut reporter = Reporter::open(
        &run.events(),
        Usage::new(None, run.path().to_path_buf()),
        Duration::ZERO,
    )
    .unwrap();
    let ema = experiment.train.ema;
    train(Setup {
        experiment: &experiment,
        run: &run,
        optimizer: Optimizer::of(&experiment, &model).unwrap(),
        average: ema.map(|ema| Average::new(ema, &model).unwrap()),
        model,
        train: part(look::Split::Train),
        validation: part(look::Split::Validation),
        test: part(look::Split::Test),
        class_weights: None,
        state: State::default(),
        format: NumberFormat::Float32,
        stop_after: None,
        pause_after: None,
        reporter: &mut reporter,
        interrupt: &Interrupt::default(),
        rank: None,
    })
    .unwrap();
    run
}

/// A little more than what another order of sums changes in `PyTorch` itself.
fn near(found: f64, expected: &Value, case: &Value, what: &str) {
    let (expected, rounding) = (
        expected.as_f64().unwrap(),
        case["rounding"].as_f64().unwrap(),
    );
    assert!(
        (found - expected).abs() < (1e-6 + 5.0 * rounding) * expected.abs().max(1.0),
        "{what}: {found}, PyTorch says {expected}"
    );
}

#[rstest]
fn every_stage_trains_as_in_pytorch(#[values(0, 1, 2, 3)] index: usize) {
    let (root, table) = (tempfile::tempdir().unwrap(), table());
    let case = &table["cases"][index];
    let run = trained(root.path(), &table, case, &[]);
    let state = RunState::fold(EventReader::new(run.events()).poll().unwrap().records);
    for epoch in &state.epochs {
        let expected = &case["losses"][epoch.epoch as usize - 1];
        near(
            epoch.train_loss,
            expected,
            case,
            &format!("epoch {}", epoch.epoch),
        );
    }
    assert_eq!(state.epochs.len(), case["losses"].as_array().unwrap().len());
    let last = checkpoint::newest(&Disk, &run).unwrap().0.unwrap();
    let found = weights::parse(&last.model).unwrap();
    for (name, expected) in case["tensors"].as_object().unwrap() {
        let tensor = found[name].tensor().unwrap().view([-1]);
        let numbers = Vec::<f64>::try_from(tensor.to_kind(Kind::Double)).unwrap();
        // The next normalization cancels a bias, so its gradient is almost 0. All optimizers but SGD divide by the gradient's size,
        // and then rounding decides the sign of a step.
        if index > 0 && name == "layer3.1.bn2.bias" {
            continue;
        }
        for (found, expected) in numbers.iter().zip(expected.as_array().unwrap()) {
            near(*found, expected, case, name);
        }
    }
}

#[test]
fn averaged_weights_take_in_what_begins_to_train() {
    let (root, table) = (tempfile::tempdir().unwrap(), table());
    let case = &table["cases"][0];
    let ema = [format!("train.ema={}", table["ema"])];
    let run = trained(root.path(), &table, case, &ema);
    let state = RunState::fold(EventReader::new(run.events()).poll().unwrap().records);
    assert_eq!(
        state.epochs.len(),
        case["averaged"].as_array().unwrap().len()
    );
    for epoch in &state.epochs {
        let expected = &case["averaged"][epoch.epoch as usize - 1];
        near(
            epoch.val_loss,
            expected,
            case,
            &format!("epoch {}", epoch.epoch),
        );
    }
}
