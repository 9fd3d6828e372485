//! `warmstart compare`

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use warmstart_schema::run::RunId;
use warmstart_schema::storage::{Disk, replace};
use warmstart_schema::text;

use super::{Context, Exit, names, output, shown};
use crate::compare::{At, Baseline, Column, Columns, Format, Options, Selection, Table, config_fields, render, table};
use crate::edit;
use crate::failure::{Failure, Kind};
use crate::files;
use crate::store::{Run, Runs, experiments};

/// Print the study's table: a row a run, the published row below its experiment
///
/// Accuracies and losses are those of the best epoch, whose checkpoint was measured on the test images; the time is that
/// of the whole training. Without runs: of each experiment the newest run that is done, or the newest where none is.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[expect(clippy::doc_markdown, reason = "`--help` shows it as it stands here")]
pub struct Arguments {
    /// Ids or experiments of runs
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// Every run, not only one of each experiment
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    #[command(flatten)]
    filter: names::FilterArgument,
    /// The better one first: val_acc, train_time, delta_test_acc, experiment, train.batch_size, …
    #[arg(long, value_name = "COLUMN")]
    sort: Option<Column>,
    /// The other way round
    #[arg(long)]
    reverse: bool,
    /// Which epoch's accuracies and losses
    #[arg(long, value_name = "WHICH", default_value = "best-epoch")]
    figures: At,
    /// Only columns in which these runs differ, fields of their experiments too
    #[arg(long, conflicts_with_all = ["columns", "config"])]
    differing: bool,
    /// The fields in which their experiments differ, instead of figures; `--transpose` puts the runs side by side
    #[arg(long, conflicts_with = "columns")]
    config: bool,
    /// These columns, in this order: experiment,run,test_acc,train.optimizer.learning_rate,…
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<Column>,
    /// Differences to this run, or to the `published` figures of each
    #[arg(long, value_name = "RUN")]
    baseline: Option<String>,
    /// Runs that are done and differ only in their seed as one row: mean ± standard deviation (how many)
    #[arg(long)]
    seeds: bool,
    /// Runs side by side instead of one below the other
    #[arg(long)]
    transpose: bool,
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

pub fn compare(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (table, format) = answer(context, arguments)?;
    if table.rows.is_empty() && format == Format::Table {
        let (_, runs) = context.runs();
        output::note(context, &names::no_run(context, &runs, &arguments.filter.query()?));
        return Ok(Exit::Done);
    }
    match &arguments.output {
        None => output::answer(&render(&table, format, output::width()))?,
        Some(path) => {
            write(path, render(&table, format, None).as_bytes(), arguments.overwrite)?;
            output::note(context, &format!("{} rows written to {}", table.rows.len(), shown(path)));
        }
    }
    Ok(Exit::Done)
}

/// The table, and how it is to be written.
pub fn answer(context: &Context, arguments: &Arguments) -> anyhow::Result<(Table, Format)> {
    // A wrong name is refused before anything is read.
    let format = format(context, arguments)?;
    let (_, runs) = context.runs();
    let options = options(arguments, &runs)?;
    // The files only give the order: runs can be compared where there are none.
    let files = experiments(&context.experiments).unwrap_or_default();
    Ok((table(&runs, &files, &options), format))
}

/// The format that is asked for: by an option, by the name of the output file, or of the terminal.
fn format(context: &Context, arguments: &Arguments) -> Result<Format, Failure> {
    let by_name = arguments.output.as_deref().map(|path| (path, Format::of_file(path)));
    match (arguments.format, by_name) {
        (Some(format), _) | (None, Some((_, Some(format)))) => Ok(format),
        (None, _) if context.json => Ok(Format::Json),
        (None, None) => Ok(Format::Table),
        (None, Some((path, None))) => {
            let what = format!("the name {} does not say a format", shown(path));
            Err(Failure::new(Kind::Input, what).help(format!("name it {}, or add --format", Format::endings())))
        }
    }
}

/// What the arguments ask for, once names are runs and columns are known.
fn options(arguments: &Arguments, runs: &Runs) -> anyhow::Result<Options> {
    let named: Vec<RunId> =
        arguments.runs.iter().map(|name| Ok(names::run(runs, name)?.id.clone())).collect::<anyhow::Result<_>>()?;
    for column in arguments.columns.iter().chain(&arguments.sort) {
        check_column(column, runs)?;
    }
    Ok(Options {
        selection: match (named.is_empty(), arguments.all) {
            (false, _) => Selection::Runs(named),
            (true, true) => Selection::All,
            (true, false) => Selection::Newest,
        },
        filter: arguments.filter.query()?,
        sort: arguments.sort.clone(),
        reversed: arguments.reverse,
        figures: arguments.figures,
        columns: match &arguments.columns {
            _ if arguments.differing => Columns::Differing,
            _ if arguments.config => Columns::Config,
            columns if columns.is_empty() => Columns::Standard,
            columns => Columns::Named(columns.clone()),
        },
        baseline: match arguments.baseline.as_deref() {
            None => Baseline::None,
            Some("published") => Baseline::Published,
            Some(name) => Baseline::Run(names::run(runs, name)?.id.clone()),
        },
        seeds: arguments.seeds,
        transposed: arguments.transpose,
    })
}

/// A column that no table and no run's experiment has is a mistake.
fn check_column(column: &Column, runs: &Runs) -> anyhow::Result<()> {
    let Column::Config(name) = column else { return Ok(()) };
    let mut known: Vec<String> = runs
        .iter()
        .filter_map(|run: &Run| run.experiment.as_deref())
        .flat_map(config_fields)
        .map(|field| field.0)
        .collect();
    known.extend(Column::own().iter().map(Column::key));
    known.sort_unstable();
    known.dedup();
    if known.contains(name) || edit::settings().contains(name) {
        return Ok(());
    }
    let name = text::line(name, 80);
    let near = text::closest(&name, known.iter().map(String::as_str));
    let help = near.map_or_else(|| format!("known are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
    Err(Failure::new(Kind::Input, format!("no column is called `{name}`")).help(help).into())
}

/// Writes a new file, or replaces one as a whole where that was asked for.
pub fn write(path: &Path, content: &[u8], overwrite: bool) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", shown(path));
    if overwrite {
        // Its folder is synced too, and needs a name for that.
        let path = std::path::absolute(path).with_context(cannot)?;
        return replace(&Disk, &path, content).with_context(cannot);
    }
    match files::create(path, content) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let help = "name another file, or add --overwrite to replace it";
            Err(Failure::new(Kind::Input, format!("{} is there already", shown(path))).help(help).into())
        }
        written => written.with_context(cannot),
    }
}
