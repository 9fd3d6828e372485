//! The runs behind one row of the table, with their values.

use warmstart_runs::store::{Run, Runs};
use warmstart_schema::catalog::DatasetName;
use warmstart_schema::experiment::Reference;

use super::column::facts;
use super::table::{Cell, Kind, Row, Values, by_metric, figure};
use super::value::Spread;
use super::{Baseline, Column, Columns, Figures, Gain, Metric, Options, Value, config, seeds};
use crate::field::{Field, Subject};

/// One run or several seeds, before there are columns.
pub(super) struct Line<'a> {
    pub(super) runs: Vec<&'a Run>,
    pub(super) figures: Values,
    pub(super) facts: Vec<(&'static Field, Value)>,
    /// The baseline of its figures.
    pub(super) baseline: Figures,
    /// Filled only if a column needs it.
    pub(super) config: Vec<(String, String)>,
    pub(super) gain: Option<Gain>,
}

impl<'a> Line<'a> {
    pub(super) fn of(all: &Runs, runs: Vec<&'a Run>, options: &Options) -> Self {
        let measured: Vec<Figures> = runs
            .iter()
            .map(|run| Figures::of(&run.state, options.figures))
            .collect();
        let baseline = match &options.baseline {
            Baseline::None => Figures::default(),
            Baseline::Published => reference(runs[0])
                .map(Figures::published)
                .unwrap_or_default(),
            Baseline::Run(id) => all
                .get(id)
                .map(|run| Figures::of(&run.state, options.figures))
                .unwrap_or_default(),
        };
        // Flattening ten thousand experiments takes time, so skip it if no column needs it.
        let sorted = matches!(options.sort, Some(Column::Config(_)));
        let config = match (&options.columns, runs[0].experiment.as_deref()) {
            (Columns::Standard, _) if !sorted => Vec::new(),
            (_, experiment) => experiment.map(config::fields).unwrap_or_default(),
        };
        let config = if runs.len() > 1 {
            config
                .into_iter()
                .filter(|(path, _)| path != "seed")
                .collect()
        } else {
            config
        };
        Self {
            figures: by_metric(|metric| combined(metric, &measured)),
            facts: facts()
                .map(|field| (field, Value::of(field, &Subject::of_run(runs[0]))))
                .collect(),
            baseline,
            config,
            gain: if let [run] = runs[..] {
                Gain::of(all, run, options.figures)
            } else {
                None
            },
            runs,
        }
    }

    pub(super) fn reference(&self) -> Option<&'a Reference> {
        reference(self.runs[0])
    }

    /// A hash of the test images.
    pub(super) fn test_set(&self) -> Option<String> {
        test_set(self.runs[0])
    }

    pub(super) fn seeds(&self) -> Vec<u64> {
        let seeds = self
            .runs
            .iter()
            .filter_map(|run| run.experiment.as_deref())
            .map(|experiment| experiment.seed);
        if self.runs.len() > 1 {
            seeds.collect()
        } else {
            Vec::new()
        }
    }

    pub(super) fn value(&self, column: &Column) -> Value {
        match column {
            Column::Experiment => Value::text(self.runs[0].label()),
            Column::Run if self.runs.len() > 1 => {
                let seeds: Vec<String> = self.seeds().iter().map(u64::to_string).collect();
                Value::text(format!("seeds {}", seeds.join(", ")))
            }
            Column::Run => Value::text(self.runs[0].id.to_string()),
            Column::State => Value::text(self.runs[0].status().as_str()),
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

    pub(super) fn difference(&self, metric: Metric) -> Option<f64> {
        let Value::Figure { figure, .. } = *self.figures.get(&metric)? else {
            return None;
        };
        Some(figure - self.baseline.get(metric)?)
    }

    pub(super) fn row(&self, columns: &[Column]) -> Row {
        Row {
            kind: Kind::Measured,
            runs: self.runs.iter().map(|run| run.id.clone()).collect(),
            seeds: self.seeds(),
            experiment: self.runs[0].label().to_owned(),
            exact: self.runs[0].exact_label().to_owned(),
            status: Some(self.runs[0].status()),
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

/// The hash of a folder's test images, or the name of a published dataset and its limit.
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

/// One run's figure, or the mean of several.
fn combined(metric: Metric, measured: &[Figures]) -> Value {
    if let [one] = measured {
        return Value::figure(metric, one.get(metric));
    }
    let figures: Vec<f64> = measured
        .iter()
        .filter_map(|figures| figures.get(metric))
        .collect();
    seeds::mean(&figures).map_or(Value::Absent, |(figure, spread): (f64, Spread)| {
        Value::Figure {
            metric,
            figure,
            spread: Some(spread),
        }
    })
}
