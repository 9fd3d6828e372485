//! `warmstart stop`

use clap::Args;
use serde_json::json;

use super::{Context, Exit, output};
use warmstart_runs::actions::{self, Stop};
use warmstart_runs::names;

/// Ask a run to save and exit, or remove it from the queue
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Id or experiment of a run
    run: String,
    /// Leave at once, without saving what came after the last checkpoint
    #[arg(long)]
    now: bool,
}

pub(super) fn stop(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (_, runs) = context.runs();
    let run = names::run(&runs, &arguments.run)?;
    let stop = actions::stop(&context.checkpoints, run, arguments.now)?;
    if context.json {
        let result = match stop {
            Stop::Unqueued => "unqueued",
            Stop::Asked => "asked",
            Stop::Continued => "continued",
        };
        output::answer_json(&json!({ "run": run.id, "result": result }))?;
    } else {
        let said = match stop {
            Stop::Unqueued => "taken out of the queue".to_owned(),
            Stop::Continued if arguments.now => {
                "was suspended (SIGSTOP): it continues (SIGCONT) and stops without saving"
                    .to_owned()
            }
            Stop::Continued => {
                "was suspended (SIGSTOP): it continues (SIGCONT), saves and stops".to_owned()
            }
            Stop::Asked if arguments.now => "leaves now, without saving".to_owned(),
            Stop::Asked => format!(
                "asked to save and leave; `warmstart resume {}` resumes it",
                run.id
            ),
        };
        output::answer(
            &context
                .folders
                .in_commands(&format!("{}: {said}\n", run.id)),
        )?;
    }
    Ok(Exit::Done)
}
