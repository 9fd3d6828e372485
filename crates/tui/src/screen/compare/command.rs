//! What the keys of the compare screen mean.

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
    /// Shows the members of groups below their rows, or hides them.
    Members,
    /// Shows the next figures: best epoch, last epoch, or best of all epochs.
    NextFigures,
    /// Shows all runs, or the newest of each experiment.
    NextSelection,
    /// Shows the next chart below the table.
    NextChart,
    EpochBefore,
    EpochAfter,
    /// Hides the column that the table is sorted by.
    Hide,
    /// Copies the table to the terminal's clipboard.
    Copy,
    /// Copies the command that prints the table.
    CopyCommand,
}
