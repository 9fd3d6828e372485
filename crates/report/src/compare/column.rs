//! The columns that a table can have.

use std::str::FromStr;

use super::Metric;
use crate::edit;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Column {
    Experiment,
    Run,
    State,
    Metric(Metric),
    /// A figure less the baseline's.
    Delta(Metric),
    Total,
    Trainable,
    NonTrainable,
    /// A field of the experiment, by its path in the file: `train.batch_size`.
    Config(String),
}

impl Column {
    /// All but the fields of experiments.
    pub fn own() -> Vec<Self> {
        let metrics = Metric::ALL
            .into_iter()
            .flat_map(|metric| [Self::Metric(metric), Self::Delta(metric)]);
        let others = [
            Self::Experiment,
            Self::Run,
            Self::State,
            Self::Total,
            Self::Trainable,
            Self::NonTrainable,
        ];
        others.into_iter().chain(metrics).collect()
    }

    /// Its name in CSV and on the command line.
    pub fn key(&self) -> String {
        match self {
            Self::Experiment => "experiment".to_owned(),
            Self::Run => "run".to_owned(),
            Self::State => "state".to_owned(),
            Self::Metric(metric) => metric.key().to_owned(),
            Self::Delta(metric) => format!("delta_{}", metric.key()),
            Self::Total => "total_params".to_owned(),
            Self::Trainable => "trainable_params".to_owned(),
            Self::NonTrainable => "non_trainable_params".to_owned(),
            Self::Config(path) => path.clone(),
        }
    }

    /// Its name on top of it, with its unit.
    pub fn title(&self) -> String {
        match self {
            Self::Experiment => "experiment".to_owned(),
            Self::Run => "run".to_owned(),
            Self::State => "state".to_owned(),
            Self::Metric(metric) => metric.title().to_owned(),
            Self::Delta(metric) => format!("Δ {}", metric.title()),
            Self::Total => "total".to_owned(),
            Self::Trainable => "trainable".to_owned(),
            Self::NonTrainable => "non-trainable".to_owned(),
            Self::Config(path) => config_title(path),
        }
    }

    /// How soon it goes where there is too little room: the largest first, 0 never. Where runs have the same name, the run's id
    /// stays too.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Experiment => 0,
            Self::Metric(Metric::TestAcc) => 1,
            Self::Metric(Metric::ValAcc) => 2,
            Self::Delta(Metric::TestAcc) => 3,
            Self::Config(_) => 4,
            Self::Delta(_) => 5,
            Self::Metric(Metric::ValLoss) => 6,
            Self::Metric(Metric::TrainTime) => 7,
            Self::State => 8,
            Self::Metric(Metric::TrainAcc) => 9,
            Self::Metric(Metric::TrainLoss) => 10,
            Self::Trainable => 11,
            Self::Run => 12,
            Self::Total => 13,
            Self::NonTrainable => 14,
        }
    }
}

/// The last words of a path: as many as say what it is.
fn config_title(path: &str) -> String {
    let mut parts = path.rsplit('.');
    let last = parts.next().unwrap_or_default();
    // `name`, `from` and the like say nothing without what they belong to.
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

    /// What is none of the table's own columns, as it, the list or the filter calls them, is a field of the experiments.
    fn from_str(key: &str) -> Result<Self, Self::Err> {
        let name = key.trim().to_lowercase().replace([' ', '-'], "_");
        let name = match name.as_str() {
            "name" => "experiment",
            "status" => "state",
            "time" => "train_time",
            "params" | "total" => "total_params",
            "trainable" => "trainable_params",
            "non_trainable" => "non_trainable_params",
            name => name,
        };
        let known = Self::own().into_iter().find(|column| column.key() == name);
        Ok(known.unwrap_or_else(|| Self::Config(edit::setting(key).unwrap_or(key).to_owned())))
    }
}
