//! CIFAR-10 and CIFAR-100 in their published binary versions.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Result;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::catalog::DatasetName;

use super::binary::{Layout, Pictures};
use super::{Dataset, missing};
use crate::failure::UserError;
use crate::unsupported;

const TRAIN: usize = 50_000;
const TEST: usize = 10_000;

pub(super) const CIFAR100: Layout = Layout {
    coarse: true,
    classes: 100,
    coarse_classes: 20,
};

pub(super) const CIFAR10: Layout = Layout {
    coarse: false,
    classes: 10,
    coarse_classes: 0,
};

pub(super) fn load(
    name: DatasetName,
    path: Option<&Path>,
    places: &SearchPaths,
    layout: Layout,
) -> Result<Dataset> {
    let (train, test) = name.files().unwrap_or_default();
    let folder = find(name, path, places)?;
    let part = |files: &[&str], images: usize| {
        let mut pictures = Pictures::default();
        for file in files {
            let in_file = images / files.len();
            pictures.append(read(name, &folder.join(file), layout, in_file)?);
        }
        anyhow::Ok(pictures)
    };
    Ok(Dataset {
        train: part(train, TRAIN)?,
        test: part(test, TEST)?,
        names: class_names(name, &folder, layout)?,
    })
}

/// The pictures of one file; an error unless it has exactly this many.
fn read(name: DatasetName, path: &Path, layout: Layout, images: usize) -> Result<Pictures> {
    let content = || {
        // One byte more than expected is enough to see that a file is too long.
        let most = (images * layout.record() + 1) as u64;
        let mut bytes = Vec::new();
        File::open(path)?.take(most).read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    };
    let bytes = content().map_err(|error| unreadable(name, path, &error))?;
    layout.read(&bytes, images).map_err(|error| {
        let name = name.as_str();
        UserError::input(
            format!("a file of {name} is damaged: {error}: {}", path.display()),
            // A download skips a file that is there.
            format!("remove it, then get the published files of {name} again"),
        )
    })
}

fn unreadable(name: DatasetName, path: &Path, error: &io::Error) -> anyhow::Error {
    UserError::input(
        format!(
            "a file of {} cannot be read: {error}: {}",
            name.as_str(),
            path.display()
        ),
        "check the permissions of the file, and its disk",
    )
}

/// Names of the fine and of the coarse classes from the publisher's archives; none if they are missing or incomplete.
fn class_names(name: DatasetName, folder: &Path, layout: Layout) -> Result<[Vec<String>; 2]> {
    use io::ErrorKind::{InvalidData, NotFound};
    let listed = |files: &[&str], classes: u8| -> Result<Vec<String>> {
        let mut paths = files.iter().map(|file| folder.join(file));
        let text = paths.find_map(|path| match std::fs::read_to_string(&path) {
            Err(error) if matches!(error.kind(), NotFound | InvalidData) => None,
            text => Some(text.map_err(|error| unreadable(name, &path, &error))),
        });
        let text = text.transpose()?.unwrap_or_default();
        let names: Vec<String> = text
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        Ok(if names.len() == usize::from(classes) {
            names
        } else {
            Vec::new()
        })
    };
    Ok([
        listed(
            &["fine_label_names.txt", "batches.meta.txt"],
            layout.classes,
        )?,
        listed(&["coarse_label_names.txt"], layout.coarse_classes)?,
    ])
}

/// The folder that holds the published binary files.
fn find(name: DatasetName, path: Option<&Path>, places: &SearchPaths) -> Result<PathBuf> {
    places.find_dataset(name, path).map_err(|looked| {
        let other = path.and_then(|path| unsupported::unsupported_version(name, path));
        other.unwrap_or_else(|| missing(name, path, &looked, places))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_damaged_file_is_to_be_downloaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let said =
            |path: &Path| UserError::of(&read(DatasetName::Cifar10, path, CIFAR10, 1).unwrap_err());
        let short = folder.path().join("short.bin");
        std::fs::write(&short, [0]).unwrap();
        let damaged = said(&short);
        assert!(damaged.help.contains("again"), "{damaged:?}");
        assert!(damaged.error.ends_with("short.bin"), "{damaged:?}");
        // A folder can be opened but not read.
        let closed = said(folder.path());
        assert!(closed.help.contains("permissions"), "{closed:?}");
        assert!(!closed.help.contains("again"), "{closed:?}");
    }

    #[test]
    fn class_names_that_cannot_be_read_are_not_taken_for_missing() {
        let folder = tempfile::tempdir().unwrap();
        let found = || class_names(DatasetName::Cifar10, folder.path(), CIFAR10);
        assert!(found().unwrap().concat().is_empty());
        std::fs::create_dir(folder.path().join("batches.meta.txt")).unwrap();
        let error = UserError::of(&found().unwrap_err());
        assert!(error.error.ends_with("batches.meta.txt"), "{error:?}");
    }
}
