//! A dataset's archive on its publisher's server.

use std::path::{Path, PathBuf};

/// A dataset as its publisher offers it.
#[derive(Debug, Clone)]
pub struct Published {
    /// The dataset's name in messages.
    pub name: String,
    /// The folder that the archive unpacks to.
    pub folder: String,
    /// The files in it that are needed, with their sizes in bytes.
    pub files: Vec<(String, u64)>,
    /// The archive's file name.
    pub archive: String,
    /// The archive's size.
    pub bytes: u64,
    /// The archive's MD5 in hexadecimal, as its publisher states it.
    pub md5: String,
}

impl Published {
    /// The dataset's folder below `root`, if all its files are there.
    pub(super) fn find(&self, root: &Path) -> Option<PathBuf> {
        let folder = root.join(&self.folder);
        self.files
            .iter()
            .all(|(file, _)| folder.join(file).is_file())
            .then_some(folder)
    }
}
