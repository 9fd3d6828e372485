//! Taking a run up again: how far that is exact, and what a change of its experiment means for where it stands.

use warmstart_schema::change;
use warmstart_schema::checkpoint::{Content, Machine, State};
use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::{Outcome, RunState};

/// A checkpoint under this attempt's machine and experiment, with the reasons why what comes of it may differ from an unbroken
/// run that was planned so from its start.
pub fn taken_up(saved: Content, before: &RunState, machine: &Machine, experiment: &Experiment) -> Content {
    let not_exact = not_exact(&saved.state, before, machine, experiment);
    // More patience revives a run that had lost it.
    let stopped_early = saved.state.progress.has_stopped(experiment.train.early_stopping.as_ref());
    Content { state: State { machine: machine.clone(), not_exact, stopped_early, ..saved.state }, ..saved }
}

fn not_exact(saved: &State, before: &RunState, machine: &Machine, experiment: &Experiment) -> Vec<String> {
    let then = (saved.step, saved.machine.experiment.as_str());
    let mut reasons = machine.differences(&saved.machine);
    reasons.extend(change::consequences(&before.changes, then, &machine.experiment, experiment));
    if machine.device != "cpu" {
        reasons.push("kernels on a GPU may sum in another order each time".to_owned());
    }
    // What was not exact once does not become so again.
    let mut all = saved.not_exact.clone();
    for reason in reasons {
        if !all.contains(&reason) {
            all.push(reason);
        }
    }
    all
}

/// What is said of a run that was done and goes on; nothing of any other.
pub fn extended(before: &RunState, epochs: u32) -> Option<String> {
    let last = before.epochs.last().filter(|_| matches!(before.outcome, Some(Outcome::Finished { .. })))?;
    let (epoch, step) = (last.epoch, last.step);
    Some(format!(
        "was done after epoch {epoch} (step {step}); goes on to epoch {epochs}, then the test is measured again"
    ))
}
