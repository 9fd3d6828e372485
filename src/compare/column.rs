//! The columns that a table can have.

use std::str::FromStr;

use super::Metric;

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
        let metrics = Metric::ALL.into_iter().flat_map(|metric| [Self::Metric(metric), Self::Delta(metric)]);
        let others = [Self::Experiment, Self::Run, Self::State, Self::Total, Self::Trainable, Self::NonTrainable];
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

    /// How soon it goes where there is too little room: the largest first, 0 never.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Experiment | Self::Metric(Metric::TestAcc) => 0,
            Self::Metric(Metric::ValAcc) => 1,
            Self::Delta(Metric::TestAcc) => 2,
            Self::Config(_) => 3,
            Self::Delta(_) => 4,
            Self::Metric(Metric::ValLoss) => 5,
            Self::Metric(Metric::TrainTime) => 6,
            Self::State => 7,
            Self::Metric(Metric::TrainAcc) => 8,
            Self::Metric(Metric::TrainLoss) => 9,
            Self::Trainable => 10,
            Self::Run => 11,
            Self::Total => 12,
            Self::NonTrainable => 13,
        }
    }
}

/// The last words of a path: as many as say what it is.
fn config_title(path: &str) -> String {
    let mut parts = path.rsplit('.');
    let last = parts.next().unwrap_or_default();
    // `name`, `from` and the like say nothing without what they belong to.
    let title = match parts.next().filter(|_| ["name", "from", "path", "limit", "test", "strict"].contains(&last)) {
        Some(parent) => format!("{parent} {last}"),
        None => last.to_owned(),
    };
    title.replace('_', " ")
}

impl FromStr for Column {
    type Err = std::convert::Infallible;

    /// What is none of the table's own columns is a field of the experiments.
    fn from_str(key: &str) -> Result<Self, Self::Err> {
        let known = Self::own().into_iter().find(|column| column.key() == key);
        Ok(known.unwrap_or_else(|| Self::Config(key.to_owned())))
    }
}
