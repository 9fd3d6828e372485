//! The study's table: a row a run, what it gained over the run that it started from, the published row below its
//! experiment, in every format that it leaves in.
//!
//! A row's losses and accuracies are those of the epoch whose checkpoint was measured on the test images: the best one by
//! the monitored figure. The time is that of the whole training.

mod csv;
mod gain;
mod html;
mod json;
mod latex;
mod lines;
mod markdown;
mod text;

pub use self::gain::Gain;
pub use self::lines::thousands;
use std::str::FromStr;

use warmstart_schema::architecture::ParamCounts;
use warmstart_schema::experiment::Reference;
use warmstart_schema::run::RunId;
use warmstart_schema::state::Status;

use crate::params;
use crate::store::{ExperimentFile, Run, Runs};

/// A measured column, in the study's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    TrainTime,
    TrainAcc,
    ValAcc,
    TrainLoss,
    ValLoss,
    TestAcc,
}

impl Metric {
    pub const ALL: [Self; 6] =
        [Self::TrainTime, Self::TrainAcc, Self::ValAcc, Self::TrainLoss, Self::ValLoss, Self::TestAcc];

    /// Its name in JSON, CSV and experiment files.
    pub fn key(self) -> &'static str {
        match self {
            Self::TrainTime => "train_time",
            Self::TrainAcc => "train_acc",
            Self::ValAcc => "val_acc",
            Self::TrainLoss => "train_loss",
            Self::ValLoss => "val_loss",
            Self::TestAcc => "test_acc",
        }
    }

    /// Its name on top of a column, with its unit.
    pub fn title(self) -> &'static str {
        match self {
            Self::TrainTime => "train time (s)",
            Self::TrainAcc => "train acc",
            Self::ValAcc => "val acc",
            Self::TrainLoss => "train loss",
            Self::ValLoss => "val loss",
            Self::TestAcc => "test acc",
        }
    }

    pub fn higher_is_better(self) -> bool {
        matches!(self, Self::TrainAcc | Self::ValAcc | Self::TestAcc)
    }

    /// A figure at the precision that the study reports it with.
    pub fn format(self, figure: f64) -> String {
        let decimals = if self == Self::TrainTime { 2 } else { 4 };
        if figure.is_finite() { format!("{figure:.decimals$}") } else { figure.to_string() }
    }

    /// The difference of two figures, with its sign.
    pub fn format_difference(self, difference: f64) -> String {
        let sign = if difference >= 0.0 { "+" } else { "" };
        format!("{sign}{}", self.format(difference))
    }
}

/// Figures by [`Metric`]; what has not been measured is absent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures([Option<f64>; 6]);

impl Figures {
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.0[metric as usize]
    }

    fn of(run: &Run) -> Self {
        let state = &run.state;
        let measured = state.test.as_ref().and_then(|test| state.epochs.iter().find(|epoch| epoch.epoch == test.epoch));
        let epoch = measured.or_else(|| state.best_epoch()).or(state.epochs.last());
        let test = state.test.as_ref().map(|test| test.accuracy);
        Self([
            state.train_time(),
            epoch.map(|epoch| epoch.train_acc),
            epoch.map(|epoch| epoch.val_acc),
            epoch.map(|epoch| epoch.train_loss),
            epoch.map(|epoch| epoch.val_loss),
            test,
        ])
    }

    fn published(reference: &Reference) -> Self {
        let Reference { train_time, train_acc, val_acc, train_loss, val_loss, test_acc, .. } = *reference;
        Self([train_time, train_acc, val_acc, train_loss, val_loss, test_acc])
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub run: RunId,
    /// The experiment's name.
    pub experiment: String,
    pub stem: String,
    pub status: Status,
    pub figures: Figures,
    pub params: Option<ParamCounts>,
    pub reference: Option<Reference>,
    pub gain: Option<Gain>,
}

impl Row {
    pub fn of(runs: &Runs, run: &Run) -> Self {
        Self {
            run: run.id.clone(),
            experiment: run.label().to_owned(),
            stem: run.stem().unwrap_or_default().to_owned(),
            status: run.status(),
            figures: Figures::of(run),
            params: params::of(run),
            reference: run.experiment.as_ref().and_then(|experiment| experiment.reference.clone()),
            gain: Gain::of(runs, run),
        }
    }
}

/// Which runs a table holds.
#[derive(Debug, Clone, Copy)]
pub enum Selection<'a> {
    /// One of each experiment: the newest that is done, or the newest where none is.
    Newest,
    All,
    /// These, in this order.
    Runs(&'a [RunId]),
}

/// Rows that are compared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    pub rows: Vec<Row>,
}

/// The selected runs in the order of their experiments' files; runs without a file follow.
pub fn table(runs: &Runs, order: &[ExperimentFile], selection: Selection) -> Table {
    let mut chosen: Vec<&Run> = match selection {
        Selection::Runs(ids) => {
            return Table { rows: ids.iter().filter_map(|id| runs.get(id)).map(|run| Row::of(runs, run)).collect() };
        }
        Selection::All => runs.iter().collect(),
        Selection::Newest => runs.iter().filter(|run| is_newest(runs, run)).collect(),
    };
    let place = |run: &Run| order.iter().position(|file| Some(file.stem.as_str()) == run.stem()).unwrap_or(usize::MAX);
    chosen.sort_by_cached_key(|run| (place(run), run.stem().unwrap_or_default().to_owned()));
    Table { rows: chosen.into_iter().map(|run| Row::of(runs, run)).collect() }
}

fn is_newest(runs: &Runs, run: &Run) -> bool {
    let Some(stem) = run.stem() else { return true };
    let done = runs.all_of(stem).rfind(|run| run.status() == Status::Finished);
    done.or_else(|| runs.latest_of(stem)).is_some_and(|newest| newest.id == run.id)
}

impl Table {
    /// The best figure of a column among the runs that are done, where there are at least two to choose from.
    pub fn best(&self, metric: Metric) -> Option<f64> {
        let done = self.rows.iter().filter(|row| row.status == Status::Finished);
        let figures: Vec<f64> =
            done.filter_map(|row| row.figures.get(metric)).filter(|figure| figure.is_finite()).collect();
        let better = if metric.higher_is_better() { f64::max } else { f64::min };
        (figures.len() > 1).then(|| figures.into_iter().reduce(better)).flatten()
    }
}

/// What a table can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for a terminal
    Table,
    Csv,
    /// Markdown
    Md,
    /// A `tabular` for the package booktabs
    Latex,
    Json,
    /// A page of its own
    Html,
}

impl Format {
    /// The format that a file's name asks for.
    pub fn of_file(path: &std::path::Path) -> Option<Self> {
        path.extension()?.to_str()?.parse().ok()
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(ending: &str) -> Result<Self, ()> {
        Ok(match ending {
            "txt" => Self::Table,
            "csv" => Self::Csv,
            "md" => Self::Md,
            "tex" => Self::Latex,
            "json" => Self::Json,
            "html" => Self::Html,
            _ => return Err(()),
        })
    }
}

/// The table as text, ending in a newline.
pub fn render(table: &Table, format: Format) -> String {
    match format {
        Format::Table => text::render(table),
        Format::Csv => csv::render(table),
        Format::Md => markdown::render(table),
        Format::Latex => latex::render(table),
        Format::Json => json::render(table),
        Format::Html => html::render(table),
    }
}
