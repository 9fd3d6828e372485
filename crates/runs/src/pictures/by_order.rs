//! Reads a folder as earlier versions did, which split by order. The runs that they began must find the same images.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{Class, PictureFile, PictureFolder, SplitFolder, Unusable, unique_classes};
use super::names::{is_hidden, label, listed, normalized, shown};
use warmstart_schema::experiment::SplitRule;

const ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

pub(super) fn open(root: &Path) -> Result<PictureFolder, Unusable> {
    let inner = root.join("train");
    let has_parts = inner.is_dir();
    let train = if has_parts { inner } else { root.to_path_buf() };
    let (full, empty) = class_folders(&train)?;
    if full.len() < 2 {
        let found = if full.is_empty() {
            "no folder".to_owned()
        } else {
            "only one folder".to_owned()
        };
        return Err(Unusable {
            error: format!("expected a folder with pictures for each class in {}, found {found}", shown(&train)),
            help: "put two classes or more there, as train/<class>/*.jpg or <class>/*.jpg (png, jpg, jpeg, webp)"
                .to_owned(),
        });
    }
    let classes = unique_classes(full);
    let part = |name: &str| {
        if has_parts {
            part_folder(root.join(name), &classes)
        } else {
            Ok(None)
        }
    };
    Ok(PictureFolder {
        root: root.to_path_buf(),
        validation: part("val")?,
        test: part("test")?,
        train: of_classes(train, &classes),
        classes,
        empty,
        remarks: Vec::new(),
        rule: SplitRule::ByOrder,
    })
}

fn of_classes(path: PathBuf, classes: &[Class]) -> SplitFolder {
    let folders = (0_u32..)
        .zip(classes)
        .map(|(number, class)| (number, class.folder.clone()))
        .collect();
    SplitFolder { path, folders }
}

/// A split that may be missing; its classes must be known.
fn part_folder(path: PathBuf, classes: &[Class]) -> Result<Option<SplitFolder>, Unusable> {
    if !path.is_dir() {
        return Ok(None);
    }
    let (full, _) = class_folders(&path)?;
    let known: HashSet<&OsString> = classes.iter().map(|class| &class.folder).collect();
    let strange: Vec<String> = full
        .iter()
        .filter(|name| !known.contains(name))
        .map(|name| label(name))
        .collect();
    if strange.is_empty() {
        return Ok((!full.is_empty()).then(|| of_classes(path, classes)));
    }
    Err(Unusable {
        error: format!(
            "{} holds classes that training pictures lack: {}",
            shown(&path),
            listed(&strange)
        ),
        help: "add them to train/, or remove them".to_owned(),
    })
}

/// `path/<class>/*`, not deeper. A missing class has no images.
pub(super) fn list(part: &SplitFolder) -> Result<Vec<PictureFile>, Unusable> {
    let mut all = Vec::new();
    for (class, name) in &part.folders {
        let folder = part.path.join(name);
        if !folder.is_dir() {
            continue;
        }
        let mut names: Vec<OsString> = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            names.push(
                entry
                    .map_err(|error| unreadable(&folder, &error))?
                    .file_name(),
            );
        }
        names.retain(|name| is_picture(name));
        names.sort_unstable();
        let files = names.into_iter().map(|file| {
            let path = Path::new(name).join(file);
            PictureFile {
                class: *class,
                name: normalized(path.as_os_str()),
                path,
            }
        });
        all.extend(files);
    }
    Ok(all)
}

fn is_picture(name: &OsStr) -> bool {
    let ending = Path::new(name).extension().map(OsStr::to_ascii_lowercase);
    !is_hidden(name) && ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

fn unreadable(path: &Path, error: &io::Error) -> Unusable {
    Unusable {
        error: format!("the folder {} cannot be read: {error}", shown(path)),
        help: "dataset.path must name a folder that holds train/<class>/*.jpg or <class>/*.jpg"
            .to_owned(),
    }
}

/// Folders that contain an image, and the labels of those that contain none, both in byte order.
fn class_folders(folder: &Path) -> Result<(Vec<OsString>, Vec<String>), Unusable> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        if !is_hidden(&entry.file_name()) && entry.path().is_dir() {
            names.insert(entry.file_name());
        }
    }
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    for name in names {
        let class = folder.join(&name);
        let mut has_picture = false;
        for entry in fs::read_dir(&class).map_err(|error| unreadable(&class, &error))? {
            let entry = entry.map_err(|error| unreadable(&class, &error))?;
            if is_picture(&entry.file_name()) {
                has_picture = true;
                break;
            }
        }
        if has_picture {
            full.push(name);
        } else {
            empty.push(label(&name));
        }
    }
    Ok((full, empty))
}
