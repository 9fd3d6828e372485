//! `warmstart trash`

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use warmstart_runs::run::RunId;

use super::{Context, Exit, output};
use warmstart_report::fit::Column;
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::names;
use warmstart_runs::trash::{self, Trashed};
use warmstart_schema::text;

/// Delete runs so that they can be brought back, bring them back, or remove them for good
///
/// A deleted run waits in checkpoints/.trash/ for seven days. Without a command, lists what waits there.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Move runs to the trash; one that runs, or that a waiting run starts from, is refused
    Put {
        /// Ids or experiments of runs
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<String>,
    },
    /// Bring runs back from the trash
    Restore {
        /// Ids of deleted runs
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<String>,
    },
    /// Remove everything in the trash for good
    Empty,
}

pub(super) fn trash(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.verb {
        None => list(context)?,
        Some(Verb::Put { runs }) => put(context, runs)?,
        Some(Verb::Restore { runs }) => restore(context, runs)?,
        Some(Verb::Empty) => {
            let removed = trash::empty(&context.checkpoints, Duration::ZERO)?;
            if context.json {
                output::answer_json(&json!({ "removed": removed }))?;
            } else {
                output::answer(&format!("{removed} removed for good\n"))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn all(context: &Context) -> anyhow::Result<Vec<Trashed>> {
    trash::list(&context.checkpoints).context("the trash cannot be read")
}

/// Moves runs to the trash; none if one of them must stay.
fn put(context: &Context, names: &[String]) -> anyhow::Result<()> {
    let (_, runs) = context.runs();
    let mut ids: Vec<RunId> = Vec::new();
    for name in names {
        let id = &names::run(&runs, name)?.id;
        // Several names may mean one run.
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    if let Some(obstacle) = trash::obstacle(&runs, &ids) {
        let failure = Failure::new(Kind::Input, obstacle.what);
        return Err(match obstacle.stop {
            Some((id, effect)) => failure.help(format!("`warmstart stop {id}` {effect}")),
            None => failure,
        }
        .into());
    }
    for id in &ids {
        trash::delete(&context.checkpoints, id)?;
        let back = format!("; `warmstart trash restore {id}` brings it back");
        say(context, id, "deleted", &back)?;
    }
    Ok(())
}

/// Brings runs back; none if one of the names is not in the trash.
fn restore(context: &Context, names: &[String]) -> anyhow::Result<()> {
    let all = all(context)?;
    let mut found: Vec<&Trashed> = Vec::new();
    for name in names {
        let trashed = all.iter().find(|trashed| trashed.id.as_str() == name);
        let trashed = trashed.ok_or_else(|| {
            let what = format!("no run in the trash is called `{}`", text::line(name, 80));
            Failure::new(Kind::NotFound, what).help("`warmstart trash` lists what is there")
        })?;
        if !found.contains(&trashed) {
            found.push(trashed);
        }
    }
    for trashed in found {
        trash::restore(&context.checkpoints, trashed)?;
        say(context, &trashed.id, "brought back", "")?;
    }
    Ok(())
}

/// Says what was done to a run; only people read `hint`.
fn say(context: &Context, id: &RunId, result: &str, hint: &str) -> anyhow::Result<()> {
    if context.json {
        output::answer_json(&json!({ "run": id, "result": result }))
    } else {
        let said = format!("{id}: {result}{hint}\n");
        output::answer(&context.folders.in_commands(&said))
    }
}

fn list(context: &Context) -> anyhow::Result<()> {
    let all = all(context)?;
    let deleted = |trashed: &Trashed| {
        let seconds = i64::try_from(trashed.deleted).unwrap_or(i64::MAX);
        jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |at| at.to_string())
    };
    if context.json {
        let rows = all
            .iter()
            .map(|trashed| json!({ "run": trashed.id, "deleted": deleted(trashed) }));
        return output::answer_json(&rows.collect::<Vec<_>>());
    }
    if all.is_empty() {
        output::note(context, "the trash is empty");
        return Ok(());
    }
    let rows = all
        .iter()
        .map(|trashed| [trashed.id.to_string(), deleted(trashed)])
        .collect();
    output::answer(&output::table(
        &[Column::names("run"), Column::words("deleted", 1)],
        rows,
    ))
}
