//! `warmstart compare`

use std::path::PathBuf;

use clap::Args;

use warmstart_report::compare::{Format, Selection, ShownArguments, Table, render, table};
use warmstart_report::format::plural;
use warmstart_report::query::Subject;
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::store::{Run, Runs, experiments};

use super::output::Overwrite;
use super::{Context, Exit, output, shown};

/// Print the study's table: one row per run, the published row below its experiment
///
/// Accuracies and losses are those of the best epoch, whose checkpoint was measured on the test images; the time is that
/// of the whole training. If no RUN is given, each experiment is shown by its newest finished run, or by its
/// newest run if none is finished.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    shown: ShownArguments,
    /// How to write the table [default: by the name of the output file, else table]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write into this file, which must not be there yet
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the output file if it is there
    #[arg(long, requires = "output")]
    overwrite: bool,
}

pub(super) fn compare(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    // Refuse a wrong name before reading any file.
    let format = format(context, arguments)?;
    let (_, runs) = context.runs();
    let table = build_table(context, &runs, arguments)?;
    if table.rows.is_empty() && format == Format::Table && arguments.output.is_none() {
        output::note(context, &no_row(context, &runs, arguments)?);
        return Ok(Exit::Done);
    }
    match &arguments.output {
        None => output::answer(&render(&table, format, output::width()))?,
        Some(path) => {
            output::write_file(
                path,
                render(&table, format, None).as_bytes(),
                Overwrite::of_flag(arguments.overwrite),
            )?;
            // Formats differ in their rows: JSON has no published ones, and a transposed table has none at all.
            let runs: usize = table.measured().map(|row| row.runs.len()).sum();
            output::note(
                context,
                &format!(
                    "comparison of {} written to {}",
                    plural(runs, "run"),
                    shown(path)
                ),
            );
        }
    }
    Ok(Exit::Done)
}

/// Why there is nothing to compare: there is no run, or the filter fits none of the runs that the table is about.
fn no_row(context: &Context, runs: &Runs, arguments: &Arguments) -> Result<String, Failure> {
    let options = arguments.shown.options(runs)?;
    let fits = |run: &&Run| options.filter.matches(&Subject::of_run(run));
    let count = runs.iter().filter(fits).count();
    Ok(match options.selection {
        _ if runs.is_empty() => super::runs::no_run(context, runs, &options.filter),
        Selection::Runs(_) | Selection::Groups(_) => {
            "none of the named runs fits the filter".to_owned()
        }
        Selection::Newest if count > 0 => format!(
            "the filter fits none of the runs in this table; `--all` compares all that fit ({count})"
        ),
        // The table has archived runs too.
        Selection::Newest | Selection::All => {
            format!("no run in {} fits the filter", shown(&context.checkpoints))
        }
    })
}

fn build_table(context: &Context, runs: &Runs, arguments: &Arguments) -> anyhow::Result<Table> {
    let options = arguments.shown.options(runs)?;
    // The files only give the order, so runs compare without them.
    let files = experiments(&context.experiments).unwrap_or_default();
    Ok(table(runs, &files, &options))
}

/// The format: from the option, from the name of the output file, or the terminal's.
fn format(context: &Context, arguments: &Arguments) -> Result<Format, Failure> {
    let by_name = arguments
        .output
        .as_deref()
        .map(|path| (path, Format::of_file(path)));
    match (arguments.format, by_name) {
        (Some(format), _) | (None, Some((_, Some(format)))) => Ok(format),
        (None, _) if context.json => Ok(Format::Json),
        (None, None) => Ok(Format::Table),
        (None, Some((path, None))) => {
            let what = format!("the name {} does not say a format", shown(path));
            Err(Failure::new(Kind::Input, what)
                .help(format!("name it {}, or add --format", Format::endings())))
        }
    }
}
