//! A dataset's archive on its publisher's server.

use std::path::{Path, PathBuf};

/// A dataset as its publisher offers it.
#[derive(Debug, Clone)]
pub struct Published {
    /// For messages.
    pub name: String,
    /// What the archive unpacks to.
    pub folder: String,
    /// The files in it that are needed, and their bytes.
    pub files: Vec<(String, u64)>,
    pub archive: String,
    pub bytes: u64,
    pub md5: String,
}

impl Published {
    pub(super) fn find(&self, root: &Path) -> Option<PathBuf> {
        let folder = root.join(&self.folder);
        self.files
            .iter()
            .all(|(file, _)| folder.join(file).is_file())
            .then_some(folder)
    }
}
