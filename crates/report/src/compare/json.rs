//! A list of objects with every measured figure; what is not measured, or is no number, is `null`. What the columns show
//! beside the figures is added: differences under `delta`, fields of the experiment under `config`, and where seeds are put
//! together which runs they are, and the standard deviations.

use std::collections::BTreeMap;

use serde::Serialize;
use warmstart_schema::experiment::Reference;

use super::value::Spread;
use super::{Column, Gain, Kind, Metric, Row, Table, Value};

#[derive(Serialize)]
struct Object<'a> {
    /// Null of a group.
    run: Option<&'a str>,
    experiment: &'a str,
    state: &'static str,
    #[serde(flatten)]
    figures: Measured,
    total_params: Option<u64>,
    trainable_params: Option<u64>,
    non_trainable_params: Option<u64>,
    /// What identifies the images of the test: figures of two that differ do not compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    test_set: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gain: Option<Difference<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    delta: BTreeMap<&'static str, Option<f64>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    config: BTreeMap<&'a str, Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Group<'a>>,
}

#[derive(Serialize)]
struct Difference<'a> {
    /// The run that this one started from.
    over: &'a str,
    train_acc: Option<f64>,
    val_acc: Option<f64>,
    train_loss: Option<f64>,
    val_loss: Option<f64>,
    test_acc: Option<f64>,
}

impl<'a> From<&'a Gain> for Difference<'a> {
    fn from(gain: &'a Gain) -> Self {
        let of = |metric| gain.figures.get(metric).filter(|figure| figure.is_finite());
        Self {
            over: gain.over.as_str(),
            train_acc: of(Metric::TrainAcc),
            val_acc: of(Metric::ValAcc),
            train_loss: of(Metric::TrainLoss),
            val_loss: of(Metric::ValLoss),
            test_acc: of(Metric::TestAcc),
        }
    }
}

#[derive(Serialize)]
struct Measured {
    train_time: Option<f64>,
    train_acc: Option<f64>,
    val_acc: Option<f64>,
    train_loss: Option<f64>,
    val_loss: Option<f64>,
    test_acc: Option<f64>,
}

/// The runs that a row is the mean of.
#[derive(Serialize)]
struct Group<'a> {
    runs: Vec<&'a str>,
    seeds: &'a [u64],
    /// Of the sample.
    standard_deviation: Measured,
    n: BTreeMap<&'static str, usize>,
}

impl Measured {
    fn of(values: &[Value; 6], pick: impl Fn(&Value) -> Option<f64>) -> Self {
        let [
            train_time,
            train_acc,
            val_acc,
            train_loss,
            val_loss,
            test_acc,
        ] = Metric::ALL
            .map(|metric| pick(&values[metric as usize]).filter(|figure| figure.is_finite()));
        Self {
            train_time,
            train_acc,
            val_acc,
            train_loss,
            val_loss,
            test_acc,
        }
    }
}

fn figure(value: &Value) -> Option<f64> {
    if let Value::Figure { figure, .. } = value {
        Some(*figure)
    } else {
        None
    }
}

fn spread(value: &Value) -> Option<Spread> {
    if let Value::Figure { spread, .. } = value {
        *spread
    } else {
        None
    }
}

fn object<'a>(table: &'a Table, row: &'a Row) -> Object<'a> {
    let cells = || table.columns.iter().zip(&row.cells);
    let is_group = row.runs.len() > 1;
    Object {
        run: row
            .runs
            .first()
            .filter(|_| !is_group)
            .map(warmstart_runs::run::RunId::as_str),
        experiment: &row.exact,
        state: row
            .status
            .map_or("", warmstart_schema::state::Status::as_str),
        figures: Measured::of(&row.figures, figure),
        total_params: row.params.map(|params| params.total),
        trainable_params: row.params.map(|params| params.trainable),
        non_trainable_params: row.params.map(|params| params.non_trainable()),
        test_set: row.test_set.as_deref(),
        reference: row.reference.as_ref(),
        gain: row.gain.as_ref().map(Difference::from),
        delta: cells()
            .filter_map(|(column, cell)| {
                let Column::Delta(metric) = column else {
                    return None;
                };
                let Value::Difference { difference, .. } = cell.value else {
                    return Some((metric.key(), None));
                };
                Some((
                    metric.key(),
                    Some(difference).filter(|difference| difference.is_finite()),
                ))
            })
            .collect(),
        config: cells()
            .filter_map(|(column, cell)| {
                let Column::Config(path) = column else {
                    return None;
                };
                Some((path.as_str(), cell.value.shown()))
            })
            .collect(),
        group: is_group.then(|| Group {
            runs: row
                .runs
                .iter()
                .map(warmstart_runs::run::RunId::as_str)
                .collect(),
            seeds: &row.seeds,
            standard_deviation: Measured::of(&row.figures, |value| spread(value)?.deviation),
            n: Metric::ALL
                .iter()
                .map(|metric| {
                    (
                        metric.key(),
                        spread(&row.figures[*metric as usize]).map_or(0, |spread| spread.n),
                    )
                })
                .collect(),
        }),
    }
}

pub fn render(table: &Table) -> String {
    let rows = table.rows.iter().filter(|row| row.kind == Kind::Measured);
    let objects: Vec<Object> = rows.map(|row| object(table, row)).collect();
    // Nothing in it can fail to serialize: plain texts and finite numbers.
    serde_json::to_string_pretty(&objects).unwrap_or_default() + "\n"
}
