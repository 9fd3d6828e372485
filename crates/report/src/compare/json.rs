//! A list of objects with every measured figure; an unmeasured or non-finite figure is `null`. The chosen columns add differences
//! under `delta` and fields of the experiment under `config`. Merged seeds add their runs and the standard deviations.

use std::collections::BTreeMap;

use serde::Serialize;
use warmstart_schema::experiment::Reference;
use warmstart_schema::metric::Unit;

use super::table::Values;
use super::value::Spread;
use super::{Column, Gain, Kind, Metric, Row, Table, Value};

#[derive(Serialize)]
struct Object<'a> {
    /// Null for a group.
    run: Option<&'a str>,
    experiment: &'a str,
    state: &'static str,
    #[serde(flatten)]
    figures: Keyed<Option<f64>>,
    #[serde(flatten)]
    facts: Keyed<Fact<'a>>,
    /// A hash of the test images: do not compare figures of different ones.
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
    #[serde(flatten)]
    figures: Keyed<Option<f64>>,
}

impl<'a> From<&'a Gain> for Difference<'a> {
    fn from(gain: &'a Gain) -> Self {
        let all = Metric::ALL.iter();
        let gained = all.filter(|metric| metric.unit() != Unit::Seconds);
        let of = |metric| gain.figures.get(metric).filter(|figure| figure.is_finite());
        Self {
            over: gain.over.as_str(),
            figures: gained.map(|metric| (metric.key(), of(*metric))).collect(),
        }
    }
}

/// Members of an object, in this order.
struct Keyed<T>(Vec<(&'static str, T)>);

impl<T> FromIterator<(&'static str, T)> for Keyed<T> {
    fn from_iter<I: IntoIterator<Item = (&'static str, T)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

impl<T: Serialize> Serialize for Keyed<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Fact<'a> {
    Count(u64),
    Text(&'a str),
    Absent,
}

impl<'a> From<&'a Value> for Fact<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Count(count) => Self::Count(*count),
            Value::Text(text) => Self::Text(text),
            _ => Self::Absent,
        }
    }
}

/// The runs that a row is the mean of.
#[derive(Serialize)]
struct Group<'a> {
    runs: Vec<&'a str>,
    seeds: &'a [u64],
    /// Standard deviation of the sample.
    standard_deviation: Keyed<Option<f64>>,
    n: BTreeMap<&'static str, usize>,
}

fn measured(values: &Values, pick: impl Fn(&Value) -> Option<f64>) -> Keyed<Option<f64>> {
    let finite = |value: &Value| pick(value).filter(|figure| figure.is_finite());
    let members = values.iter();
    members
        .map(|(metric, value)| (metric.key(), finite(value)))
        .collect()
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
        figures: measured(&row.figures, figure),
        facts: row
            .facts
            .iter()
            .map(|(field, value)| (field.key, value.into()))
            .collect(),
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
            standard_deviation: measured(&row.figures, |value| spread(value)?.deviation),
            n: row
                .figures
                .iter()
                .map(|(metric, value)| (metric.key(), spread(value).map_or(0, |spread| spread.n)))
                .collect(),
        }),
    }
}

pub(super) fn render(table: &Table) -> String {
    let rows = table.rows.iter().filter(|row| row.kind == Kind::Measured);
    let objects: Vec<Object> = rows.map(|row| object(table, row)).collect();
    // Serializing plain texts and finite numbers cannot fail.
    serde_json::to_string_pretty(&objects).unwrap_or_default() + "\n"
}
