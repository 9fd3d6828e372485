//! Every optimizer × schedule × stop point resumes to the same bits, and every item of a checkpoint's state is needed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tch::Tensor;
use warmstart_engine::interrupt::Interrupt;
use warmstart_engine::weights;
use warmstart_engine::worker::{self, Options};
use warmstart_runs::checkpoint::{self, Content, State, Sums};
use warmstart_runs::run::RunDir;
use warmstart_runs::storage::Disk;
use warmstart_schema::event::DatasetFacts;
use warmstart_schema::state::Outcome;

use super::memory::is_alone;
use super::support::{log, state};
use super::tiny::{Result, alone, new_run, result, root, train};

const OPTIMIZERS: [&str; 6] = [
    "{ name: sgd, learning_rate: 0.05, momentum: 0 }",
    "{ name: sgd, learning_rate: 0.02, momentum: 0.9, weight_decay: 0.01 }",
    "{ name: adam, learning_rate: 0.01 }",
    "{ name: adamw, learning_rate: 0.01, weight_decay: 0.1 }",
    "{ name: rmsprop, learning_rate: 0.003 }",
    "{ name: sgd, learning_rate: 0.02, nesterov: true, weight_decay: 0.01 }",
];
/// Everything that a recipe can add to a step; used with the last optimizer.
const RECIPE: [&str; 10] = [
    "train.label_smoothing=0.1",
    "train.clip_norm=0.5",
    "train.mixing={ mixup: 0.2, cutmix: 1 }",
    "augment={ resized_crop: {}, padding_crop: { pixels: 4 }, color_jitter: { hue: 0.1 }, erasing: {}, horizontal_flip: true }",
    "train.groups.layer_decay=0.8",
    "train.groups.decay_norms_and_biases=false",
    "train.sampler=sqrt",
    // Blocks with residual paths that train.
    "model.freeze=6",
    "model.drop_path=0.3",
    "input.progressive=[{ until_epoch: 1, resize: 48 }]",
];
const SCHEDULES: [&str; 6] = [
    "{ name: constant }",
    "{ name: step, step_epochs: 1, gamma: 0.5 }",
    "{ name: cosine, warmup_epochs: 0.5 }",
    "{ name: plateau, gamma: 0.5, patience: 0 }",
    "{ name: exponential, gamma: 0.8, every: step, warmup_steps: 2 }",
    "{ name: one_cycle }",
];
/// Epochs until early stopping ends the run.
const EPOCHS: u64 = 3;

/// Where a run stops. `epoch` counts from 0; `position` is the batch in training or validation at which the worker sees the stop
/// request.
#[derive(Debug, Clone, Copy)]
struct Stop {
    name: &'static str,
    epoch: u64,
    position: Position,
    /// What the checkpoint then records: epochs done, and batches done in the next epoch.
    saved_at: (u32, u32),
}

#[derive(Debug, Clone, Copy)]
enum Position {
    Batch(u64),
    Validation(u64),
}

const fn stop(name: &'static str, epoch: u64, position: Position, saved_at: (u32, u32)) -> Stop {
    Stop {
        name,
        epoch,
        position,
        saved_at,
    }
}

const STOPS: [Stop; 7] = [
    stop("after the first step", 0, Position::Batch(2), (0, 2)),
    stop("in the middle of an epoch", 1, Position::Batch(2), (1, 2)),
    stop("before the last batch", 1, Position::Batch(4), (1, 4)),
    stop("at an epoch's end", 2, Position::Batch(0), (2, 0)),
    stop(
        "in the middle of an evaluation",
        1,
        Position::Validation(1),
        (1, 5),
    ),
    stop(
        "an epoch before patience ends",
        2,
        Position::Batch(2),
        (2, 2),
    ),
    stop(
        "between two batches of a step",
        0,
        Position::Batch(3),
        (0, 4),
    ),
];

/// How often an uninterrupted run polls the stop flag: before its first batch, and in training and validation of each epoch.
struct Polls {
    before: u64,
    training: u64,
    validation: u64,
}

impl Polls {
    fn of(run: &RunDir, polls: u64) -> Self {
        let DatasetFacts {
            train,
            validation,
            test,
            ..
        } = state(run).dataset.unwrap();
        let batches = |images: u32| u64::from(images.div_ceil(4));
        let (training, validation) = (batches(train), batches(validation));
        Self {
            before: polls - EPOCHS * (training + validation) - batches(test),
            training,
            validation,
        }
    }

    fn at(&self, stop: Stop) -> u64 {
        let within = match stop.position {
            Position::Batch(batch) => batch,
            Position::Validation(batch) => self.training + batch,
        };
        self.before + stop.epoch * (self.training + self.validation) + within + 1
    }
}

fn uninterrupted(root: &Path, changes: &[&str]) -> (Result, Polls) {
    let run = new_run(root, changes);
    let interrupt = Interrupt::default();
    assert!(train(&run, &interrupt).unwrap(), "{}", log(&run));
    assert_eq!(
        state(&run).outcome,
        Some(Outcome::Finished {
            stopped_early: true
        })
    );
    let polls = Polls::of(&run, interrupt.polls());
    let whole = result(&run).unwrap();
    assert_eq!(
        (whole.steps.len(), whole.epochs.len(), polls.training),
        (9, 3, 5)
    );
    fs::remove_dir_all(run.path()).unwrap();
    (whole, polls)
}

/// A run that stopped at this point and saved a checkpoint.
fn stopped(root: &Path, changes: &[&str], polls: &Polls, stop: Stop) -> RunDir {
    let run = new_run(root, changes);
    assert!(train(&run, &Interrupt::at_poll(polls.at(stop))).unwrap());
    assert_eq!(state(&run).outcome, Some(Outcome::Stopped), "{stop:?}");
    let saved = checkpoint::newest(&Disk, &run).unwrap().0.unwrap().state;
    assert_eq!((saved.epoch, saved.batch), stop.saved_at, "{stop:?}");
    run
}

/// Tests one optimizer. `WARMSTART_MATRIX=all` tests every schedule with every stop, as the soak does; otherwise three schedules, and
/// each stop with one of them.
fn cells(number: usize) {
    let _alone = alone();
    let root = root();
    let is_whole = std::env::var("WARMSTART_MATRIX").is_ok_and(|cells| cells == "all");
    let optimizer = OPTIMIZERS[number];
    let (mut exact, mut wanted) = (0, 0);
    let schedules = SCHEDULES.into_iter().enumerate();
    for (row, schedule) in schedules.filter(|(row, _)| is_whole || (number + row).is_multiple_of(2))
    {
        let changes = [
            format!("train.optimizer={optimizer}"),
            format!("train.schedule={schedule}"),
        ];
        let mut changes: Vec<&str> = changes.iter().map(String::as_str).collect();
        if optimizer == OPTIMIZERS[5] {
            changes.extend(RECIPE);
        }
        let (whole, polls) = uninterrupted(root.path(), &changes);
        let chosen = |column: &usize| is_whole || (number + row + column).is_multiple_of(3);
        for stop in (0..STOPS.len()).filter(chosen).map(|column| STOPS[column]) {
            wanted += 1;
            let run = stopped(root.path(), &changes, &polls, stop);
            assert!(train(&run, &Interrupt::default()).unwrap());
            let attempt = state(&run).attempt.unwrap();
            assert!(
                attempt.resumed_from.is_some_and(|step| step > 0) && attempt.not_exact.is_empty(),
                "{attempt:?}"
            );
            let broken = result(&run).unwrap();
            assert!(
                broken == whole,
                "{optimizer} {schedule} stopped {}: {}",
                stop.name,
                difference(&whole, &broken)
            );
            exact += 1;
            fs::remove_dir_all(run.path()).unwrap();
        }
    }
    println!("FIGURE A7\tbitwise equal resumes, {optimizer}\t{exact}\t{wanted}\tok");
}

/// Where two results differ, without printing the weights.
fn difference(one: &Result, other: &Result) -> String {
    let weights = (
        one.last.model == other.last.model,
        one.last.optimizer == other.last.optimizer,
    );
    format!(
        "model and optimizer equal: {weights:?}; {:?} {:?} against {:?} {:?}",
        one.last.state, one.steps, other.last.state, other.steps
    )
}

#[test]
fn sgd_resumes_bit_for_bit() {
    cells(0);
}

#[test]
fn sgd_with_momentum_resumes_bit_for_bit() {
    cells(1);
}

#[test]
fn adam_resumes_bit_for_bit() {
    cells(2);
}

#[test]
fn adamw_resumes_bit_for_bit() {
    cells(3);
}

#[test]
fn rmsprop_resumes_bit_for_bit() {
    cells(4);
}

#[test]
fn a_recipe_with_every_setting_resumes_bit_for_bit() {
    cells(5);
}

#[test]
fn averaged_weights_resume_bit_for_bit_and_are_evaluated() {
    let _alone = alone();
    let root = root();
    let changes = ["train.ema={ decay: 0.8, warmup: true }"];
    let interrupt = Interrupt::default();
    let whole = new_run(root.path(), &changes);
    assert!(train(&whole, &interrupt).unwrap());
    let figures = state(&whole).epochs;
    assert!(figures.iter().all(|epoch| epoch.plain.is_some()));
    assert!(
        figures
            .iter()
            .any(|epoch| epoch.plain.unwrap().val_loss.to_bits() != epoch.val_loss.to_bits())
    );
    let whole = result(&whole).unwrap();
    for step in [1, 4, 8] {
        let run = new_run(root.path(), &changes);
        let options = Options {
            stop_after: Some(step),
            progress_every: Duration::ZERO,
        };
        assert!(worker::run(run.path(), options, &interrupt).unwrap());
        assert_eq!(state(&run).outcome, Some(Outcome::Stopped));
        assert!(train(&run, &interrupt).unwrap());
        let broken = result(&run).unwrap();
        assert!(broken == whole, "{}", difference(&whole, &broken));
        let plain: Vec<_> = state(&run).epochs.iter().map(|epoch| epoch.plain).collect();
        assert_eq!(
            plain,
            figures.iter().map(|epoch| epoch.plain).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_run_with_kept_views_resumes_bit_for_bit() {
    // A backbone that is frozen whole keeps its features.
    if !is_alone("matrix::a_run_with_kept_views_resumes_bit_for_bit") {
        return;
    }
    let _alone = alone();
    let root = root();
    let changes = [
        "model.freeze=backbone",
        "augment={ rotation: 20, horizontal_flip: true }",
        "train.cache_views=2",
    ];
    let interrupt = Interrupt::default();
    let run = new_run(root.path(), &changes);
    assert!(train(&run, &interrupt).unwrap(), "{}", log(&run));
    let facts = state(&run).model.unwrap();
    assert!(facts.cached_features);
    let whole = result(&run).unwrap();
    let plain = new_run(root.path(), &["model.freeze=backbone", "augment={}"]);
    assert!(train(&plain, &interrupt).unwrap());
    assert!(result(&plain).unwrap() != whole, "the views are augmented");
    for step in 1..9 {
        let run = new_run(root.path(), &changes);
        let options = Options {
            stop_after: Some(step),
            progress_every: Duration::ZERO,
        };
        assert!(worker::run(run.path(), options, &interrupt).unwrap());
        assert!(train(&run, &interrupt).unwrap(), "{}", log(&run));
        let broken = result(&run).unwrap();
        assert!(broken == whole, "{}", difference(&whole, &broken));
    }
}

/// Every optimizer state joins the run in a later stage than the head's, and the first stage reads features.
const UNFREEZING: [&str; 6] = [
    "model.freeze=backbone",
    "model.unfreeze=[{ from_epoch: 2, freeze: 7 }, { from_epoch: 3, freeze: 5 }]",
    "model.drop_path=0.3",
    "augment={}",
    "train.sampler=sqrt",
    "train.groups.layer_decay=0.8",
];

#[test]
fn a_run_that_unfreezes_resumes_bit_for_bit_in_every_stage() {
    // A backbone that is frozen whole keeps its features.
    if !is_alone("matrix::a_run_that_unfreezes_resumes_bit_for_bit_in_every_stage") {
        return;
    }
    let _alone = alone();
    let root = root();
    for more in [
        &["train.ema={ decay: 0.8, warmup: true }"][..],
        &[
            "train.optimizer={ name: sgd, learning_rate: 0.02 }",
            "augment.zoom=0.1",
        ],
    ] {
        let changes = [&UNFREEZING[..], more].concat();
        let interrupt = Interrupt::default();
        let whole = new_run(root.path(), &changes);
        assert!(train(&whole, &interrupt).unwrap(), "{}", log(&whole));
        let stages = state(&whole).stages;
        let stages: Vec<_> = stages
            .iter()
            .map(|stage| (stage.epoch, stage.step))
            .collect();
        assert_eq!(stages, [(2, 3), (3, 6)]);
        let whole = result(&whole).unwrap();
        for step in 1..9 {
            let run = new_run(root.path(), &changes);
            let options = Options {
                stop_after: Some(step),
                progress_every: Duration::ZERO,
            };
            assert!(worker::run(run.path(), options, &interrupt).unwrap());
            assert_eq!(state(&run).outcome, Some(Outcome::Stopped));
            assert!(train(&run, &interrupt).unwrap(), "{}", log(&run));
            let broken = result(&run).unwrap();
            assert!(
                broken == whole,
                "stopped after step {step}: {}",
                difference(&whole, &broken)
            );
            let again = state(&run).stages;
            let again: Vec<_> = again
                .iter()
                .map(|stage| (stage.epoch, stage.step))
                .collect();
            assert_eq!(again, stages, "stopped after step {step}");
        }
    }
}

#[test]
fn a_checkpoint_from_before_a_stage_begins_it() {
    // A backbone that is frozen whole keeps its features.
    if !is_alone("matrix::a_checkpoint_from_before_a_stage_begins_it") {
        return;
    }
    let _alone = alone();
    let root = root();
    let interrupt = Interrupt::default();
    let whole = new_run(root.path(), &UNFREEZING);
    assert!(train(&whole, &interrupt).unwrap());
    let whole = result(&whole).unwrap();
    let run = new_run(root.path(), &UNFREEZING);
    let options = Options {
        stop_after: Some(3),
        progress_every: Duration::ZERO,
    };
    assert!(worker::run(run.path(), options, &interrupt).unwrap());
    // The end of the first epoch, as a kill right after it leaves it: only the head has trained.
    let content = checkpoint::newest(&Disk, &run).unwrap().0.unwrap();
    let tensors: Vec<(String, Tensor)> = weights::parse(&content.optimizer)
        .unwrap()
        .into_iter()
        .filter(|(name, _)| name == "step" || name.starts_with("head."))
        .map(|(name, entry)| (name, entry.tensor().unwrap()))
        .collect();
    let before = Content {
        optimizer: weights::write(&tensors).unwrap(),
        ..content.clone()
    };
    assert_ne!(before.optimizer, content.optimizer);
    fs::remove_dir_all(run.checkpoint(3)).unwrap();
    checkpoint::save(&Disk, &run, &before, 100).unwrap();
    assert!(train(&run, &interrupt).unwrap(), "{}", log(&run));
    let broken = result(&run).unwrap();
    assert!(broken == whole, "{}", difference(&whole, &broken));
}

/// A safetensors file with some of its tensors set to zero.
fn zeroed(bytes: &[u8], is_it: impl Fn(&str) -> bool) -> Vec<u8> {
    let mut hit = false;
    let tensors: Vec<(String, Tensor)> = weights::parse(bytes)
        .unwrap()
        .into_iter()
        .map(|(name, entry)| {
            let tensor = entry.tensor().unwrap();
            let zero = is_it(&name);
            hit |= zero;
            (name, if zero { tensor.zeros_like() } else { tensor })
        })
        .collect();
    assert!(hit);
    weights::write(&tensors).unwrap()
}

fn without(content: &Content, item: &str) -> Content {
    let mut left = content.clone();
    let State {
        step,
        epoch,
        batch,
        sums,
        progress,
        plateau,
        best_step,
        ..
    } = &mut left.state;
    match item {
        "step" => *step = 0,
        "epoch" => *epoch = 0,
        "batch" => *batch = 0,
        "sums" => *sums = Sums::default(),
        "progress" => *progress = warmstart_schema::policy::Progress::default(),
        "plateau" => *plateau = warmstart_schema::policy::Plateau::default(),
        "best_step" => *best_step = None,
        "the optimizer's step" => {
            left.optimizer = zeroed(&content.optimizer, |name| name == "step");
        }
        "weights" => left.model = zeroed(&content.model, |name| name == "head.fc2.weight"),
        "statistics" => left.model = zeroed(&content.model, |name| name.ends_with("running_mean")),
        moment => left.optimizer = zeroed(&content.optimizer, |name| name.ends_with(moment)),
    }
    left
}

/// Stops the run, resets one item of the checkpoint, and resumes. True if the resume is refused or the result differs.
fn is_noticed(
    root: &Path,
    changes: &[&str],
    (whole, polls): &(Result, Polls),
    stop: Stop,
    item: &str,
) -> bool {
    let run = stopped(root, changes, polls, stop);
    let content = checkpoint::newest(&Disk, &run).unwrap().0.unwrap();
    let left = without(&content, item);
    assert_ne!(left, content, "{item}");
    if left.state.step != content.state.step {
        fs::remove_dir_all(run.checkpoint(content.state.step)).unwrap();
    }
    checkpoint::save(&Disk, &run, &left, 100).unwrap();
    let resumed = train(&run, &Interrupt::default()).unwrap_or(false);
    let noticed = !resumed || result(&run).is_none_or(|broken| broken != *whole);
    fs::remove_dir_all(run.path()).unwrap();
    noticed
}

#[test]
fn a_resume_without_any_item_of_the_state_is_noticed() {
    let _alone = alone();
    let root = root();
    let (first, middle, evaluation, patience) = (STOPS[0], STOPS[1], STOPS[4], STOPS[5]);
    let cases = [
        // This stop comes first, so that no older checkpoint can replace the damaged one.
        ("step", 2, first),
        ("epoch", 2, middle),
        ("batch", 2, middle),
        ("sums", 2, evaluation),
        ("progress", 2, patience),
        ("plateau", 2, patience),
        ("best_step", 2, patience),
        ("the optimizer's step", 2, middle),
        ("weights", 2, middle),
        ("statistics", 2, middle),
        (".exp_avg", 2, middle),
        (".exp_avg_sq", 3, middle),
        (".momentum_buffer", 1, middle),
        (".square_avg", 4, middle),
    ];
    // The plateau schedule reduces the rate, and epochs follow after the best one.
    let changes = OPTIMIZERS.map(|name| {
        [
            format!("train.optimizer={name}"),
            format!("train.schedule={}", SCHEDULES[3]),
        ]
    });
    let changes = changes
        .each_ref()
        .map(|changes| changes.each_ref().map(String::as_str));
    let wholes = changes.map(|changes| uninterrupted(root.path(), &changes));
    let mut unnoticed = Vec::new();
    for (item, optimizer, stop) in cases {
        if !is_noticed(
            root.path(),
            &changes[optimizer],
            &wholes[optimizer],
            stop,
            item,
        ) {
            unnoticed.push(item);
        }
    }
    let (noticed, all) = (cases.len() - unnoticed.len(), cases.len());
    let verdict = if unnoticed.is_empty() { "ok" } else { "UNDER" };
    println!(
        "FIGURE A7\titems of the state whose loss is noticed\t{noticed} of {all}\tall\t{verdict}"
    );
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}
