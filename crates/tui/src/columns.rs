//! The columns of the list of experiments and runs.

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

impl ColumnId {
    /// Those that are shown until somebody chooses others.
    pub fn usual() -> Vec<Self> {
        // Where there is no room for the time, the selected run's id above its detail has it.
        COLUMNS[..7]
            .iter()
            .map(|(column, _)| *column)
            .chain([Self::Created])
            .collect()
    }

    /// The column of a name: its own, or what the comparison, the filter or an experiment's file calls it.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase().replace(['_', '-'], " ");
        let name = match name.as_str() {
            "status" => "state",
            "train time" => "time",
            "lr" | "learning rate" | "train.optimizer.learning rate" => "rate",
            "model.backbone" => "backbone",
            "input.resize" => "px",
            "tag" => "tags",
            name => name,
        };
        COLUMNS
            .iter()
            .find(|(_, title)| *title == name)
            .map(|(column, _)| *column)
    }

    pub fn title(self) -> &'static str {
        COLUMNS
            .iter()
            .find(|(column, _)| *column == self)
            .map_or("", |(_, title)| title)
    }

    /// Whether the first row has the largest figure.
    pub fn higher_first(self) -> bool {
        matches!(
            self,
            Self::ValAcc | Self::TestAcc | Self::TrainAcc | Self::Epoch | Self::Created
        )
    }
}

/// What the columns are called.
pub fn names() -> impl Iterator<Item = &'static str> {
    COLUMNS.into_iter().map(|(_, name)| name)
}
