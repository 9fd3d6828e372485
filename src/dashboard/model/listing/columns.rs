//! The columns of the experiments screen: what each shows is drawn by the screen, what each is worth is sorted by.

use crate::dashboard::model::Entry;
use crate::store::Run;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnId {
    Backbone,
    Pixels,
    State,
    Epoch,
    ValAcc,
    TestAcc,
    Time,
    TrainAcc,
    ValLoss,
    TrainLoss,
    LearningRate,
    Seed,
    Device,
    Created,
    Run,
    Tags,
    Note,
}

/// Every column in the order in which they stand, with the name that the state file knows it by.
pub const COLUMNS: [(ColumnId, &str); 17] = [
    (ColumnId::Backbone, "backbone"),
    (ColumnId::Pixels, "px"),
    (ColumnId::State, "state"),
    (ColumnId::Epoch, "epoch"),
    (ColumnId::ValAcc, "val acc"),
    (ColumnId::TestAcc, "test acc"),
    (ColumnId::Time, "time"),
    (ColumnId::TrainAcc, "train acc"),
    (ColumnId::ValLoss, "val loss"),
    (ColumnId::TrainLoss, "train loss"),
    (ColumnId::LearningRate, "rate"),
    (ColumnId::Seed, "seed"),
    (ColumnId::Device, "device"),
    (ColumnId::Created, "created"),
    (ColumnId::Run, "run"),
    (ColumnId::Tags, "tags"),
    (ColumnId::Note, "note"),
];

/// What rows are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub enum Worth {
    Nothing,
    Figure(f64),
    Text(String),
}

impl Worth {
    fn figure(value: Option<f64>) -> Self {
        value.filter(|value| !value.is_nan()).map_or(Self::Nothing, Self::Figure)
    }

    fn text(text: Option<&str>) -> Self {
        text.filter(|text| !text.is_empty()).map_or(Self::Nothing, |text| Self::Text(text.to_owned()))
    }
}

impl ColumnId {
    /// Those that are shown until somebody chooses others.
    pub fn usual() -> Vec<Self> {
        COLUMNS[..7].iter().map(|(column, _)| *column).collect()
    }

    /// The column of a name.
    pub fn named(name: &str) -> Option<Self> {
        COLUMNS.iter().find(|(_, title)| *title == name).map(|(column, _)| *column)
    }

    pub fn title(self) -> &'static str {
        COLUMNS.iter().find(|(column, _)| *column == self).map_or("", |(_, title)| title)
    }

    /// Whether the first row has the largest figure.
    pub fn higher_first(self) -> bool {
        matches!(self, Self::ValAcc | Self::TestAcc | Self::TrainAcc | Self::Epoch | Self::Created)
    }

    /// What a row is sorted by.
    pub fn worth(self, entry: &Entry) -> Worth {
        let (run, experiment) = (entry.run, entry.experiment());
        let state = run.map(|run| &run.state);
        let epoch = state.and_then(|state| state.best_epoch().or(state.epochs.last()));
        match self {
            Self::Backbone => Worth::text(experiment.map(|experiment| experiment.model.backbone.as_str())),
            Self::Pixels => Worth::figure(experiment.map(|experiment| f64::from(experiment.pixels()))),
            Self::State => Worth::text(run.map(|run| run.status().as_str())),
            Self::Epoch => {
                Worth::figure(state.and_then(|state| state.epochs.last()).map(|epoch| f64::from(epoch.epoch)))
            }
            Self::ValAcc => Worth::figure(epoch.map(|epoch| epoch.val_acc)),
            Self::TrainAcc => Worth::figure(epoch.map(|epoch| epoch.train_acc)),
            Self::ValLoss => Worth::figure(epoch.map(|epoch| epoch.val_loss)),
            Self::TrainLoss => Worth::figure(epoch.map(|epoch| epoch.train_loss)),
            Self::TestAcc => Worth::figure(state.and_then(|state| state.test.as_ref()).map(|test| test.accuracy)),
            Self::Time => Worth::figure(state.and_then(|state| state.train_time())),
            Self::LearningRate => Worth::figure(experiment.map(|experiment| experiment.train.optimizer.learning_rate)),
            Self::Seed => Worth::figure(experiment.map(|experiment| experiment.seed as f64)),
            Self::Device => Worth::text(run.map(Run::device)),
            Self::Created => {
                let created = run.and_then(|run| run.info.as_ref().ok()).map(|info| info.created.as_second());
                Worth::figure(created.map(|second| second as f64))
            }
            Self::Run => Worth::text(run.map(|run| run.id.as_str())),
            Self::Tags => Worth::text(run.map(tags).as_deref()),
            Self::Note => Worth::text(run.map(|run| run.annotation.note.as_str())),
        }
    }
}

/// All tags of a run in a row.
pub fn tags(run: &Run) -> String {
    run.annotation.tags.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}
