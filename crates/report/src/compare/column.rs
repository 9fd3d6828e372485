//! The columns that a table can have.

use std::str::FromStr;

use super::Metric;
use crate::edit;
use crate::field::{self, Field};

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Column {
    Experiment,
    Run,
    State,
    Metric(Metric),
    /// The difference from the baseline, in the metric's unit.
    Delta(Metric),
    /// A count, for example of parameters.
    Fact(&'static Field),
    /// A field of the experiment, by its path in the file: `train.batch_size`.
    Config(String),
}

impl Column {
    /// All columns except the experiments' fields.
    pub fn own() -> Vec<Self> {
        let metrics = Metric::ALL
            .iter()
            .flat_map(|metric| [Self::Metric(*metric), Self::Delta(*metric)]);
        [Self::Experiment, Self::Run, Self::State]
            .into_iter()
            .chain(facts().map(Self::Fact))
            .chain(metrics)
            .collect()
    }

    /// Its name in CSV and on the command line.
    pub fn key(&self) -> String {
        match self {
            Self::Experiment => "experiment".to_owned(),
            Self::Run => "run".to_owned(),
            Self::State => "state".to_owned(),
            Self::Metric(metric) => metric.key().to_owned(),
            Self::Delta(metric) => format!("delta_{}", metric.key()),
            Self::Fact(field) => field.key.to_owned(),
            Self::Config(path) => path.clone(),
        }
    }

    /// Its title, with its unit.
    pub fn title(&self) -> String {
        match self {
            Self::Experiment => "experiment".to_owned(),
            Self::Run => "run".to_owned(),
            Self::State => "state".to_owned(),
            Self::Metric(metric) => metric.title().to_owned(),
            Self::Delta(metric) => format!("Δ {}", metric.title()),
            Self::Fact(field) => field.title.to_owned(),
            Self::Config(path) => config_title(path),
        }
    }

    /// The order in which columns are hidden: the largest first, 0 never. If runs have the same name, the run's id stays too.
    pub fn rank(&self) -> u8 {
        let of = |field: &Field| field.compared.unwrap_or(u8::MAX);
        match self {
            Self::Experiment => 0,
            Self::Metric(metric) => field::of_metric(*metric).map_or(u8::MAX, of),
            Self::Fact(field) => of(field),
            Self::Delta(Metric::TestAcc) => 3,
            Self::Config(_) => 4,
            Self::Delta(_) => 5,
            Self::State => 8,
            Self::Run => 12,
        }
    }
}

/// The fields of the comparison that are no metrics: counts, equal for all seeds.
pub(super) fn facts() -> impl Iterator<Item = &'static Field> {
    field::fields()
        .iter()
        .filter(|field| field.compared.is_some() && field.metric().is_none())
}

/// The last part of a path, after its section if it says nothing alone.
fn config_title(path: &str) -> String {
    let mut parts = path.rsplit('.');
    let last = parts.next().unwrap_or_default();
    // `name`, `from` and the like mean nothing without their section.
    let title = match parts
        .next()
        .filter(|_| ["name", "from", "path", "limit", "test", "strict"].contains(&last))
    {
        Some(parent) => format!("{parent} {last}"),
        None => last.to_owned(),
    };
    title.replace('_', " ")
}

impl FromStr for Column {
    type Err = std::convert::Infallible;

    /// Any other name is taken as a field of the experiments, which may not exist.
    fn from_str(key: &str) -> Result<Self, Self::Err> {
        let name = key.trim().to_lowercase().replace([' ', '-'], "_");
        let name = field::named(&name).map_or(name.as_str(), |field| field.key);
        let known = Self::own().into_iter().find(|column| column.key() == name);
        let path = || edit::setting(key).unwrap_or(key.trim()).to_owned();
        Ok(known.unwrap_or_else(|| Self::Config(path())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_may_follow_a_comma_and_a_space() {
        for (written, key) in [
            (" val acc", "val_acc"),
            (" batch_size ", "train.batch_size"),
            (" input.progressive", "input.progressive"),
        ] {
            let column: Column = written.parse().unwrap();
            assert_eq!(column.key(), key);
        }
    }
}
