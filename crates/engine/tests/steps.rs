//! Accumulated batches, class weights and unreadable pictures: the real training loop with the study's head, against plain
//! `PyTorch`.
//! `reference/steps.py` writes the table.
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
use warmstart_engine::train::{Average, Ended, Examples, Setup, train};
use warmstart_engine::usage::Usage;
use warmstart_engine::weights::{self, LoadPolicy};
use warmstart_runs::checkpoint::{self, Content, State};
use warmstart_runs::event_log::EventReader;
use warmstart_runs::run::{Launch, RunDir};
use warmstart_runs::storage::Disk;
use warmstart_schema::architecture::{Backbone, HeadSpec, Stem};
use warmstart_schema::event::Epoch;
use warmstart_schema::experiment::{self, Experiment, Interpolation, NumberFormat};
use warmstart_schema::look;
use warmstart_schema::policy;
use warmstart_schema::state::RunState;

const FEATURES: i64 = 512;

/// A data source whose features come from the formula. Some of its pictures cannot be read.
#[derive(Debug)]
struct Formula {
    features: Tensor,
    labels: Tensor,
    missing: u32,
}

impl Formula {
    fn new(images: u32, missing: u32) -> Self {
        let features = formula::stream("features", &[images.into(), FEATURES]).to_kind(Kind::Float);
        let labels: Vec<i64> = (0..images).map(label).collect();
        Self {
            features,
            labels: Tensor::from_slice(&labels),
            missing,
        }
    }
}

fn label(image: u32) -> i64 {
    if image.is_multiple_of(16) {
        2
    } else {
        i64::from(image % 4 == 1)
    }
}

impl Source for Formula {
    fn batches(&self, order: &[u32], size: usize) -> Result<Batches> {
        let (features, labels, missing) = (
            self.features.shallow_clone(),
            self.labels.shallow_clone(),
            self.missing,
        );
        let batches: Vec<Vec<u32>> = order.chunks(size).map(<[u32]>::to_vec).collect();
        Ok(Box::new(batches.into_iter().map(move |batch| {
            let members: Vec<u32> = batch
                .into_iter()
                .filter(|image| missing == 0 || image % missing != 2)
                .collect();
            let rows =
                Tensor::from_slice(&members.iter().copied().map(i64::from).collect::<Vec<_>>());
            Ok(Batch {
                input: Input::Features(features.index_select(0, &rows)),
                labels: labels.index_select(0, &rows),
                members,
                waited: None,
            })
        })))
    }
}

fn number(case: &Value, key: &str) -> u32 {
    u32::try_from(case[key].as_u64().unwrap()).unwrap()
}

fn experiment(table: &Value, case: &Value) -> Experiment {
    let yaml = format!(
        "name: x\nseed: {}\ndataset: {{ name: emoji98 }}\n\
         model: {{ backbone: resnet18, weights: random, head: {{ hidden: {}, dropout: 0 }} }}\n\
         train:\n  epochs: {}\n  batch_size: {}\n  accumulate: {}\n  optimizer: {{ name: sgd, learning_rate: 0.1, momentum: 0.9 }}\n\
         \x20 schedule: {{ name: step, step_epochs: 1, gamma: 0.5 }}\n",
        table["seed"], table["hidden"], case["epochs"], case["batch_size"], case["accumulate"]
    );
    let recipe: Vec<String> = case["recipe"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(field, value)| format!("train.{field}={value}"))
        .collect();
    experiment::parse_with(&yaml, "x.yaml", &recipe).unwrap()
}

/// Trains only the head on the data of the case, from the start or from a checkpoint.
fn trained(
    table: &Value,
    case: &Value,
    run: &RunDir,
    from: Option<Content>,
    stop_after: Option<u64>,
) -> Ended {
    let experiment = experiment(table, case);
    let (hidden, classes) = (
        number(table, "hidden") as usize,
        number(table, "classes") as usize,
    );
    let spec = ModelSpec {
        backbone: Backbone::Resnet18,
        stem: Stem::Original,
        classes,
        hidden,
        dropout: 0.0,
        drop_path: 0.0,
        frozen_blocks: 0,
        norm_inference: false,
        input_size: None,
        interpolation: Interpolation::Nearest,
        mean: [0.0; 3],
        std: [1.0; 3],
    };
    let model = Model::new(&spec, 0, Device::Cpu).unwrap();
    let head = HeadSpec {
        features: 512,
        hidden,
        classes,
        dropout: 0.0,
    }
    .tensors();
    tch::no_grad(|| {
        for spec in &head {
            let named = model
                .tensors()
                .iter()
                .find(|named| named.name == spec.name)
                .unwrap();
            named
                .tensor
                .shallow_clone()
                .copy_(&formula::value(spec, &spec.name));
        }
    });
    let of_head = model.trainable().filter(|(name, _)| HeadSpec::owns(name));
    let mut optimizer = Optimizer::new(&experiment.train.optimizer, of_head).unwrap();
    let average = |model: &Model| {
        let ema = experiment.train.ema;
        ema.map(|ema| Average::new(ema, model).unwrap())
    };
    let (state, average) = match from {
        None => (State::default(), average(&model)),
        Some(Content {
            state,
            model: tensors,
            optimizer: moments,
        }) => {
            weights::load_bytes(&model, &tensors, LoadPolicy::Exact).unwrap();
            let mut average = average(&model);
            let moments = weights::parse(&moments).unwrap();
            let mut moments = moments
                .iter()
                .map(|(name, entry)| (name.clone(), entry.tensor().unwrap()))
                .collect();
            if let Some(average) = &mut average {
                average.restore(&mut moments).unwrap();
            }
            optimizer.load_state(&moments).unwrap();
            (state, average)
        }
    };
    let images = number(case, "images");
    let source = Rc::new(Formula::new(images, number(case, "missing")));
    let few = Rc::new(Formula::new(16, 0));
    let part = |source: &Rc<Formula>, images: u32| {
        let source: Rc<dyn Source> = Rc::<Formula>::clone(source);
        Examples::new(
            look::Split::Train,
            Subset {
                source,
                members: (0..images).collect(),
            },
        )
    };
    let mut counts = vec![0; classes];
    (0..images).for_each(|image| counts[usize::try_from(label(image)).unwrap()] += 1);
    let mut reporter = Reporter::open(
        &run.events(),
        Usage::new(None, run.path().to_path_buf()),
        Duration::ZERO,
    )
    .unwrap();
    let (ended, ..) = train(Setup {
        experiment: &experiment,
        run,
        model,
        optimizer,
        average,
        train: part(&source, images),
        validation: part(&few, 16),
        test: part(&few, 16),
        class_weights: (case["weighted"] == true)
            .then(|| Tensor::from_slice(&policy::balanced_weights(&counts))),
        state,
        format: NumberFormat::Float32,
        stop_after,
        pause_after: None,
        reporter: &mut reporter,
        interrupt: &Interrupt::default(),
        rank: None,
    })
    .unwrap();
    ended
}

fn new_run(root: &Path, table: &Value, case: &Value) -> RunDir {
    let experiment = experiment(table, case);
    RunDir::create(
        root,
        &Launch {
            experiment: &experiment,
            source: Path::new("x.yaml"),
            device: "cpu",
        },
    )
    .unwrap()
    .0
}

fn table() -> Value {
    serde_json::from_str(include_str!("reference/steps.json")).unwrap()
}

fn epochs(run: &RunDir) -> Vec<Epoch> {
    RunState::fold(EventReader::new(run.events()).poll().unwrap().records).epochs
}

fn newest(run: &RunDir) -> Content {
    let mut content = checkpoint::newest(&Disk, run).unwrap().0.unwrap();
    content.state.train_time = 0.0;
    content
}

#[rstest]
fn a_step_equals_pytorchs_step_on_the_same_images(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)] index: usize,
) {
    let (root, table) = (tempfile::tempdir().unwrap(), table());
    let case = &table["cases"][index];
    let run = new_run(root.path(), &table, case);
    assert_eq!(
        trained(&table, case, &run, None, None),
        Ended::Finished {
            stopped_early: false
        }
    );
    let told = case["told"].as_array().unwrap();
    for (epoch, expected) in epochs(&run).iter().zip(told) {
        let number = |key: &str| expected[key].as_f64().unwrap();
        assert_eq!(
            epoch.step,
            expected["steps"].as_u64().unwrap(),
            "epoch {}",
            epoch.epoch
        );
        assert!(
            (epoch.learning_rate - number("rate")).abs() < 1e-12,
            "epoch {}: {}",
            epoch.epoch,
            epoch.learning_rate
        );
        assert!(
            (epoch.train_loss - number("loss")).abs() < 1e-4,
            "{} {expected}",
            epoch.train_loss
        );
    }
    assert_eq!(epochs(&run).len(), told.len());
    let content = newest(&run);
    let found = weights::parse(&content.model).unwrap();
    for (name, expected) in case["tensors"].as_object().unwrap() {
        let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
        let found = Vec::<f64>::try_from(
            found[name]
                .tensor()
                .unwrap()
                .view([-1])
                .to_kind(Kind::Double),
        )
        .unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 2e-4,
                "{name}: {found}, PyTorch says {expected}"
            );
        }
    }
}

#[rstest]
fn a_run_stopped_at_missing_pictures_resumes_to_the_same_bits(
    #[values(5, 7, 9, 15, 17)] index: usize,
) {
    let (root, table) = (tempfile::tempdir().unwrap(), table());
    let case = &table["cases"][index];
    let straight = new_run(root.path(), &table, case);
    trained(&table, case, &straight, None, None);
    let last = newest(&straight).state.step;
    for stop in [1, last / 2, last - 1] {
        let run = new_run(root.path(), &table, case);
        assert_eq!(
            trained(&table, case, &run, None, Some(stop)),
            Ended::Stopped
        );
        let half = checkpoint::newest(&Disk, &run).unwrap().0.unwrap();
        assert_eq!(half.state.step, stop);
        trained(&table, case, &run, Some(half), None);
        assert_eq!(newest(&run), newest(&straight), "stopped after step {stop}");
    }
}
