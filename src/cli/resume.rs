//! `warmstart resume`

use clap::Args;
use serde_json::json;

use super::{Context, Exit, follow, names, output};
use crate::actions;

/// Take a stopped, failed or lost run up again from its last checkpoint, and follow it
#[derive(Debug, Args)]
pub struct Arguments {
    /// Id or experiment of a run
    run: String,
    /// Only start it
    #[arg(long)]
    detach: bool,
}

pub fn resume(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (watcher, runs) = context.runs();
    let run = names::run(&runs, &arguments.run)?;
    let id = run.id.clone();
    let signals = (!arguments.detach).then(follow::listen).transpose()?;
    actions::resume(&context.checkpoints, run)?;
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
