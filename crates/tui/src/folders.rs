//! The folders that the dashboard uses.

use std::path::PathBuf;

/// The folders that effects use.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    pub experiments: PathBuf,
    pub checkpoints: PathBuf,
    /// Where exports are written.
    pub exports: PathBuf,
    /// The file that remembers choices on screen.
    pub state: Option<PathBuf>,
}
