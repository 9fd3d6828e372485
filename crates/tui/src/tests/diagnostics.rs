//! Each rule of the diagnostics, on runs that match it and on runs that nearly match it.

use rstest::rstest;
use serde_json::{Value, json};
use warmstart_schema::event::{Level, Record};

use super::fixtures::{LIVE, id, typical};
use super::{drawn, press, text};
use crate::config::Keys;
use crate::keys::Keymap;
use crate::message::Message;
use crate::model::Model;
use crate::update::update;
use warmstart_runs::store::Change;

/// Training loss, validation loss and accuracy of an epoch; both accuracies are equal.
type Figures = (f64, f64, f64);

const BEGAN: f64 = 1000.0;

fn attempt(number: u32, resumed_from: Option<u32>) -> Value {
    json!({"event": "attempt", "number": number, "worker": {"boot_id": "b", "pid": 1, "start_ticks": 1}, "host": "h",
        "device": "cuda:0", "device_name": "d", "device_reason": "r", "threads": 2, "libtorch": "2", "epochs": 20,
        "resumed_from": resumed_from})
}

fn training() -> Value {
    json!({"event": "phase", "phase": "training"})
}

/// A run that trains: epochs of ten steps, 400 images in 4 classes, then these further events.
fn events_of_run(epochs: &[Figures], more: &[Value]) -> Vec<Value> {
    let mut events = vec![attempt(1, None), classes(100, 100), training()];
    let mut best = f64::INFINITY;
    for (number, (train_loss, val_loss, accuracy)) in (1..).zip(epochs) {
        events.push(json!({"event": "batch", "epoch": number, "step": number * 10, "batch": 10, "batches": 10,
            "loss": train_loss, "accuracy": accuracy, "learning_rate": 0.1, "images_per_second": 9.0, "gradient_norm": 1.0}));
        events.push(json!({"event": "epoch", "epoch": number, "step": number * 10, "train_loss": train_loss,
            "train_acc": accuracy, "val_loss": val_loss, "val_acc": accuracy, "learning_rate": 0.1,
            "images_per_second": 9.0, "train_time": f64::from(number) * 60.0, "best": *val_loss < best}));
        best = best.min(*val_loss);
    }
    events.extend_from_slice(more);
    for (at, event) in events.iter_mut().enumerate() {
        if event.get("t").is_none() {
            event["t"] = json!(BEGAN + at as f64);
        }
    }
    events
}

/// The dashboard a second after the live run logged these events.
fn with_log(events: Vec<Value>) -> Model {
    let mut model = typical();
    let records: Vec<Record> = events
        .into_iter()
        .map(|event| serde_json::from_value(event).unwrap())
        .collect();
    let now = records.last().unwrap().t + 1.0;
    let changes = vec![Change::Events {
        id: id(LIVE),
        records,
        damaged: 0,
        restarted: true,
    }];
    update(&mut model, Message::Changes { now, changes });
    model
}

/// The alerts of the run with this log, after a change of the model.
fn said(events: Vec<Value>, change: impl FnOnce(&mut Model)) -> Vec<(Level, String)> {
    let mut model = with_log(events);
    change(&mut model);
    model
        .alerts(model.runs.get(&id(LIVE)).unwrap())
        .into_iter()
        .map(|alert| (alert.level, alert.text))
        .collect()
}

fn texts(epochs: &[Figures], more: &[Value]) -> Vec<String> {
    said(events_of_run(epochs, more), |_| ())
        .into_iter()
        .map(|(_, text)| text)
        .collect()
}

const WELL: [Figures; 4] = [
    (2.0, 2.1, 0.5),
    (1.5, 1.8, 0.6),
    (1.2, 1.6, 0.65),
    (1.0, 1.5, 0.7),
];
const OVERFIT: [Figures; 5] = [
    (2.0, 2.1, 0.5),
    (1.5, 1.8, 0.6),
    (1.2, 1.9, 0.6),
    (1.0, 2.0, 0.6),
    (0.8, 2.2, 0.6),
];
/// Validation gets worse, and training gets worse too.
const WORSE: [Figures; 5] = [
    (2.0, 2.1, 0.5),
    (1.5, 1.8, 0.6),
    (1.6, 1.9, 0.6),
    (1.6, 2.0, 0.6),
    (1.7, 2.2, 0.6),
];
/// From epoch 2 on the validation loss stays within two percent of the best one.
const FLAT: [Figures; 5] = [
    (2.0, 2.1, 0.5),
    (1.5, 1.8, 0.6),
    (1.4, 1.81, 0.6),
    (1.3, 1.8, 0.6),
    (1.2, 1.82, 0.6),
];
const DIVERGING: [Figures; 5] = [
    (2.0, 2.1, 0.5),
    (1.0, 1.8, 0.6),
    (1.2, 1.7, 0.6),
    (1.4, 1.6, 0.6),
    (1.6, 1.5, 0.6),
];
const CHANCE: [Figures; 3] = [(1.39, 1.39, 0.25), (1.39, 1.38, 0.27), (1.38, 1.37, 0.24)];
const WRONG: [Figures; 3] = [(1.39, 1.39, 0.0), (1.39, 1.38, 0.0), (1.38, 1.37, 0.0)];

fn system(gpu: f64, disk_free: u64) -> Value {
    json!({"event": "system", "cpu": 10.0, "gpu": gpu, "disk_free": disk_free})
}

fn data_wait(wait: f64, learning_rate: f64) -> Value {
    json!({"event": "epoch", "epoch": 5, "step": 50, "train_loss": 0.9, "train_acc": 0.7, "val_loss": 1.4, "val_acc": 0.7,
        "learning_rate": learning_rate, "images_per_second": 9.0, "train_time": 300.0, "best": true, "data_wait": wait})
}

/// An epoch whose validation loss overflowed.
fn overflow(number: u32) -> Value {
    json!({"event": "epoch", "epoch": number, "step": number * 10, "train_loss": 0.9, "train_acc": 0.7, "val_loss": "inf",
        "val_acc": 0.7, "learning_rate": 0.1, "images_per_second": 9.0, "train_time": 300.0, "best": false})
}

fn sound(number: u32) -> Value {
    json!({"event": "epoch", "epoch": number, "step": number * 10, "train_loss": 0.8, "train_acc": 0.7, "val_loss": 1.4,
        "val_acc": 0.7, "learning_rate": 0.1, "images_per_second": 9.0, "train_time": 360.0, "best": true})
}

fn batch_without_loss() -> Value {
    json!({"event": "batch", "epoch": 6, "step": 51, "batch": 1, "batches": 10, "loss": "NaN", "accuracy": 0.5,
        "learning_rate": 0.1, "images_per_second": 9.0, "gradient_norm": 1.0})
}

fn classes(smallest: u32, largest: u32) -> Value {
    json!({"event": "dataset", "name": "n", "train": 400, "validation": 400, "test": 0, "classes": 4, "steps_per_epoch": 10,
        "smallest": {"name": "rare", "images": smallest}, "largest": {"name": "many", "images": largest}})
}

#[rstest]
#[case::learns_well(&WELL, &[], "")]
#[case::overfits(&OVERFIT, &[], "overfitting since epoch 3: validation loss rises while training loss falls; best at epoch 2; s stops here. Next time")]
#[case::gets_worse_in_both(&WORSE, &[], "validation loss has not improved for 3 epochs (best 1.8000 at 2); it stops after 5")]
#[case::does_not_improve(&FLAT, &[], "validation loss has not improved for 3 epochs")]
#[case::diverges(&DIVERGING, &[], "training loss grows since epoch 3 (1.0000 to 1.6000): lower train.optimizer.learning_rate")]
#[case::guesses_for_three_epochs(&CHANCE, &[], "accuracy 0.2400 is no better than guessing among 4 classes, after 3 epochs: check labels")]
#[case::is_worse_than_guessing(&WRONG, &[], "accuracy 0.0000 is no better than guessing")]
#[case::guesses_for_two_epochs(&CHANCE[..2], &[], "")]
#[case::waits_for_pictures(&WELL, &[data_wait(0.7, 0.1)], "the device is idle 70 % of the step, waiting for pictures")]
#[case::waits_a_little(&WELL, &[data_wait(0.2, 0.1)], "")]
#[case::learning_rate_is_zero(&WELL, &[data_wait(0.0, 0.0)], "the learning rate is 0 since epoch 5: nothing is learnt")]
#[case::loss_is_not_finite(&WELL, &[overflow(5)], "the loss is not a finite number since epoch 5")]
#[case::loss_stays_not_finite(&WELL, &[overflow(5), overflow(6)], "the loss is not a finite number since epoch 5")]
#[case::loss_of_a_batch_is_not_finite(&WELL, &[batch_without_loss()], "the loss is not a finite number since epoch 6")]
#[case::loss_is_finite_again(&WELL, &[overflow(5), sound(6)], "the loss was not a finite number in epoch 5: try")]
#[case::loss_breaks_again(&WELL, &[overflow(5), sound(6), overflow(7)], "the loss is not a finite number since epoch 7")]
#[case::disk_nearly_full(&WELL, &[system(90.0, 200_000_000)], "the disk is nearly full, 200 MB are left: delete runs")]
#[case::disk_not_full(&WELL, &[system(90.0, 9_000_000_000)], "")]
#[case::uneven(&WELL, &[classes(9, 217)], "classes are uneven: 9 images of rare, 217 of many; train.class_weights: balanced")]
#[case::nearly_even(&WELL, &[classes(12, 217)], "")]
fn each_alert_appears_only_for_its_runs(
    #[case] epochs: &[Figures],
    #[case] more: &[Value],
    #[case] expected: &str,
) {
    let texts = texts(epochs, more);
    match expected {
        "" => assert_eq!(texts, [""; 0]),
        _ => assert!(
            texts.len() == 1 && texts[0].starts_with(expected),
            "{texts:?}"
        ),
    }
}

#[rstest]
#[case::resumed(Some(50))]
#[case::started_over(None)]
fn waiting_in_an_earlier_attempt_is_not_reported(#[case] resumed_from: Option<u32>) {
    let more = [data_wait(0.7, 0.1), attempt(2, resumed_from), training()];
    let texts = texts(&WELL, &more);
    assert_eq!(texts, [""; 0]);
}

#[test]
fn classes_are_marked_on_the_run_screen_where_the_alert_appears() {
    let colour = |smallest: u32| {
        let mut model = with_log(events_of_run(&WELL, &[classes(smallest, 217)]));
        press(&mut model, "jj<enter>");
        let buffer = drawn(&model, 120, 60);
        let shown = text(&buffer);
        let row = shown.lines().position(|line| line.contains("217 images"));
        let y = u16::try_from(row.unwrap_or_else(|| panic!("{shown}"))).unwrap();
        let end = (0..120).rev().find(|x| buffer[(*x, y)].symbol() != " ");
        buffer[(end.unwrap(), y)].fg
    };
    assert_ne!(colour(9), colour(217));
    assert_eq!(colour(12), colour(217));
}

#[test]
fn skipped_steps_and_a_lost_heartbeat_are_reported() {
    let skipped =
        |step: u32| json!({"event": "skipped", "step": step, "in_a_row": 1, "loss": "NaN"});
    let texts = texts(&WELL, &[skipped(41), skipped(47)]);
    let expected =
        "loss or gradients of 2 steps were not finite numbers, the last at step 47; left out";
    assert!(
        texts.len() == 1 && texts[0].starts_with(expected),
        "{texts:?}"
    );
    // A resume from before the step repeats it, so it no longer counts.
    let events = events_of_run(&WELL, &[skipped(41), attempt(2, Some(40)), training()]);
    assert!(said(events, |_| ()).is_empty());
    let heartbeat_lost = |model: &mut Model| {
        let liveness = warmstart_schema::state::Liveness::HeartbeatLost;
        let now = model.now;
        update(
            model,
            Message::Changes {
                now,
                changes: vec![Change::Liveness {
                    id: id(LIVE),
                    liveness,
                }],
            },
        );
    };
    let said = said(events_of_run(&WELL, &[]), heartbeat_lost);
    assert!(
        matches!(&said[..], [(Level::Warning, text)] if text.starts_with("it makes progress, but its heartbeat has stopped")),
        "{said:?}"
    );
}

#[rstest]
#[case(
    15,
    30.0,
    "the GPU is idle 70 % of the time: a larger train.batch_size"
)]
#[case(14, 30.0, "")]
#[case(15, 45.0, "")]
fn idle_gpu_is_reported_after_enough_samples(
    #[case] samples: usize,
    #[case] gpu: f64,
    #[case] expected: &str,
) {
    let texts = texts(&WELL, &vec![system(gpu, 9_000_000_000); samples]);
    assert_eq!(texts.len(), usize::from(!expected.is_empty()), "{texts:?}");
    assert!(texts.iter().all(|text| text.starts_with(expected)));
}

#[test]
fn gpu_that_was_idle_before_training_is_not_reported() {
    let mut events = events_of_run(&WELL, &[]);
    let mut sample = system(30.0, 9_000_000_000);
    sample["t"] = json!(BEGAN + 1.0);
    // After the attempt and the dataset, before the phase of training.
    events.splice(2..2, vec![sample; 15]);
    assert_eq!(said(events, |_| ()), []);
}

#[rstest]
#[case(39.0, false, "")]
#[case(
    41.0,
    false,
    "no checkpoint for 41m 00s: a crash would lose that work; s saves and stops"
)]
#[case(41.0, true, "")]
fn missing_checkpoint_is_reported_after_40_minutes(
    #[case] minutes: f64,
    #[case] saved: bool,
    #[case] expected: &str,
) {
    let seconds = minutes * 60.0;
    let mut more = Vec::new();
    if saved {
        more.push(
            json!({"event": "checkpoint", "step": 10, "epoch": 1, "best": true, "bytes": 9, "seconds": 0.1,
            "t": BEGAN + 600.0}),
        );
    }
    let batch = |step: u32, t: f64| {
        json!({"event": "batch", "epoch": 2, "step": step, "batch": step - 10, "batches": 100,
        "loss": 1.0, "accuracy": 0.5, "learning_rate": 0.1, "images_per_second": 9.0, "gradient_norm": 1.0, "t": t})
    };
    // The first step is logged at BEGAN + 3.
    more.push(batch(11, BEGAN + 3.0 + seconds - 1.0));
    let texts = texts(&WELL[..1], &more);
    assert_eq!(texts.len(), usize::from(!expected.is_empty()), "{texts:?}");
    assert!(
        texts.iter().all(|text| text.starts_with(expected)),
        "{texts:?}"
    );
}

#[test]
fn stopped_run_reports_only_overfitting_as_info() {
    let stopped = [json!({"event": "stopped", "step": 50, "train_time": 300.0})];
    let at_rest = |model: &mut Model| {
        let free = Change::Liveness {
            id: id(LIVE),
            liveness: warmstart_schema::state::Liveness::Free,
        };
        let now = model.now;
        update(
            model,
            Message::Changes {
                now,
                changes: vec![free],
            },
        );
    };
    let of = |epochs: &[Figures]| said(events_of_run(epochs, &stopped), at_rest);
    let overfit = of(&OVERFIT);
    assert!(
        matches!(&overfit[..], [(Level::Info, text)] if text.contains("The best checkpoint is from before")),
        "{overfit:?}"
    );
    for epochs in [&DIVERGING[..], &FLAT, &WORSE] {
        assert_eq!(of(epochs), []);
    }
}

#[test]
fn a_run_that_cannot_be_read_is_reported_once_with_what_to_do() {
    let denied = |model: &mut Model| {
        let now = model.now;
        let changes = vec![
            Change::Info {
                id: id(LIVE),
                info: Err("permission denied".to_owned()),
            },
            Change::Liveness {
                id: id(LIVE),
                liveness: warmstart_schema::state::Liveness::Unknown,
            },
        ];
        update(model, Message::Changes { now, changes });
    };
    let said = said(events_of_run(&WELL, &[]), denied);
    assert!(
        matches!(&said[..], [(Level::Error, text)] if text.starts_with("cannot be read: permission denied; ")),
        "{said:?}"
    );
}

#[test]
fn alerts_name_the_keys_of_the_settings() {
    let with_stop_on = |keys: &[&str]| {
        let keys = Keys(keys.iter().map(|key| (*key).to_owned()).collect());
        let keymap = Keymap::rebound(&[("stop".to_owned(), keys)].into()).unwrap();
        let said = said(events_of_run(&OVERFIT, &[]), |model| {
            model.keys = keymap;
        });
        said.into_iter().map(|(_, text)| text).collect::<String>()
    };
    let rebound = with_stop_on(&["f5"]);
    assert!(rebound.contains("; f5 stops here. "), "{rebound}");
    let unbound = with_stop_on(&[]);
    assert!(!unbound.contains("stops here"), "{unbound}");
}

#[test]
fn alerts_are_sorted_by_level() {
    let events = events_of_run(&OVERFIT, &[classes(1, 100), batch_without_loss()]);
    let levels: Vec<Level> = said(events, |_| ())
        .into_iter()
        .map(|(level, _)| level)
        .collect();
    assert_eq!(levels, [Level::Error, Level::Warning, Level::Info]);
}
