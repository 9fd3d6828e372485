//! The runs behind one row of the table, with their values.

use warmstart_runs::store::{Run, Runs};
use warmstart_schema::catalog::DatasetName;
use warmstart_schema::experiment::Reference;
use warmstart_schema::state::Status;

use super::bundle::Bundle;
use super::column::facts;
use super::table::{Cell, Kind, Row, Values, by_metric, figure};
use super::value::Spread;
use super::{Baseline, Column, Columns, Figures, Gain, Metric, Options, Value, config};
use crate::field::{Field, Subject};
use crate::group::{self, Choice};
use crate::mean::mean;

/// What a row shows, before there are columns.
pub(super) struct Line<'a> {
    /// The runs of its figures, one or more.
    pub(super) runs: Vec<&'a Run>,
    /// Members of a group with the same settings, done or not.
    pub(super) cell: Option<group::Cell<'a>>,
    pub(super) figures: Values,
    pub(super) facts: Vec<(&'static Field, Value)>,
    /// What [`Self::difference`] subtracts from its figures: the published ones, those of a chosen run, or none.
    pub(super) baseline: Figures,
    /// The experiment's fields by path, without the seed if several seeds are merged. Filled only if a column needs it.
    pub(super) config: Vec<(String, String)>,
    pub(super) gain: Option<Gain>,
    /// Whether it shows several runs: merged seeds, or a cell of several members, even if only one of them is done.
    is_merged: bool,
}

impl<'a> Line<'a> {
    /// `pinned` are the figures of the run that is the baseline, if one is.
    pub(super) fn of(all: &Runs, bundle: Bundle<'a>, options: &Options, pinned: &Figures) -> Self {
        let runs = bundle.runs();
        let cell = match bundle {
            Bundle::Cell(cell) => Some(cell),
            Bundle::Run(_) | Bundle::Seeds(_) => None,
        };
        let choice = cell.as_ref().map_or(Choice::Chosen, |cell| cell.choice);
        let is_merged = runs.len() > 1 || cell.as_ref().is_some_and(|cell| cell.runs.len() > 1);
        // A mean is over members that are done; a row of one run shows it while it runs.
        let measured: Vec<Figures> = runs
            .iter()
            .filter(|run| !is_merged || run.status() == Status::Finished)
            .map(|run| Figures::of(&run.state, options.figures))
            .collect();
        let baseline = match &options.baseline {
            Baseline::None => Figures::default(),
            Baseline::Published => reference(runs[0])
                .map(Figures::published)
                .unwrap_or_default(),
            Baseline::Run(_) => pinned.clone(),
        };
        // Flattening ten thousand experiments takes time, so skip it if no column needs it.
        let sorts_by_config = matches!(options.sort, Some(Column::Config(_)));
        let config = match (&options.columns, runs[0].experiment.as_deref()) {
            (Columns::Standard, _) if !sorts_by_config => Vec::new(),
            (_, experiment) => experiment.map(config::fields).unwrap_or_default(),
        };
        let config = if is_merged {
            config
                .into_iter()
                .filter(|(path, _)| path != "seed")
                .collect()
        } else {
            config
        };
        Self {
            figures: by_metric(|metric| {
                shown(metric, choice, combined(metric, &measured, is_merged))
            }),
            facts: facts()
                .map(|field| (field, Value::of(field, &Subject::of_run(runs[0]))))
                .collect(),
            baseline,
            config,
            gain: if let [run] = runs[..]
                && !is_merged
                && choice.withholds().is_none()
            {
                Gain::of(all, run, options)
            } else {
                None
            },
            is_merged,
            runs,
            cell,
        }
    }

    /// A row for each member of a cell.
    fn members(&self, columns: &[Column], options: &Options) -> Vec<Row> {
        let Some(cell) = &self.cell else {
            return Vec::new();
        };
        let member = |run: &&Run| {
            let seed = run.member()?.seed;
            let of_run = Figures::of(&run.state, options.figures);
            let figures = by_metric(|metric| {
                shown(
                    metric,
                    cell.choice,
                    Value::figure(metric, of_run.get(metric)),
                )
            });
            let value = |column: &Column| match column {
                Column::Experiment => Value::text(format!("seed {seed}")),
                Column::Run => Value::text(run.id.to_string()),
                Column::State => Value::text(run.status().as_str()),
                Column::Metric(metric) => figure(&figures, *metric),
                Column::Delta(_) | Column::Fact(_) | Column::Config(_) => Value::Blank,
            };
            Some(Row {
                kind: Kind::Member,
                runs: vec![run.id.clone()],
                seeds: vec![seed],
                experiment: format!("seed {seed}"),
                exact: run.exact_label().to_owned(),
                status: Some(run.status()),
                cells: columns
                    .iter()
                    .map(|column| Cell {
                        value: value(column),
                        best: false,
                        mark: None,
                    })
                    .collect(),
                figures: figures.clone(),
                ..Row::default()
            })
        };
        cell.runs.iter().filter_map(member).collect()
    }

    pub(super) fn reference(&self) -> Option<&'a Reference> {
        reference(self.runs[0])
    }

    /// What identifies the test images; none if that is unknown.
    pub(super) fn test_set(&self) -> Option<String> {
        test_set(self.runs[0])
    }

    /// The seeds of its figures; none for a single run, and none while no member is done.
    pub(super) fn seeds(&self) -> Vec<u64> {
        if !self.is_merged {
            return Vec::new();
        }
        let is_done = |run: &&&Run| run.status() == Status::Finished;
        let done = self.runs.iter().filter(is_done);
        done.filter_map(|run| run.experiment.as_deref())
            .map(|experiment| experiment.seed)
            .collect()
    }

    pub(super) fn value(&self, column: &Column) -> Value {
        match column {
            Column::Experiment => Value::text(self.runs[0].label()),
            Column::Run if self.is_merged => {
                let seeds: Vec<String> = self.seeds().iter().map(u64::to_string).collect();
                if seeds.is_empty() {
                    Value::Absent
                } else {
                    Value::text(format!("seeds {}", seeds.join(", ")))
                }
            }
            Column::Run => Value::text(self.runs[0].id.to_string()),
            Column::State => match &self.cell {
                Some(cell) if cell.runs.len() > 1 => Value::text(cell.state()),
                _ => Value::text(self.runs[0].status().as_str()),
            },
            Column::Metric(metric) => figure(&self.figures, *metric),
            Column::Delta(metric) => Value::difference(*metric, self.difference(*metric)),
            Column::Fact(field) => {
                let fact = self.facts.iter().find(|(known, _)| known == field);
                fact.map_or(Value::Absent, |(_, value)| value.clone())
            }
            Column::Config(path) => {
                config::value(&self.config, path).map_or(Value::Absent, Value::text)
            }
        }
    }

    /// The figure minus the baseline's, in the metric's unit; none if either is not measured.
    pub(super) fn difference(&self, metric: Metric) -> Option<f64> {
        let Value::Figure { figure, .. } = *self.figures.get(&metric)? else {
            return None;
        };
        Some(figure - self.baseline.get(metric)?)
    }

    pub(super) fn row(&self, columns: &[Column], options: &Options) -> Row {
        let status = self.cell.as_ref().and_then(group::Cell::status);
        Row {
            choice: self.cell.as_ref().map(|cell| cell.choice),
            members: self.members(columns, options),
            pairing: None,
            kind: Kind::Measured,
            runs: self.runs.iter().map(|run| run.id.clone()).collect(),
            seeds: self.seeds(),
            experiment: self.runs[0].label().to_owned(),
            exact: self.runs[0].exact_label().to_owned(),
            status: status.or(Some(self.runs[0].status())),
            reference: self.reference().cloned(),
            gain: self.gain.clone(),
            mark: None,
            test_set: self.test_set(),
            cells: columns
                .iter()
                .map(|column| Cell {
                    value: self.value(column),
                    best: false,
                    mark: None,
                })
                .collect(),
            figures: self.figures.clone(),
            facts: self.facts.clone(),
        }
    }
}

/// The hash of a folder's test images, or the name of a published dataset and its number of test images.
fn test_set(run: &Run) -> Option<String> {
    let dataset = run.state.dataset.as_ref()?;
    match &dataset.sets {
        Some(sets) => Some(sets.test.clone()),
        None if dataset.name == DatasetName::ImageFolder.as_str() => None,
        None => Some(format!("{} {}", dataset.name, dataset.test)),
    }
}

fn reference(run: &Run) -> Option<&Reference> {
    run.experiment.as_deref()?.reference.as_ref()
}

/// The figure; none for a test figure of settings that validation has not chosen. Who saw it could choose by it, and then the test
/// would no longer be independent.
fn shown(metric: Metric, choice: Choice, value: Value) -> Value {
    if metric.is_of_test() && choice.withholds().is_some() {
        Value::Absent
    } else {
        value
    }
}

/// One run's figure, or the mean of several.
fn combined(metric: Metric, measured: &[Figures], is_merged: bool) -> Value {
    if let ([one], false) = (measured, is_merged) {
        return Value::figure(metric, one.get(metric));
    }
    let figures: Vec<f64> = measured
        .iter()
        .filter_map(|figures| figures.get(metric))
        .collect();
    mean(&figures).map_or(Value::Absent, |(figure, spread): (f64, Spread)| {
        Value::Figure {
            metric,
            figure,
            spread: Some(spread),
        }
    })
}
