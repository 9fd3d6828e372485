//! Every file in a folder, at any depth. Follows links as torchvision's `ImageFolder` does, but enters each folder once, so that
//! cycles of links end.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::folder::Unusable;
use super::names::{is_hidden, is_picture, shown};

/// An unreadable folder.
#[derive(Debug)]
pub(super) struct Unreadable {
    path: PathBuf,
    error: io::Error,
}

impl Unreadable {
    pub(super) fn unusable(self) -> Unusable {
        Unusable {
            error: format!(
                "the folder {} cannot be read: {}",
                shown(&self.path),
                self.error
            ),
            help: "dataset.path must name a folder that holds train/<class>/*.jpg or <class>/*.jpg"
                .to_owned(),
        }
    }
}

/// The content of one folder, in byte order, without hidden names.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub folders: Vec<OsString>,
    pub files: Vec<OsString>,
}

impl Entries {
    pub(super) fn has_pictures(&self) -> bool {
        self.files.iter().any(|name| is_picture(name))
    }
}

pub(super) fn entries(folder: &Path) -> Result<Entries, Unreadable> {
    let unreadable = |error| Unreadable {
        path: folder.to_path_buf(),
        error,
    };
    let mut found = Entries::default();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if is_hidden(&name) {
            continue;
        }
        let is_folder = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => kind.is_dir(),
            // A dangling or cyclic link counts as an unreadable file.
            _ => entry.path().is_dir(),
        };
        if is_folder {
            found.folders.push(name);
        } else {
            found.files.push(name);
        }
    }
    found.folders.sort_unstable();
    found.files.sort_unstable();
    Ok(found)
}

type Identity = (u64, u64);

fn identity(folder: &Path) -> Option<Identity> {
    fs::metadata(folder)
        .ok()
        .map(|meta| (meta.dev(), meta.ino()))
}

/// The files in `root/within`, by their paths relative to `root`.
pub(super) fn files(root: &Path, within: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    let mut all = Vec::new();
    let each = |path: PathBuf| {
        all.push(path);
        ControlFlow::Continue(())
    };
    let _ = visit(root, within, |_| false, each, Err)?;
    Ok(all)
}

/// The files in `root` except in skipped folders, then the unreadable folders.
pub(super) fn files_but(
    root: &Path,
    skips: impl Fn(&Path) -> bool,
) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut all, mut closed) = (Vec::new(), Vec::new());
    let each = |path: PathBuf| {
        all.push(path);
        ControlFlow::Continue(())
    };
    let unreadable = |error: Unreadable| {
        closed.push(error.path);
        Ok(())
    };
    // This cannot fail.
    let _ = visit(root, Path::new(""), skips, each, unreadable);
    (all, closed)
}

/// Whether an image lies in `root/within`, at any depth.
pub(super) fn has_picture(root: &Path, within: &Path) -> Result<bool, Unreadable> {
    let each = |path: PathBuf| match path.file_name() {
        Some(name) if is_picture(name) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    Ok(visit(root, within, |_| false, each, Err)?.is_break())
}

fn visit(
    root: &Path,
    within: &Path,
    skips: impl Fn(&Path) -> bool,
    mut each: impl FnMut(PathBuf) -> ControlFlow<()>,
    mut unreadable: impl FnMut(Unreadable) -> Result<(), Unreadable>,
) -> Result<ControlFlow<()>, Unreadable> {
    // A link to the root would contain every other class, and one above it may contain the whole disk. The visit itself may begin
    // at the root.
    let begins_at_root = within.as_os_str().is_empty();
    let mut seen: HashSet<Identity> = fs::canonicalize(root)
        .iter()
        .flat_map(|root| root.ancestors().skip(usize::from(begins_at_root)))
        .filter_map(identity)
        .collect();
    let mut waiting = vec![within.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        let place = root.join(&folder);
        if skips(&folder) || identity(&place).is_some_and(|identity| !seen.insert(identity)) {
            continue;
        }
        let entries = match entries(&place) {
            Ok(entries) => entries,
            Err(error) => {
                unreadable(error)?;
                continue;
            }
        };
        for name in entries.files {
            if each(folder.join(name)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        waiting.extend(
            entries
                .folders
                .into_iter()
                .rev()
                .map(|name| folder.join(name)),
        );
    }
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_above_the_root_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("pictures");
        fs::create_dir_all(root.join("cat")).unwrap();
        fs::write(root.join("cat/0.png"), b"").unwrap();
        fs::write(outside.path().join("letter.txt"), b"").unwrap();
        symlink(outside.path(), root.join("up")).unwrap();
        symlink(&root, root.join("cat/all")).unwrap();
        let expected = [PathBuf::from("cat/0.png")];
        let (found, closed) = files_but(&root, |_| false);
        assert_eq!(found, expected);
        assert!(closed.is_empty(), "{closed:?}");
        assert_eq!(files(&root, Path::new("cat")).unwrap(), expected);
        assert!(files(&root, Path::new("up")).unwrap().is_empty());
    }
}
