//! Judgements on a run, in sentences: what is wrong with it, or seems so, and what to do.

use warmstart_schema::event::{Level, Phase};
use warmstart_schema::experiment::Monitor;
use warmstart_schema::state::Status;

use super::format::{figure, plural};
use crate::store::{Run, Trouble};

/// Epochs without improvement that are worth a word.
const STUCK: u32 = 3;

/// A sentence and how much it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub level: Level,
    pub text: String,
}

/// All that is to be said of a run at a time, the worst first.
pub fn alerts(run: &Run, now: f64) -> Vec<Alert> {
    let rules = [unreadable, trouble, moved_though_frozen, not_a_number, stuck, not_exact, damaged];
    let mut alerts: Vec<Alert> = rules.iter().filter_map(|rule| rule(run, now)).collect();
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

fn unreadable(run: &Run, _: f64) -> Option<Alert> {
    let error = run.info.as_ref().err()?;
    alert(Level::Error, format!("run.json cannot be read: {error}"))
}

fn trouble(run: &Run, now: f64) -> Option<Alert> {
    let Trouble { what, help } = run.trouble(now)?;
    let level = if run.status().is_stuck() { Level::Warning } else { Level::Error };
    let help = if help.is_empty() { String::new() } else { format!(". {help}") };
    let keys = if run.status() == Status::Lost { "; u resumes it, l shows what the worker printed last" } else { "" };
    alert(level, format!("{what}{help}{keys}"))
}

fn moved_though_frozen(run: &Run, _: f64) -> Option<Alert> {
    let proof = run.state.frozen.as_ref().filter(|proof| !proof.unchanged())?;
    alert(
        Level::Error,
        format!("something in the {} frozen tensors moved during training: do not trust this run", proof.tensors),
    )
}

fn not_a_number(run: &Run, _: f64) -> Option<Alert> {
    // What ended the run says it already.
    if run.status() == Status::Failed {
        return None;
    }
    // Only training has a loss: while features are computed there is none.
    let trains = run.status() == Status::Active(Phase::Training);
    let batch = run.state.batch.as_ref().filter(|batch| trains && !batch.loss.is_finite());
    let of_batch = batch.map(|batch| batch.epoch);
    let of_epoch = run.state.epochs.iter().find(|epoch| !epoch.train_loss.is_finite() || !epoch.val_loss.is_finite());
    let epoch = of_epoch.map(|epoch| epoch.epoch).or(of_batch)?;
    alert(Level::Error, format!("the loss is not a finite number since epoch {epoch}: try a lower learning rate"))
}

fn stuck(run: &Run, _: f64) -> Option<Alert> {
    let (best, last) = (run.state.best_epoch()?, run.state.epochs.last()?);
    let since = last.epoch.saturating_sub(best.epoch);
    let monitor = run.experiment.as_ref().map_or(Monitor::ValLoss, warmstart_schema::experiment::Experiment::monitor);
    let (name, value) = match monitor {
        Monitor::ValLoss => ("loss", best.val_loss),
        Monitor::ValAcc => ("accuracy", best.val_acc),
    };
    let is_open = run.status().is_live() && since >= STUCK;
    let patience = run.experiment.as_ref().and_then(|experiment| experiment.train.early_stopping.as_ref());
    let rule = patience.map_or(String::new(), |rule| format!("; stops after {}", rule.patience));
    is_open.then(|| {
        let best = format!("best {} at {}", figure(Some(value), 4), best.epoch);
        alert(Level::Warning, format!("validation {name} has not improved for {} ({best}){rule}", plural_u32(since)))
    })?
}

fn plural_u32(epochs: u32) -> String {
    plural(usize::try_from(epochs).unwrap_or(usize::MAX), "epoch")
}

fn not_exact(run: &Run, _: f64) -> Option<Alert> {
    let reasons = &run.state.attempt.as_ref()?.not_exact;
    (!reasons.is_empty()).then(|| {
        let reasons = warmstart_schema::text::line(&reasons.join("; "), 300);
        alert(Level::Info, format!("resumed, but not exactly: {reasons}"))
    })?
}

fn damaged(run: &Run, _: f64) -> Option<Alert> {
    let lines = run.state.damaged_lines;
    (lines > 0).then(|| alert(Level::Warning, format!("{} of the event log cannot be read", plural(lines, "line"))))?
}
