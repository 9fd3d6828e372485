//! Diagnostics of a run, in sentences: what is wrong with it, or seems so, and what to do.

mod learning;
mod machine;

use warmstart_schema::event::Level;
use warmstart_schema::state::Status;

use crate::format::plural;
use warmstart_runs::store::{Run, RunProblem};

/// A sentence and its severity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub level: Level,
    pub text: String,
}

/// What a reader can do about an alert in the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Stop,
    Resume,
    /// Open the log, with what the worker printed.
    Log,
}

/// The end of a sentence that names the key of an action, and what it does: `; u resumes it`. Empty if no key has the action.
pub type Hint<'a> = &'a dyn Fn(Action, &str) -> String;

/// A rule: what to report about a run at a time.
type Rule = fn(&Run, f64, Hint<'_>) -> Option<Alert>;

/// All that is to report about a run at a time, the worst first. The user can bind other keys, so `hint` names them.
pub fn alerts(run: &Run, now: f64, hint: Hint<'_>) -> Vec<Alert> {
    let first: [Rule; 3] = [unreadable, trouble, moved_though_frozen];
    let of_learning: [Rule; 7] = [
        learning::not_a_number,
        learning::skipped,
        learning::diverges,
        learning::guesses,
        learning::learns_nothing,
        learning::overfits,
        learning::stuck,
    ];
    let rest: [Rule; 7] = [
        machine::heartbeat_lost,
        machine::nearly_full,
        machine::unsaved,
        machine::idle,
        damaged,
        not_exact,
        learning::uneven,
    ];
    // Until an attempt from the beginning has an epoch, the epochs are of an earlier attempt.
    let is_later = run
        .state
        .attempt
        .as_ref()
        .is_some_and(|attempt| attempt.number > 1);
    let is_earlier = run.status().is_live()
        && is_later
        && run
            .state
            .begins
            .as_ref()
            .is_some_and(|begins| begins.step == 0);
    // A probe does not learn over time: its rows are independent fits.
    let of_learning = if is_earlier || run.unit() == "strength" {
        &[][..]
    } else {
        &of_learning[..]
    };
    let rules = first.iter().chain(of_learning).chain(&rest);
    let mut alerts: Vec<Alert> = rules.filter_map(|rule| rule(run, now, hint)).collect();
    alerts.sort_by_key(|alert| match alert.level {
        Level::Error => 0,
        Level::Warning => 1,
        Level::Info => 2,
    });
    alerts
}

#[expect(clippy::unnecessary_wraps, reason = "what every rule returns")]
fn alert(level: Level, text: String) -> Option<Alert> {
    Some(Alert { level, text })
}

fn unreadable(run: &Run, _: f64, _: Hint<'_>) -> Option<Alert> {
    // The run's trouble is the same error, with what to do.
    if run.status() == Status::Unreadable {
        return None;
    }
    let error = run.info.as_ref().err()?;
    alert(Level::Error, format!("run.json cannot be read: {error}"))
}

fn trouble(run: &Run, now: f64, hint: Hint<'_>) -> Option<Alert> {
    let RunProblem { what, help } = run.trouble(now)?;
    let is_in_doubt = matches!(run.status(), Status::Waiting | Status::Unclear);
    let level = if run.status().is_stuck() || is_in_doubt {
        Level::Warning
    } else {
        Level::Error
    };
    let help = if help.is_empty() {
        String::new()
    } else {
        format!("; {help}")
    };
    let keys = if run.status() == Status::Lost {
        let log = hint(Action::Log, "shows what the worker printed last");
        hint(Action::Resume, "resumes it") + &log
    } else {
        String::new()
    };
    alert(level, format!("{what}{help}{keys}"))
}

fn moved_though_frozen(run: &Run, _: f64, _: Hint<'_>) -> Option<Alert> {
    let proof = run
        .state
        .frozen
        .as_ref()
        .filter(|proof| !proof.unchanged())?;
    alert(
        Level::Error,
        format!(
            "something in the {} frozen tensors moved during training: do not trust this run",
            proof.tensors
        ),
    )
}

fn not_exact(run: &Run, _: f64, _: Hint<'_>) -> Option<Alert> {
    let reasons = &run.state.attempt.as_ref()?.not_exact;
    (!reasons.is_empty()).then(|| {
        let reasons = warmstart_schema::text::line(&reasons.join("; "), 300);
        alert(Level::Info, format!("resumed, but not exactly: {reasons}"))
    })?
}

fn damaged(run: &Run, _: f64, _: Hint<'_>) -> Option<Alert> {
    let lines = run.state.damaged_lines;
    (lines > 0).then(|| {
        alert(
            Level::Warning,
            format!("{} of the event log cannot be read", plural(lines, "line")),
        )
    })?
}
