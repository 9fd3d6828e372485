//! The study's table as the compare screen shows it and as it is exported from there.

use std::cmp::Ordering;

use warmstart_schema::experiment::Reference;
use warmstart_schema::run::RunId;

use super::{CompareView, Model, Screen};
use crate::compare::{Metric, Row, Selection, Table, table};
use crate::query::Subject;

/// A column of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    Metric(Metric),
    /// Measured less published test accuracy.
    Gain,
    Trainable,
    NotTrainable,
    Total,
}

impl Figure {
    /// In the order in which they stand and are sorted by.
    pub const ALL: [Self; 10] = [
        Self::Metric(Metric::TrainTime),
        Self::Metric(Metric::TrainAcc),
        Self::Metric(Metric::ValAcc),
        Self::Metric(Metric::TrainLoss),
        Self::Metric(Metric::ValLoss),
        Self::Metric(Metric::TestAcc),
        Self::Gain,
        Self::Trainable,
        Self::NotTrainable,
        Self::Total,
    ];

    pub fn of(self, row: &Row) -> Option<f64> {
        let params = |of: fn(&warmstart_schema::architecture::ParamCounts) -> u64| {
            row.params.as_ref().map(|params| of(params) as f64)
        };
        match self {
            Self::Metric(metric) => row.figures.get(metric),
            Self::Gain => {
                Some(row.figures.get(Metric::TestAcc)? - published(row.reference.as_ref()?, Metric::TestAcc)?)
            }
            Self::Trainable => params(|params| params.trainable),
            Self::NotTrainable => params(warmstart_schema::architecture::ParamCounts::non_trainable),
            Self::Total => params(|params| params.total),
        }
    }

    fn higher_is_better(self) -> bool {
        match self {
            Self::Metric(metric) => metric.higher_is_better(),
            Self::Gain => true,
            Self::Trainable | Self::NotTrainable | Self::Total => false,
        }
    }

    /// The better one first; what is not measured, or is no number, last.
    fn compare(self, a: &Row, b: &Row) -> Ordering {
        let figure = |row| self.of(row).filter(|figure: &f64| !figure.is_nan());
        match (figure(a), figure(b)) {
            (Some(a), Some(b)) if self.higher_is_better() => b.total_cmp(&a),
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
}

/// A published figure.
pub fn published(reference: &Reference, metric: Metric) -> Option<f64> {
    match metric {
        Metric::TrainTime => reference.train_time,
        Metric::TrainAcc => reference.train_acc,
        Metric::ValAcc => reference.val_acc,
        Metric::TrainLoss => reference.train_loss,
        Metric::ValLoss => reference.val_loss,
        Metric::TestAcc => reference.test_acc,
    }
}

/// The rows of the compare screen, and what they were made from.
#[derive(Debug, Default)]
pub struct Shown {
    table: Table,
    ids: Vec<RunId>,
    /// Best figure of each column.
    best: [Option<f64>; Metric::ALL.len()],
    made_from: Option<MadeFrom>,
}

#[derive(Debug, PartialEq)]
struct MadeFrom {
    runs: u64,
    stems: Vec<String>,
    filter: String,
    sort: Option<usize>,
    reversed: bool,
}

impl Shown {
    pub fn rows(&self) -> &[Row] {
        &self.table.rows
    }

    /// The runs, in the order of the rows.
    pub fn ids(&self) -> &[RunId] {
        &self.ids
    }

    pub fn best(&self, metric: Metric) -> Option<f64> {
        self.best[metric as usize]
    }
}

impl Model {
    /// All runs as the compare screen shows them: filtered, and in its order.
    pub fn comparison(&self) -> Table {
        let files = self.catalogue.as_ref().map_or(&[][..], |catalogue| &catalogue.files);
        let mut table = table(&self.runs, files, Selection::All);
        if let Screen::Compare(view) = &self.open {
            let filter = &view.list.filter;
            let matches = |id: &RunId| self.runs.get(id).is_some_and(|run| filter.matches(&Subject::of_run(run)));
            table.rows.retain(|row| matches(&row.run));
            arrange(&mut table, view);
        }
        table
    }

    /// Makes the open comparison's rows anew where they have changed.
    pub fn refresh_comparison(&mut self) {
        let Screen::Compare(view) = &self.open else { return };
        let files = self.catalogue.as_ref().map_or(&[][..], |catalogue| &catalogue.files);
        let made_from = Some(MadeFrom {
            runs: self.runs.revision(),
            stems: files.iter().map(|file| file.stem.clone()).collect(),
            filter: view.list.filter.text().to_owned(),
            sort: view.sort,
            reversed: view.reversed,
        });
        if view.shown.made_from == made_from {
            return;
        }
        let table = self.comparison();
        let ids = table.rows.iter().map(|row| row.run.clone()).collect();
        let best = Metric::ALL.map(|metric| table.best(metric));
        if let Screen::Compare(view) = &mut self.open {
            view.shown = Shown { table, ids, best, made_from };
        }
    }
}

fn arrange(table: &mut Table, view: &CompareView) {
    if let Some(figure) = view.sort.and_then(|column| Figure::ALL.get(column)) {
        table.rows.sort_by(|a, b| figure.compare(a, b));
    }
    if view.reversed {
        table.rows.reverse();
    }
}
