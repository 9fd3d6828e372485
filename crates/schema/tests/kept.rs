//! The results of a run stay until a later attempt replaces them.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use serde_json::{Value, json};
use warmstart_schema::event::Record;
use warmstart_schema::state::{Liveness, RunState, Status};

fn at(t: u32, mut event: Value) -> Record {
    event["t"] = json!(t);
    serde_json::from_value(event).unwrap()
}

fn attempt(number: u32, from: Option<u64>, epochs: u32) -> Value {
    json!({
        "event": "attempt", "number": number, "worker": { "boot_id": "b", "pid": 1, "start_ticks": 1 }, "host": "h", "device": "cpu",
        "device_name": "d", "device_reason": "r", "threads": 2, "libtorch": "2", "epochs": epochs, "resumed_from": from,
    })
}

fn epoch(epoch: u32) -> Value {
    json!({
        "event": "epoch", "epoch": epoch, "step": epoch * 10, "train_loss": 1, "train_acc": 0.5, "val_loss": 1, "val_acc": 0.5,
        "learning_rate": 0.1, "images_per_second": 1, "train_time": 1, "best": true,
    })
}

fn batch(step: u64) -> Value {
    json!({
        "event": "batch", "epoch": 3, "step": step, "batch": 1, "batches": 10, "loss": 1, "accuracy": 0.5, "learning_rate": 0.1,
        "images_per_second": 1, "gradient_norm": 1,
    })
}

fn checkpoint(step: u64) -> Value {
    json!({ "event": "checkpoint", "step": step, "epoch": step / 10, "best": true, "bytes": 1, "seconds": 0.1 })
}

fn finished() -> Vec<Value> {
    let test = json!({ "event": "test", "epoch": 2, "loss": 1, "accuracy": 0.75 });
    let frozen = json!({ "event": "frozen", "tensors": 3, "before": "x", "after": "x" });
    let end = json!({ "event": "finished", "train_time": 2, "stopped_early": false });
    vec![
        attempt(1, None, 2),
        training(),
        epoch(1),
        checkpoint(10),
        epoch(2),
        checkpoint(20),
        frozen,
        test,
        end,
    ]
}

fn training() -> Value {
    json!({ "event": "phase", "phase": "training" })
}

fn failed() -> Value {
    json!({ "event": "failed", "kind": "input", "error": "no pictures", "help": "bring them" })
}

fn fold(events: impl IntoIterator<Item = Value>) -> RunState {
    RunState::fold(events.into_iter().zip(1..).map(|(event, t)| at(t, event)))
}

fn status_and_results(state: &RunState) -> (Status, Option<f64>, Vec<u32>, bool) {
    let epochs = state.epochs.iter().map(|epoch| epoch.epoch).collect();
    let test = state.test.as_ref().map(|test| test.accuracy);
    (
        state.status(Liveness::Free),
        test,
        epochs,
        state.setback.is_some(),
    )
}

#[test]
fn attempts_without_results_keep_the_earlier_ones() {
    let killed = json!({ "event": "exit", "signal": 9 });
    let stopped = json!({ "event": "stopped", "step": 20, "train_time": 2 });
    for later in [
        vec![attempt(2, Some(20), 5), failed()],
        vec![attempt(2, Some(20), 5), training(), batch(21), failed()],
        vec![
            attempt(2, Some(20), 5),
            training(),
            batch(21),
            killed.clone(),
        ],
        vec![attempt(2, Some(20), 5), checkpoint(20), stopped],
        // An attempt that did not start, and a second attempt whose end is not in the log.
        vec![json!({ "event": "exit", "code": 127 })],
        vec![attempt(2, Some(20), 5), attempt(3, Some(20), 5), failed()],
        vec![
            attempt(2, Some(20), 5),
            failed(),
            attempt(3, Some(20), 5),
            killed,
        ],
        vec![
            json!({ "event": "start_over" }),
            attempt(2, None, 5),
            training(),
            batch(1),
            failed(),
        ],
    ] {
        let state = fold([finished(), later.clone()].concat());
        assert_eq!(
            status_and_results(&state),
            (Status::Finished, Some(0.75), vec![1, 2], true),
            "{later:?}"
        );
        assert!(state.awaits_change, "its change still waits: {later:?}");
        assert!(state.frozen.is_some(), "{later:?}");
    }
}

#[test]
fn attempts_with_results_replace_the_earlier_ones() {
    let later = vec![
        attempt(2, Some(20), 5),
        training(),
        batch(21),
        epoch(3),
        checkpoint(30),
        failed(),
    ];
    let state = fold([finished(), later].concat());
    assert_eq!(
        status_and_results(&state),
        (Status::Failed, None, vec![1, 2, 3], false)
    );
    // A checkpoint within an epoch replaces the results.
    let state = fold(
        [
            finished(),
            vec![
                attempt(2, Some(20), 5),
                training(),
                batch(21),
                checkpoint(21),
                failed(),
            ],
        ]
        .concat(),
    );
    assert_eq!(
        status_and_results(&state),
        (Status::Failed, None, vec![1, 2], false)
    );
    // After a start from zero, the first epoch replaces the results.
    let over = vec![
        json!({ "event": "start_over" }),
        attempt(2, None, 5),
        training(),
        batch(1),
    ];
    let put_aside = json!({ "event": "put_aside", "folder": "ckpt.before-1" });
    let before = fold([finished(), over.clone()].concat());
    assert_eq!(
        (
            before.epochs.len(),
            before.test.is_some(),
            before.starts_over
        ),
        (2, true, true)
    );
    let state = fold(
        [
            finished(),
            over,
            vec![put_aside, epoch(1), checkpoint(10), failed()],
        ]
        .concat(),
    );
    assert_eq!(
        status_and_results(&state),
        (Status::Failed, None, vec![1], false)
    );
    assert!(!state.starts_over);
    // The next successful attempt ends a setback.
    let end = json!({ "event": "finished", "train_time": 2, "stopped_early": false });
    let again = vec![
        attempt(2, Some(20), 5),
        failed(),
        attempt(3, Some(20), 5),
        training(),
        epoch(3),
        checkpoint(30),
        end,
    ];
    let state = fold([finished(), again].concat());
    assert_eq!(
        status_and_results(&state),
        (Status::Finished, None, vec![1, 2, 3], false)
    );
    assert!(!state.awaits_change);
}

#[test]
fn unreadable_runs_are_not_lost() {
    let state = fold([]);
    assert_eq!(state.status(Liveness::Unknown), Status::Unreadable);
    assert_eq!(state.status(Liveness::Free), Status::Lost);
    assert_eq!(
        fold(finished()).status(Liveness::Unknown),
        Status::Finished,
        "the epochs stay"
    );
}

#[test]
fn starting_over_says_where_the_earlier_checkpoints_are() {
    for (folder, said) in [
        (
            "ckpt.before-1",
            "the earlier checkpoints are in ckpt.before-1",
        ),
        ("", "there were no earlier checkpoints"),
    ] {
        let state = fold([json!({ "event": "put_aside", "folder": folder })]);
        let notes: Vec<String> = state.notes.into_iter().map(|note| note.text).collect();
        assert_eq!(notes, [format!("starts over; {said}")]);
    }
}
