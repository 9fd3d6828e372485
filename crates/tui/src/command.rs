//! What keys mean, by the screen that owns them. Each area has an enum of its own, and its `update` matches all of it: a
//! command that nobody handles does not compile.

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Move(Movement),
    /// What is selected.
    Open,
    Show(Show),
    /// To where the user came from; out of a popup.
    Back,
    Accept,
    Yes,
    /// Completes the path that is being typed.
    Complete,
    Training(TrainingCommand),
    Queue(QueueCommand),
    List(ListCommand),
    Experiment(ExperimentCommand),
    Chart(ChartCommand),
    Log(LogCommand),
    Comparison(ComparisonCommand),
    Dataset(DatasetCommand),
    /// Asks a run what it sees in a picture.
    Predict,
    Sort,
    Reverse,
    Export,
    Filter,
    Palette,
    /// The messages so far.
    Messages,
    Help,
    Quit,
    Redraw,
    Suspend,
}

impl Command {
    /// Whether it only moves about on the screen.
    pub fn is_movement(self) -> bool {
        matches!(self, Self::Move(_) | Self::Chart(ChartCommand::Cursor(_)))
    }
}

/// Moves the selection, or what is shown.
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

/// Another screen, or another pane of the run's screen.
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
    Stop,
    StopNow,
    Resume,
}

/// What keys do to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueCommand {
    /// The selected run before the one that waits before it.
    Up,
    Down,
    /// Out of the queue, after a question.
    Remove,
    /// Nothing more starts, or the queue goes on.
    Pause,
    /// Runs that a device takes at a time.
    MoreSlots,
    FewerSlots,
}

/// The list of experiments and the runs that are marked in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListCommand {
    /// Shows or hides an experiment's runs.
    Expand,
    /// All runs, or experiments with their newest.
    Flat,
    Archived,
    Columns,
    Mark,
    MarkAll,
    Tag,
    Note,
    Archive,
    Delete,
    Undo,
}

/// The file of an experiment: its fields changed, or compared with another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExperimentCommand {
    /// A field of the file, in a new file or in place.
    Change,
    /// A new file, or the file itself.
    Destination,
    /// Between the value and the new file's name.
    OtherText,
    /// The file in the editor.
    Edit,
    /// Two experiments side by side.
    Difference,
    /// All of their fields, or those that differ.
    AllFields,
}

/// The log of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogCommand {
    /// Searches it.
    Find,
    Before,
    After,
    /// Writes it into a file.
    Save,
}

/// What the compare screen's own keys mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparisonCommand {
    /// Only columns that differ, or all.
    Differing,
    /// The experiments' fields that differ, side by side.
    Config,
    /// The selected run as the baseline of differences, or the published figures again.
    Pin,
    Transpose,
    Seeds,
    /// The best epoch, the last, or the best of all.
    Figures,
    /// All runs, or the newest of each experiment.
    Which,
    /// Another chart below the table.
    Curves,
    EpochBefore,
    EpochAfter,
    /// Leave out the column that is sorted by.
    Hide,
    /// The table to the terminal's clipboard.
    Copy,
    /// The command that prints the table, likewise.
    CopyCommand,
}

/// The pictures of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetCommand {
    /// One picture, a page of them, or the classes.
    View,
    /// The next of training, validation and test.
    Part,
    /// Asks for a picture's number.
    Number,
    Random,
    /// As training sees it, in the next epoch.
    Augment,
    AsItIs,
}

/// What keys do to charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartCommand {
    /// Moves the cursor by so many places.
    Cursor(i8),
    ToFirst,
    /// No cursor: the screen follows the run.
    ToNewest,
    ZoomIn,
    ZoomOut,
    PanLeft,
    PanRight,
    /// Halves the height around the figure under the cursor.
    HalfHeight,
    DoubleHeight,
    /// Back to all of both axes.
    Whole,
    /// What charts run along: epochs, steps, time.
    XAxis,
    LogX,
    LogY,
    Smooth,
    /// Which runs are drawn beside this one.
    Others,
    Next,
    Previous,
    /// Writes what is shown as SVG and PNG.
    Save,
    /// One chart alone, by its number from 1; again: all.
    Alone(u8),
}
