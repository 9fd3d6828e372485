//! `warmstart resume`

use clap::Args;
use serde_json::json;

use super::{Context, Exit, follow, output};
use warmstart_runs::actions::{self, ResumeFrom};
use warmstart_runs::names;

/// Resume a stopped, failed or lost run from its last checkpoint, and follow it
///
/// `--set train.epochs=20` extends a finished run. Its test is measured again at the end. A halved run, which a round of its group
/// has stopped, trains to its end.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Id or experiment of a run
    run: String,
    /// Change it first: `train.epochs`, `train.optimizer.learning_rate`, `train.early_stopping.patience`,
    /// `train.checkpoint.keep`, `train.checkpoint.every_minutes`, `train.on_nan`, `train.devices`, or `dataset.path` where its
    /// pictures have moved. The change is recorded
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// Start over from the beginning. Its checkpoints are set aside, and its results stay until new ones replace them
    #[arg(long)]
    from_start: bool,
    /// Only start it
    #[arg(long)]
    detach: bool,
}

pub(super) fn resume(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    context.ensure_launcher()?;
    let (watcher, runs) = context.runs();
    let run = names::run(&runs, &arguments.run)?;
    let id = run.id.clone();
    let signals = (!arguments.detach).then(follow::listen).transpose()?;
    let from = if arguments.from_start {
        ResumeFrom::Start
    } else {
        ResumeFrom::Checkpoint
    };
    output::note_job(context, run.label(), run.experiment.as_deref());
    actions::resume_from(&context.checkpoints, run, &arguments.set, from)?;
    output::warn_of_session(context);
    output::warn_if_paused(context);
    if let Some(signals) = signals {
        return follow::follow(context, signals, (watcher, runs), vec![id]);
    }
    if context.json {
        output::answer_json(&json!({ "run": id }))?;
    } else {
        output::answer(&format!("{id}\n"))?;
    }
    Ok(Exit::Done)
}
