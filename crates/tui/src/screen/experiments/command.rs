//! What the keys of the experiments screen mean.

/// The list of experiments and its marked runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListCommand {
    /// Shows or hides an experiment's runs.
    Expand,
    /// Switches between all runs and experiments with their newest run.
    Flat,
    Archived,
    Columns,
    /// Writes an experiment for a folder of pictures.
    New,
    Mark,
    MarkAll,
    Tag,
    Note,
    Archive,
    Delete,
    Undo,
}
