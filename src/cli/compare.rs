//! `warmstart compare`

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use warmstart_schema::run::RunId;

use super::{Context, Exit, names, output, shown};
use crate::compare::{Format, Selection, render, table};
use crate::query::Subject;
use crate::store::experiments;

/// Print the study's table: a row a run, the published row below its experiment
///
/// Accuracies and losses are those of the best epoch, whose checkpoint was measured on the test images; the time is that
/// of the whole training. Without runs: of each experiment the newest run that is done, or the newest where none is.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Ids or experiments of runs
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// Every run, not only one of each experiment
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    #[command(flatten)]
    filter: names::FilterArgument,
    /// How to write the table [default: by the name of the output file, else table]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write into this file instead
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn compare(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let query = arguments.filter.query()?;
    let (_, runs) = context.runs();
    let named: Vec<RunId> =
        arguments.runs.iter().map(|name| Ok(names::run(&runs, name)?.id.clone())).collect::<anyhow::Result<_>>()?;
    let selection = match (named.is_empty(), arguments.all) {
        (false, _) => Selection::Runs(&named),
        (true, true) => Selection::All,
        (true, false) => Selection::Newest,
    };
    // The files only give the order: runs can be compared where there are none.
    let order = experiments(&context.experiments).unwrap_or_default();
    let mut table = table(&runs, &order, selection);
    table.rows.retain(|row| runs.get(&row.run).is_some_and(|run| query.matches(&Subject::of_run(run))));
    let by_name = arguments.output.as_deref().and_then(Format::of_file);
    let default = if context.json { Format::Json } else { Format::Table };
    let format = arguments.format.or(by_name).unwrap_or(default);
    if table.rows.is_empty() && format == Format::Table {
        output::note(context, &format!("there is no run in {} to compare", shown(&context.checkpoints)));
        return Ok(Exit::Done);
    }
    let text = render(&table, format);
    match &arguments.output {
        None => output::answer(&text)?,
        Some(path) => {
            fs::write(path, text).with_context(|| format!("{} cannot be written", shown(path)))?;
            output::note(context, &format!("{} rows written to {}", table.rows.len(), shown(path)));
        }
    }
    Ok(Exit::Done)
}
