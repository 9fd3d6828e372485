//! Resuming a run: whether that is exact, and what a change of its experiment means.

use anyhow::{Context, Result};
use warmstart_runs::change;
use warmstart_runs::checkpoint::{self, Conditions, Content, State};
use warmstart_runs::run::RunDir;
use warmstart_runs::storage::Disk;
use warmstart_schema::event::Event;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::{Outcome, RunState};

use super::context::doing;
use crate::failure::UserError;
use crate::reporter::Reporter;

/// What to do where a run's checkpoints cannot be had.
const GONE: &str = "bring them back, or start over with `warmstart resume RUN --from-start`, which keeps what is there";

/// The checkpoint to resume from, and why newer ones were skipped. None for a run that has never saved or starts over. An error
/// where the log knows of a checkpoint that is missing.
pub(super) fn saved(run: &RunDir, before: &RunState) -> Result<(Option<Content>, Vec<String>)> {
    if before.starts_over {
        return Ok((None, Vec::new()));
    }
    let found = checkpoint::newest(&Disk, run).and_then(|(saved, skipped)| {
        match (&saved, &before.checkpoint) {
            (None, Some((_, known))) => {
                Err(checkpoint::missing(&Disk, run, "its log knows", known.step))
            }
            _ => Ok((saved, skipped)),
        }
    });
    found.map_err(|error| match error {
        checkpoint::Error::Missing { .. } | checkpoint::Error::NoneReadable { .. } => {
            UserError::input(error.to_string(), GONE)
        }
        other => other.into(),
    })
}

/// Puts the earlier checkpoints aside. Call it last, once nothing can fail before training.
pub(super) fn put_aside(run: &RunDir, reporter: &mut Reporter) -> Result<()> {
    let folder =
        checkpoint::put_aside(&Disk, run).with_context(doing("putting aside", run, "ckpt"))?;
    reporter.emit(&Event::PutAside {
        folder: folder.unwrap_or_default(),
    });
    Ok(())
}

/// Whether `dataset.path` was changed since the checkpoint to a folder of other pictures.
pub(super) fn is_folder_replaced(
    saved: Option<&Content>,
    before: &RunState,
    conditions: &Conditions,
) -> bool {
    let Some(Content { state, .. }) = saved else {
        return false;
    };
    let is_moved = before
        .changes
        .iter()
        .filter(|changed| changed.step >= state.step)
        .any(|changed| {
            changed
                .fields
                .iter()
                .any(|change| change.field == "dataset.path")
        });
    is_moved && conditions.has_other_pictures(&state.conditions)
}

/// The error of a folder that holds other pictures.
pub(super) fn replaced_pictures_error(experiment: &Experiment) -> anyhow::Error {
    let path = experiment
        .dataset
        .path()
        .unwrap_or(std::path::Path::new(""))
        .display()
        .to_string();
    UserError::input(
        format!(
            "the pictures are not those that the run began with, by their names and sizes: {path}"
        ),
        "name the folder that they were moved to with `warmstart resume RUN --set dataset.path=FOLDER`; for other pictures, train a new run",
    )
}

/// Adds to an error of a run with checkpoints how to name the moved folder.
pub(super) fn with_path_hint(error: anyhow::Error, before: &RunState) -> anyhow::Error {
    match error.downcast::<UserError>() {
        Ok(blame) if before.checkpoint.is_some() => UserError {
            help: format!(
                "bring the pictures back, or say where they are: `warmstart resume RUN --set dataset.path=FOLDER`; {}",
                blame.help
            ),
            ..blame
        }
        .into(),
        Ok(blame) => blame.into(),
        Err(error) => error,
    }
}

/// The checkpoint with this machine and experiment, and the reasons why its result may differ from an unbroken run's.
pub(super) fn resumed(
    saved: Content,
    before: &RunState,
    conditions: &Conditions,
    experiment: &Experiment,
) -> Content {
    let not_exact = not_exact(&saved.state, before, conditions, experiment);
    // More patience continues a run that had stopped early.
    let stopped_early = saved
        .state
        .progress
        .is_patience_exhausted(experiment.train.early_stopping.as_ref());
    Content {
        state: State {
            conditions: conditions.clone(),
            not_exact,
            stopped_early,
            ..saved.state
        },
        ..saved
    }
}

fn not_exact(
    saved: &State,
    before: &RunState,
    conditions: &Conditions,
    experiment: &Experiment,
) -> Vec<String> {
    let then = (saved.step, saved.conditions.experiment.as_str());
    let mut reasons = conditions.differences(&saved.conditions);
    reasons.extend(change::consequences(
        &before.changes,
        then,
        &conditions.experiment,
        experiment,
    ));
    if conditions.device != "cpu" && !experiment.train.deterministic {
        reasons.push(
            "a GPU may sum in another order each time without train.deterministic: true".to_owned(),
        );
    }
    // A run that was inexact once stays so.
    let mut all = saved.not_exact.clone();
    for reason in reasons {
        if !all.contains(&reason) {
            all.push(reason);
        }
    }
    all
}

/// The note about a finished run that is extended; none for other runs.
pub(super) fn extension_note(before: &RunState, epochs: u32) -> Option<String> {
    if before.starts_over {
        return None;
    }
    let last = before
        .epochs
        .last()
        .filter(|_| matches!(before.outcome, Some(Outcome::Finished { .. })))?;
    let (epoch, step) = (last.epoch, last.step);
    Some(format!(
        "was done after epoch {epoch} (step {step}); continues to epoch {epochs}, then tests again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    use warmstart_schema::event::{Change, Changed};

    fn saved(pictures: &str) -> Content {
        let state = State {
            step: 10,
            epoch: 1,
            train_time: 1.0,
            conditions: with(pictures),
            ..State::default()
        };
        Content {
            state,
            model: Vec::new(),
            optimizer: Vec::new(),
        }
    }

    fn with(pictures: &str) -> Conditions {
        Conditions {
            pictures: pictures.to_owned(),
            ..Conditions::default()
        }
    }

    #[test]
    fn a_moved_folder_is_refused_only_if_its_pictures_are_known_to_differ() {
        let moved = Change {
            field: "dataset.path".to_owned(),
            from: "/old".to_owned(),
            to: "/new".to_owned(),
        };
        let before = RunState {
            changes: vec![Changed {
                step: 10,
                fields: vec![moved],
                from: String::new(),
                to: String::new(),
            }],
            ..RunState::default()
        };
        let is_replaced = |then, now| is_folder_replaced(Some(&saved(then)), &before, &with(now));
        assert!(is_replaced("a", "b"));
        assert!(!is_replaced("a", "a"));
        // A checkpoint of an earlier version has no hash, and a folder may be impossible to list.
        assert!(!is_replaced("", "b"));
        assert!(!is_replaced("a", ""));
    }
}
