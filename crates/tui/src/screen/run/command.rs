//! What the keys of the run screen mean.

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
    /// Saves accuracy and loss, or the chart that is shown alone, as SVG and PNG.
    Save,
    /// Shows the chart with this number (from 1) alone, or all again.
    Alone(u8),
}
