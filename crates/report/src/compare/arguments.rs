//! The command line's options of a comparison. [`Options::command`] writes them.

use clap::Args;
use warmstart_schema::run_id::RunId;
use warmstart_schema::text;

use super::{Baseline, Column, Columns, FiguresOf, Options, Selection, config_fields};
use crate::edit;
use crate::query::{FilterOption, Query};
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::names::{self, Named};
use warmstart_runs::store::{Run, Runs};

/// What a comparison shows.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[expect(clippy::doc_markdown, reason = "`--help` shows it literally")]
pub struct ShownArguments {
    /// Ids or experiments of runs
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// Every run, not only one of each experiment
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    #[command(flatten)]
    filter: FilterOption,
    /// The better one first: val_acc, train_time, delta_test_acc, experiment, train.batch_size, …
    #[arg(long, value_name = "COLUMN")]
    sort: Option<Column>,
    /// Reverse the order
    #[arg(long)]
    reverse: bool,
    /// Which epoch's accuracies and losses
    #[arg(long, value_name = "WHICH", default_value = "best-epoch")]
    figures: FiguresOf,
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
    /// The named runs stand for their groups, as the names of experiments with `seeds` or `grid` do. Of two groups a paired
    /// t-test by equal seeds is printed below
    #[arg(long, requires = "runs")]
    groups: bool,
    /// The members of each group below its row
    #[arg(long)]
    members: bool,
    /// Runs side by side instead of one below the other
    #[arg(long)]
    transpose: bool,
}

impl ShownArguments {
    /// The filter, or the mistake in it.
    pub fn query(&self) -> Result<Query, Failure> {
        self.filter.query()
    }

    /// The options with run names and columns resolved.
    pub fn options(&self, runs: &Runs) -> Result<Options, Failure> {
        let all_named: Vec<Named<'_>> = self
            .runs
            .iter()
            .map(|name| names::named(runs, name))
            .collect::<Result<_, Failure>>()?;
        let of_groups: Vec<bool> = all_named
            .iter()
            .filter(|named| named.run.member().is_some())
            .map(|named| self.groups || named.is_experiment)
            .collect();
        let is_groups = self.groups || of_groups.iter().any(|is_group| *is_group);
        if of_groups.contains(&true) && of_groups.contains(&false) {
            return Err(Failure::new(
                Kind::Input,
                "a group and a single member of a group are named together",
            )
            .help(
                "name groups by their experiments and add --groups, or name all runs by their ids",
            ));
        }
        let named: Vec<RunId> = all_named.iter().map(|named| named.run.id.clone()).collect();
        for column in self.columns.iter().chain(&self.sort) {
            check_column(column, runs)?;
        }
        Ok(Options {
            selection: match (named.is_empty(), self.all) {
                (false, _) if is_groups => Selection::Groups(named),
                (false, _) => Selection::Runs(named),
                (true, true) => Selection::All,
                (true, false) => Selection::Newest,
            },
            filter: self.filter.query()?,
            sort: self.sort.clone(),
            reversed: self.reverse,
            figures: self.figures,
            columns: match &self.columns {
                _ if self.differing => Columns::Differing,
                _ if self.config => Columns::Config,
                columns if columns.is_empty() => Columns::Standard,
                columns => Columns::Named(columns.clone()),
            },
            baseline: match self.baseline.as_deref() {
                None => Baseline::None,
                Some("published") => Baseline::Published,
                Some(name) => Baseline::Run(names::run(runs, name)?.id.clone()),
            },
            merge_seeds: self.seeds,
            members: self.members,
            transposed: self.transpose,
        })
    }
}

/// Refuses a column that neither a table nor a run's experiment has.
fn check_column(column: &Column, runs: &Runs) -> Result<(), Failure> {
    let Column::Config(name) = column else {
        return Ok(());
    };
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
    let help = near.map_or_else(
        || format!("known are {}", known.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    Err(Failure::new(Kind::Input, format!("no column is called `{name}`")).help(help))
}
