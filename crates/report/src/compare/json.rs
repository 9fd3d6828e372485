//! The comparison as JSON: a list with an object for each run or group, with every measured figure. An unmeasured or non-finite figure is `null`. The chosen columns add differences
//! under `delta` and fields of the experiment under `config`. Merged seeds add their runs and the standard deviations.

use std::collections::BTreeMap;

use serde::Serialize;
use warmstart_runs::run::RunId;
use warmstart_schema::experiment::Reference;
use warmstart_schema::metric::Unit;
use warmstart_schema::state::Status;

use super::table::{Cell, Values};
use super::value::Spread;
use super::{Column, Gain, Kind, Metric, Pairing, Row, Table, Value};
use crate::group::Choice;

#[derive(Serialize)]
struct RowObject<'a> {
    /// Null for a group.
    run: Option<&'a str>,
    experiment: &'a str,
    state: Option<&'static str>,
    #[serde(flatten)]
    figures: OrderedMap<Option<f64>>,
    #[serde(flatten)]
    facts: OrderedMap<Fact<'a>>,
    /// A hash of the test images: do not compare figures of different ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    test_set: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gain: Option<GainObject<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    delta: BTreeMap<&'static str, Option<f64>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    config: BTreeMap<&'a str, Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Group<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paired: Option<PairedObject<'a>>,
}

/// The paired t-test of this group against `over`.
#[derive(Serialize)]
struct PairedObject<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    over: Option<&'a str>,
    seeds: &'a [u64],
    /// The test's result as the table's footnote says it.
    text: String,
    tests: BTreeMap<&'static str, TestObject>,
}

#[derive(Serialize)]
struct TestObject {
    n: usize,
    mean_difference: f64,
    standard_deviation: f64,
    t: f64,
    df: usize,
    p: f64,
}

impl<'a> From<&'a Pairing> for PairedObject<'a> {
    fn from(pairing: &'a Pairing) -> Self {
        let (over, seeds, tests): (_, &[u64], &[_]) = match pairing {
            Pairing::Tested(paired) => (Some(&*paired.over), &paired.seeds[..], &paired.tests[..]),
            Pairing::Open(_) | Pairing::NoneDone(_) | Pairing::NoneChosen(_) => (None, &[], &[]),
        };
        let tests = tests.iter().filter_map(|(metric, test)| {
            let test = test.ok()?;
            let object = TestObject {
                n: test.n,
                mean_difference: test.mean,
                standard_deviation: test.deviation,
                t: test.t,
                df: test.df,
                p: test.p,
            };
            Some((metric.key(), object))
        });
        Self {
            over,
            seeds,
            text: pairing.in_words(),
            tests: tests.collect(),
        }
    }
}

#[derive(Serialize)]
struct GainObject<'a> {
    /// The run that this one started from.
    over: &'a str,
    #[serde(flatten)]
    figures: OrderedMap<Option<f64>>,
}

impl<'a> From<&'a Gain> for GainObject<'a> {
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

/// Keys and values of a JSON object, in this order.
struct OrderedMap<T>(Vec<(&'static str, T)>);

impl<T> FromIterator<(&'static str, T)> for OrderedMap<T> {
    fn from_iter<I: IntoIterator<Item = (&'static str, T)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<T: Serialize> Serialize for OrderedMap<T> {
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

/// What a row of several runs is made of.
#[derive(Serialize)]
struct Group<'a> {
    /// The runs that its figures are the mean of, and their seeds.
    runs: Vec<&'a str>,
    seeds: &'a [u64],
    /// Standard deviation of the sample.
    standard_deviation: OrderedMap<Option<f64>>,
    n: BTreeMap<&'static str, usize>,
    /// Whether validation chose these settings of a grid; absent for merged seeds, null until every member has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    chosen: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<MemberObject<'a>>,
}

#[derive(Serialize)]
struct MemberObject<'a> {
    run: Option<&'a str>,
    seed: Option<u64>,
    state: Option<&'static str>,
    #[serde(flatten)]
    figures: OrderedMap<Option<f64>>,
}

impl<'a> From<&'a Row> for MemberObject<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            run: row.runs.first().map(RunId::as_str),
            seed: row.seeds.first().copied(),
            state: row.status.map(Status::as_str),
            figures: measured(&row.figures, figure),
        }
    }
}

fn measured(values: &Values, pick: impl Fn(&Value) -> Option<f64>) -> OrderedMap<Option<f64>> {
    let finite = |value: &Value| pick(value).filter(|figure| figure.is_finite());
    values
        .iter()
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

/// How many figures a value is the mean of.
fn count(value: &Value) -> usize {
    match value {
        Value::Figure { spread, .. } => spread.map_or(1, |spread| spread.n),
        _ => 0,
    }
}

fn spread(value: &Value) -> Option<Spread> {
    if let Value::Figure { spread, .. } = value {
        *spread
    } else {
        None
    }
}

fn object<'a>(table: &'a Table, row: &'a Row) -> RowObject<'a> {
    let is_group = row.runs.len() > 1 || !row.members.is_empty();
    RowObject {
        run: row.runs.first().filter(|_| !is_group).map(RunId::as_str),
        experiment: &row.exact,
        state: row.status.map(Status::as_str),
        figures: measured(&row.figures, figure),
        facts: row
            .facts
            .iter()
            .map(|(field, value)| (field.key, value.into()))
            .collect(),
        test_set: row.test_set.as_deref(),
        reference: row.reference.as_ref(),
        gain: row.gain.as_ref().map(GainObject::from),
        delta: deltas(table, row),
        config: config(table, row),
        group: is_group.then(|| Group::from(row)),
        paired: row.pairing.as_ref().map(PairedObject::from),
    }
}

/// The differences of the table's columns to the pinned run or the published figures.
fn deltas(table: &Table, row: &Row) -> BTreeMap<&'static str, Option<f64>> {
    let delta = |(column, cell): (&Column, &Cell)| {
        let Column::Delta(metric) = column else {
            return None;
        };
        let difference = match cell.value {
            Value::Difference { difference, .. } => Some(difference),
            _ => None,
        };
        Some((metric.key(), difference.filter(|figure| figure.is_finite())))
    };
    table
        .columns
        .iter()
        .zip(&row.cells)
        .filter_map(delta)
        .collect()
}

/// The table's fields of the experiment.
fn config<'a>(table: &'a Table, row: &Row) -> BTreeMap<&'a str, Option<String>> {
    let field = |(column, cell): (&'a Column, &Cell)| match column {
        Column::Config(path) => Some((path.as_str(), cell.value.shown())),
        _ => None,
    };
    table
        .columns
        .iter()
        .zip(&row.cells)
        .filter_map(field)
        .collect()
}

impl<'a> From<&'a Row> for Group<'a> {
    fn from(row: &'a Row) -> Self {
        // A row of several members of which none is done shows one of them, and is the mean of none.
        let is_done = |member: &Row| member.status == Some(Status::Finished);
        let has_mean = row.members.len() < 2 || row.members.iter().any(is_done);
        let runs = row.runs.iter().filter(|_| has_mean);
        // A row of one member merges nothing, so only its member has the seed.
        let seeds = match &row.members[..] {
            [only] => &only.seeds[..],
            _ => &row.seeds[..],
        };
        Self {
            runs: runs.map(RunId::as_str).collect(),
            seeds,
            standard_deviation: measured(&row.figures, |value| spread(value)?.deviation),
            n: row
                .figures
                .iter()
                .map(|(metric, value)| (metric.key(), count(value)))
                .collect(),
            chosen: row.choice.map(|choice| match choice {
                Choice::Chosen => true.into(),
                Choice::NotChosen => false.into(),
                Choice::Open => serde_json::Value::Null,
            }),
            members: row.members.iter().map(MemberObject::from).collect(),
        }
    }
}

pub(super) fn render(table: &Table) -> String {
    let rows = table.rows.iter().filter(|row| row.kind == Kind::Measured);
    let objects: Vec<RowObject> = rows.map(|row| object(table, row)).collect();
    // Serializing plain texts and finite numbers cannot fail.
    serde_json::to_string_pretty(&objects).unwrap_or_default() + "\n"
}
