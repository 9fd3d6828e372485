//! A run as JSON, for `show --json` and for the command at the end of a run.

use std::path::Path;

use serde_json::{Value, json};
use warmstart_schema::event::{ClassFacts, DatasetFacts, Event, Record, now};
use warmstart_schema::state::{Liveness, Outcome};

use crate::params;
use crate::store::{Run, RunProblem, worker_log_tail};

/// How many lines of the worker's log the JSON has.
pub const LOG_LINES: usize = 10;

/// The notes of a run, oldest first.
pub fn notes(run: &Run) -> Vec<String> {
    run.state
        .notes
        .iter()
        .map(|note| note.text.clone())
        .collect()
}

/// A run as JSON, with the last [`LOG_LINES`] lines of its worker's log. Reads that log.
pub fn read(root: &Path, run: &Run) -> Value {
    with_log(run, &worker_log_tail(root, &run.id, LOG_LINES))
}

/// A run as JSON, with these lines of its worker's log.
pub fn with_log(run: &Run, log: &[String]) -> Value {
    let state = &run.state;
    // Serialize through the event, which writes non-finite numbers as text.
    let event = |event: Event| {
        serde_json::to_value(Record { t: 0.0, event }).map_or(Value::Null, without_tags)
    };
    let params = params::of(run);
    let mut whole = json!({
        "run": run.id,
        "experiment": run.exact_label(),
        "stem": run.stem(),
        "state": run.status().as_str(),
        "created": run.info.as_ref().ok().map(|info| info.created),
        "attempt": state.attempt.clone().map(|attempt| event(Event::Attempt(attempt))),
        "dataset": state.dataset.clone().map(|dataset| event(Event::Dataset(exact(dataset)))),
        "epochs": state.epochs.iter().cloned().map(|epoch| event(Event::Epoch(epoch))).collect::<Vec<_>>(),
        "checkpoint": state.checkpoint.clone().map(|(_, checkpoint)| event(Event::Checkpoint(checkpoint))),
        "test": state.test.clone().map(|test| event(Event::Test(test))),
        "train_time": state.train_time(),
        "skipped_steps": state.skipped,
        "heartbeat_stopped": run.liveness == Liveness::HeartbeatLost,
        "total_params": params.map(|params| params.total),
        "trainable_params": params.map(|params| params.trainable),
        "non_trainable_params": params.map(|params| params.non_trainable()),
        "frozen_unchanged": state.frozen.as_ref().map(warmstart_schema::state::FrozenProof::unchanged),
        "weights": state.weights,
        "failure": match state.setback.as_ref().or(state.outcome.as_ref()) {
            Some(Outcome::Failed { kind, error, help }) => json!({ "kind": kind, "error": error, "help": help }),
            _ => Value::Null,
        },
        "trouble": run.trouble(now()).map(|RunProblem { what, help }| json!({ "what": what, "help": help })),
        "notes": notes(run),
        "log": log,
        "settings": run.experiment.as_deref(),
    });
    // Only a member of a group that is halved has them.
    let rounds = run.member().and_then(|member| member.halving.as_ref());
    if let (Some(rounds), Some(object)) = (rounds, whole.as_object_mut()) {
        let decided = state.halvings.iter().cloned();
        let decided: Vec<Value> = decided.map(|place| event(Event::Halved(place))).collect();
        let halving =
            json!({ "epochs": rounds.epochs, "rounds": decided, "waits_at": run.round() });
        object.insert("halving".to_owned(), halving);
    }
    // Only a probe has them.
    if let (Some(neighbours), Some(object)) = (state.neighbours, whole.as_object_mut()) {
        object.insert(
            "neighbours".to_owned(),
            event(Event::Neighbours(neighbours)),
        );
    }
    whole
}

/// The dataset with its classes named as their folders are, not as screens show them.
fn exact(dataset: DatasetFacts) -> DatasetFacts {
    let named = |class: ClassFacts| ClassFacts {
        name: class.exact.unwrap_or(class.name),
        images: class.images,
        exact: None,
    };
    let (smallest, largest) = (dataset.smallest.map(named), dataset.largest.map(named));
    DatasetFacts {
        smallest,
        largest,
        ..dataset
    }
}

fn without_tags(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.remove("t");
        object.remove("event");
    }
    value
}
