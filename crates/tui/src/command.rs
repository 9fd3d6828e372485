//! The meanings of keys. Each screen has its own enum, and its `update` matches all of it: a command without a handler does not
//! compile.

pub(crate) use crate::screen::compare::command::ComparisonCommand;
pub(crate) use crate::screen::dataset::command::DatasetCommand;
pub(crate) use crate::screen::experiments::command::ListCommand;
pub(crate) use crate::screen::machine::command::QueueCommand;
pub(crate) use crate::screen::run::command::{ChartCommand, LogCommand};

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Move(Movement),
    /// Opens the selected item.
    Open,
    Show(Show),
    /// Returns to the previous screen, or closes a popup.
    Back,
    Accept,
    Yes,
    /// Completes the typed path.
    Complete,
    Training(TrainingCommand),
    Queue(QueueCommand),
    List(ListCommand),
    Experiment(ExperimentCommand),
    Chart(ChartCommand),
    Log(LogCommand),
    Comparison(ComparisonCommand),
    Dataset(DatasetCommand),
    /// Predicts the class of an image.
    Predict,
    /// Sorts by the next column, or in the other order.
    Sort,
    /// Reverses the order of the list.
    Reverse,
    Export,
    Filter,
    Palette,
    /// Shows the messages.
    Messages,
    Help,
    Quit,
    Redraw,
    Suspend,
}

impl Command {
    /// Whether it only moves on the screen.
    pub fn is_movement(self) -> bool {
        matches!(self, Self::Move(_) | Self::Chart(ChartCommand::Cursor(_)))
    }
}

/// Moves the selection, or scrolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Left,
    Right,
}

/// Shows another screen, or another pane of the run screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    Comparison,
    Machine,
    Dataset,
    Log,
}

/// Starts and stops runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainingCommand {
    Launch,
    LaunchAll,
    /// Saves a run and ends it.
    Stop,
    /// Ends a run without saving.
    StopNow,
    Resume,
}

/// Edits or compares experiment files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExperimentCommand {
    /// Edits a field, in a new file or in the same file.
    Change,
    /// Switches between a new file and the same file.
    Destination,
    /// Switches between the value and the new file's name.
    OtherText,
    /// Opens the file in the editor.
    Edit,
    /// Shows two experiments side by side.
    Difference,
    /// Shows all fields, or only those that differ.
    AllFields,
}
