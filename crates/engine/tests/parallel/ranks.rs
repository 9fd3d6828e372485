//! The training loop as two and three ranks of one process, against the loop alone.

use std::path::Path;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use rstest::rstest;
use tch::{Device, Kind, Tensor};
use warmstart_engine::data::{Batch, Batches, Input, Source, Subset};
use warmstart_engine::interrupt::Interrupt;
use warmstart_engine::model::{Model, ModelSpec};
use warmstart_engine::optimizer::Optimizer;
use warmstart_engine::parallel::Rank;
use warmstart_engine::reporter::Reporter;
use warmstart_engine::selftest::formula;
use warmstart_engine::train::{Average, Ended, Examples, Setup, train};
use warmstart_engine::usage::Usage;
use warmstart_engine::weights::{self, LoadPolicy};
use warmstart_runs::checkpoint::{self, State};
use warmstart_runs::run::{Launch, RunDir};
use warmstart_runs::storage::Disk;
use warmstart_schema::architecture::{Architecture, Backbone, Stem};
use warmstart_schema::event::Epoch;
use warmstart_schema::experiment::{self, Experiment, Interpolation, NumberFormat};
use warmstart_schema::look;
use warmstart_schema::policy::balanced_weights;

use super::support::{last as newest, state};

const CLASSES: u32 = 4;

const YAML: &str = "
name: ranks
seed: 3
dataset: { name: emoji98 }
model: { backbone: mobilenetv4_conv_small, weights: random }
train:
  epochs: 2
  batch_size: 16
  optimizer: { name: sgd, learning_rate: 0.02, momentum: 0.9, weight_decay: 0.001 }
  schedule: { name: step, step_epochs: 1, gamma: 0.5 }
";

/// What a case trains on.
#[derive(Debug, Clone, Copy, Default)]
struct Data {
    /// Pictures with this remainder by 7 cannot be read.
    unreadable: Option<u32>,
    /// A picture that is not a number.
    poison: Option<u32>,
    is_features: bool,
}

impl Data {
    /// Three batches of 16 and one of 5, in which three ranks get 3, 2 and no images. Where some cannot be read, whole batches: of
    /// so few images a rank may be left with a single one, which does not train.
    fn images(self) -> u32 {
        if self.unreadable.is_some() && !self.is_features {
            64
        } else {
            53
        }
    }

    /// Smooth and without batch normalization for pictures; for features the head is all that trains.
    fn backbone(self) -> Backbone {
        if self.is_features {
            Backbone::MobilenetV4ConvSmall
        } else {
            Backbone::ConvnextNano
        }
    }
}

#[derive(Debug)]
struct Pictures {
    images: Tensor,
    labels: Tensor,
    data: Data,
}

impl Pictures {
    fn new(images: u32, data: Data) -> Self {
        let count = i64::from(images);
        let shape = if data.is_features {
            let features = Architecture::new(data.backbone()).features;
            vec![count, i64::try_from(features).unwrap()]
        } else {
            vec![count, 3, 32, 32]
        };
        let images = formula::stream("pictures", &shape)
            .to_kind(Kind::Float)
            .sigmoid();
        if let Some(poison) = data.poison {
            let _ = images.get(i64::from(poison)).fill_(f64::NAN);
        }
        let labels: Vec<i64> = (0..count).map(label).collect();
        Self {
            images,
            labels: Tensor::from_slice(&labels),
            data,
        }
    }
}

/// Classes of different sizes.
fn label(image: i64) -> i64 {
    match image % 11 {
        0..5 => 0,
        5..8 => 1,
        8..10 => 2,
        _ => 3,
    }
}

impl Source for Pictures {
    fn batches(&self, order: &[u32], size: usize) -> Result<Batches> {
        let (images, labels, data) = (
            self.images.shallow_clone(),
            self.labels.shallow_clone(),
            self.data,
        );
        let batches: Vec<Vec<u32>> = order.chunks(size).map(<[u32]>::to_vec).collect();
        Ok(Box::new(batches.into_iter().map(move |batch| {
            let members: Vec<u32> = batch
                .into_iter()
                .filter(|image| data.unreadable != Some(image % 7))
                .collect();
            let rows: Vec<i64> = members.iter().copied().map(i64::from).collect();
            let rows = Tensor::from_slice(&rows);
            let input = images.index_select(0, &rows);
            Ok(Batch {
                input: if data.is_features {
                    Input::Features(input)
                } else {
                    Input::Images(input)
                },
                labels: labels.index_select(0, &rows),
                members,
                waited: None,
            })
        })))
    }
}

fn experiment(changes: &[&str]) -> Experiment {
    let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
    experiment::parse_with(YAML, "ranks.yaml", &changes).unwrap()
}

fn new_run(root: &Path, changes: &[&str]) -> RunDir {
    let launch = Launch {
        experiment: &experiment(changes),
        source: Path::new("ranks.yaml"),
        device: "cpu",
    };
    RunDir::create(root, &launch).unwrap().0
}

/// With batch normalization in the head where the data are features.
fn model(experiment: &Experiment, data: Data) -> Model {
    let spec = ModelSpec {
        backbone: data.backbone(),
        stem: Stem::Original,
        classes: CLASSES as usize,
        hidden: if data.is_features { 16 } else { 0 },
        dropout: 0.0,
        drop_path: 0.0,
        frozen_blocks: if data.is_features { 0 } else { 4 },
        norm_inference: false,
        input_size: None,
        interpolation: Interpolation::Nearest,
        mean: [0.5; 3],
        std: [0.25; 3],
    };
    Model::new(&spec, experiment.seed, Device::Cpu).unwrap()
}

/// Trains as one rank, from the newest checkpoint of the run if it has one.
fn as_rank(
    run: &RunDir,
    changes: &[&str],
    data: Data,
    rank: Option<Rank>,
    interrupt: &Interrupt,
) -> Result<Ended> {
    let experiment = experiment(changes);
    let model = model(&experiment, data);
    let is_trained = |name: &str| !data.is_features || name.starts_with("head.");
    let trained = model.trainable().filter(|(name, _)| is_trained(name));
    let mut optimizer = Optimizer::new(&experiment.train.optimizer, trained)?;
    let saved = checkpoint::newest(&Disk, run)?.0;
    let mut average = None;
    let mut tensors = None;
    let state = saved.map_or_else(State::default, |content| {
        weights::load_bytes(&model, &content.model, LoadPolicy::Exact).unwrap();
        let moments = weights::parse(&content.optimizer).unwrap();
        let moments = moments
            .iter()
            .map(|(name, entry)| (name.clone(), entry.tensor().unwrap()));
        tensors = Some(moments.collect());
        content.state
    });
    if let Some(ema) = experiment.train.ema {
        average = Some(Average::new(ema, &model)?);
    }
    if let Some(mut tensors) = tensors {
        if let Some(average) = &mut average {
            average.restore(&mut tensors)?;
        }
        optimizer.load_state(&tensors)?;
    }
    let part = |which, images: u32, data| {
        let source: Rc<dyn Source> = Rc::new(Pictures::new(images, data));
        let members = (0..images).collect();
        Examples::new(which, Subset { source, members })
    };
    let clean = Data {
        poison: None,
        unreadable: None,
        ..data
    };
    let mut counts = vec![0; CLASSES as usize];
    for image in 0..i64::from(data.images()) {
        counts[usize::try_from(label(image)).unwrap()] += 1;
    }
    let class_weights = experiment.train.class_weights;
    let is_first = rank.as_ref().is_none_or(Rank::is_first);
    let mut reporter = if is_first {
        let usage = Usage::new(None, run.path().to_path_buf());
        Reporter::open(&run.events(), usage, Duration::ZERO)?
    } else {
        Reporter::silent()
    };
    let (ended, ..) = train(Setup {
        experiment: &experiment,
        run,
        optimizer,
        average,
        model,
        train: part(look::Split::Train, data.images(), data),
        validation: part(look::Split::Validation, 40, clean),
        test: part(look::Split::Test, 19, clean),
        class_weights: class_weights.map(|_| Tensor::from_slice(&balanced_weights(&counts))),
        state,
        format: NumberFormat::Float32,
        stop_after: None,
        pause_after: None,
        reporter: &mut reporter,
        interrupt,
        rank,
    })?;
    Ok(ended)
}

/// Trains as this many ranks, each a thread. Only rank 0 hears of a request to stop. They all end in the same way.
fn together(
    size: usize,
    run: &RunDir,
    changes: &[&str],
    data: Data,
    interrupt: &Interrupt,
) -> Ended {
    let ranks = Rank::all(size, 20_000_000).unwrap();
    let ended: Vec<Ended> = thread::scope(|scope| {
        let ranks = ranks.into_iter().map(|rank| {
            let deaf = Interrupt::default();
            scope.spawn(move || {
                let interrupt = if rank.is_first() { interrupt } else { &deaf };
                as_rank(run, changes, data, Some(rank), interrupt).unwrap()
            })
        });
        let ranks: Vec<_> = ranks.collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    assert!(ended.iter().all(|one| *one == ended[0]), "{ended:?}");
    ended[0]
}

const DONE: Ended = Ended::Finished {
    stopped_early: false,
};

/// Loss, accuracy and gradient norm of each step, and the figures of each epoch.
fn figures(run: &RunDir) -> (Vec<[f64; 3]>, Vec<[f64; 4]>) {
    let state = state(run);
    let steps = state.batches.iter().map(|progress| {
        let batch = &progress.batch;
        [batch.loss, batch.accuracy, batch.gradient_norm]
    });
    let epoch = |epoch: &Epoch| {
        [
            epoch.train_loss,
            epoch.train_acc,
            epoch.val_loss,
            epoch.val_acc,
        ]
    };
    (steps.collect(), state.epochs.iter().map(epoch).collect())
}

fn assert_near<const N: usize>(found: &[[f64; N]], expected: &[[f64; N]], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (one, other) in found.iter().zip(expected) {
            let away = (one - other).abs() / other.abs().max(1.0);
            assert!(
                away < 1e-5,
                "{what} {index}: {found:?}, alone it is {expected:?}"
            );
        }
    }
}

const AUGMENT: &str = "augment={ rotation: 15, horizontal_flip: true, zoom: 0.1, resized_crop: {}, erasing: {}, \
    color_jitter: { brightness: 0.4, hue: 0.1 }, rand_augment: {} }";

#[rstest]
#[case::everything(
    &[
        AUGMENT,
        "train.accumulate=2",
        "train.class_weights=balanced",
        "train.clip_norm=0.5",
        "train.ema={ decay: 0.8 }",
    ],
    Data::default(),
)]
#[case::uneven(&["train.accumulate=3", "train.batch_size=9"], Data::default())]
#[case::unreadable_accumulated(
    &["train.accumulate=2", "train.class_weights=balanced"],
    Data { unreadable: Some(2), ..Data::default() },
)]
fn several_ranks_train_as_one_process(#[case] changes: &[&str], #[case] data: Data) {
    assert_trains_as_one(changes, data);
}

#[rstest]
#[case::plain(&[], Data::default())]
#[case::augmented(&[AUGMENT, "train.label_smoothing=0.1"], Data::default())]
#[case::weighted(&["train.class_weights=balanced"], Data::default())]
#[case::unreadable(&[], Data { unreadable: Some(2), ..Data::default() })]
#[case::skipped(&["train.on_nan=skip"], Data { poison: Some(20), ..Data::default() })]
#[ignore = "long: scripts/soak.d/30-resume.sh runs it"]
fn several_ranks_train_as_one_process_in_more_cases(#[case] changes: &[&str], #[case] data: Data) {
    assert_trains_as_one(changes, data);
}

fn assert_trains_as_one(changes: &[&str], data: Data) {
    let root = tempfile::tempdir().unwrap();
    let alone = new_run(root.path(), changes);
    let ended = as_rank(&alone, changes, data, None, &Interrupt::default()).unwrap();
    assert_eq!(ended, DONE);
    let (steps, epochs) = figures(&alone);
    let [first, last] = [epochs[0][0], epochs[epochs.len() - 1][0]];
    assert!((first - last).abs() > 1e-3, "nothing is learnt: {epochs:?}");
    for size in [2, 3] {
        // An experiment asks for four images of a batch on each device.
        if changes.contains(&"train.batch_size=9") && size == 3 {
            continue;
        }
        let run = new_run(root.path(), changes);
        let ended = together(size, &run, changes, data, &Interrupt::default());
        assert_eq!(ended, DONE);
        let (found, of_epochs) = figures(&run);
        assert_near(&found, &steps, &format!("{size} ranks, step"));
        assert_near(&of_epochs, &epochs, &format!("{size} ranks, epoch"));
        let [one, other] = [state(&run), state(&alone)];
        assert_eq!(one.skipped, other.skipped);
        assert_eq!(one.skipped.is_empty(), data.poison.is_none());
        let [one, other] = [one, other].map(|state| state.test.unwrap());
        assert!(
            (one.loss - other.loss).abs() < 1e-5 && (one.accuracy - other.accuracy).abs() < 1e-9
        );
        // Twice the same bits, with everything that a step can have.
        if changes.len() > 3 {
            let again = new_run(root.path(), changes);
            together(size, &again, changes, data, &Interrupt::default());
            assert!(newest(&again) == newest(&run), "{size} ranks, twice");
        }
    }
}

#[test]
fn ranks_that_stop_anywhere_resume_to_the_same_bits() {
    let root = tempfile::tempdir().unwrap();
    let changes = [
        "train.accumulate=2",
        "train.class_weights=balanced",
        "train.ema={ decay: 0.8 }",
        "train.optimizer={ name: adam, learning_rate: 0.01 }",
    ];
    let data = Data {
        unreadable: Some(2),
        is_features: true,
        ..Data::default()
    };
    let straight = new_run(root.path(), &changes);
    let interrupt = Interrupt::default();
    assert_eq!(together(2, &straight, &changes, data, &interrupt), DONE);
    let polls = interrupt.polls();
    assert!(polls > 15, "{polls}");
    let expected = newest(&straight);
    for poll in 1..=polls {
        let run = new_run(root.path(), &changes);
        let ended = together(2, &run, &changes, data, &Interrupt::at_poll(poll));
        assert_eq!(ended, Ended::Stopped, "at poll {poll} of {polls}");
        let stopped = newest(&run).state;
        assert_eq!(
            together(2, &run, &changes, data, &Interrupt::default()),
            DONE
        );
        assert!(
            newest(&run) == expected,
            "at poll {poll} of {polls}, stopped at {stopped:?}"
        );
        assert_eq!(state(&run).test, state(&straight).test, "at poll {poll}");
    }
}
