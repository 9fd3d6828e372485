//! Where the dashboard works.

use std::path::PathBuf;

/// Where effects work.
#[derive(Debug, Clone)]
pub struct Folders {
    pub experiments: PathBuf,
    pub checkpoints: PathBuf,
    /// Where exports are written.
    pub exports: PathBuf,
    /// The file that remembers what was chosen on screen.
    pub state: Option<PathBuf>,
}
