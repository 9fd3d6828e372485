//! The meanings of keys, by screen. Each area has its own enum and its `update` matches all of it:
//! a command without a handler does not compile.

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
    Sort,
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
    Stop,
    StopNow,
    Resume,
}

/// Changes the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueCommand {
    /// Swaps the selected run with the one before it in the queue.
    Up,
    Down,
    /// Removes a run from the queue, after a question.
    Remove,
    /// Pauses or resumes the queue.
    Pause,
    /// Lets the device take more runs at a time.
    MoreSlots,
    FewerSlots,
}

/// The list of experiments and its marked runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListCommand {
    /// Shows or hides an experiment's runs.
    Expand,
    /// Switches between all runs and experiments with their newest run.
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

/// The log of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogCommand {
    /// Searches it.
    Find,
    Before,
    After,
    /// Saves it to a file.
    Save,
}

/// Keys of the compare screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComparisonCommand {
    /// Shows all columns, or only those that differ.
    Differing,
    /// Shows the differing fields of the experiments.
    Config,
    /// Uses the selected run as the baseline, or the published figures again.
    Pin,
    Transpose,
    Seeds,
    /// Selects the figures: best epoch, last epoch, or best of all epochs.
    Figures,
    /// Shows all runs, or the newest of each experiment.
    Which,
    /// Selects the chart below the table.
    Curves,
    EpochBefore,
    EpochAfter,
    /// Hides the column that the table is sorted by.
    Hide,
    /// Copies the table to the terminal's clipboard.
    Copy,
    /// Copies the command that prints the table.
    CopyCommand,
}

/// The images of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetCommand {
    /// Shows one image, a page of them, or the classes.
    View,
    /// Shows the next split: training, validation or test.
    Part,
    /// Asks for the number of an image.
    Number,
    Random,
    /// Shows the image as the next epoch of training sees it.
    Augment,
    AsItIs,
}

/// Keys of the charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartCommand {
    /// Moves the cursor by this many places.
    Cursor(i8),
    ToFirst,
    /// Removes the cursor: the screen follows the run.
    ToNewest,
    ZoomIn,
    ZoomOut,
    PanLeft,
    PanRight,
    /// Halves the y range around the figure under the cursor.
    HalfHeight,
    DoubleHeight,
    /// Resets the zoom of both axes.
    Whole,
    /// Selects the x axis.
    XAxis,
    LogX,
    LogY,
    Smooth,
    /// Selects the runs to draw with this one.
    Others,
    Next,
    Previous,
    /// Saves the shown charts as SVG and PNG.
    Save,
    /// Shows the chart with this number (from 1) alone, or all again.
    Alone(u8),
}
