//! An image folder: its splits and classes, and why it cannot be used.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use warmstart_schema::experiment::SplitRule;

use super::names::label;

/// A folder with `train/<class>/` and maybe `val/<class>/` and `test/<class>/`, or with `<class>/` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFolder {
    /// The folder that the user named.
    pub root: PathBuf,
    pub train: PartFolder,
    /// If it is missing, validation images are split off from training.
    pub validation: Option<PartFolder>,
    pub test: Option<PartFolder>,
    /// In the byte order of their folders' names.
    pub classes: Vec<Class>,
    /// Folders beside the classes that contain no image, as text.
    pub empty: Vec<String>,
    /// Remarks on what may surprise the user, a sentence each.
    pub remarks: Vec<String>,
    pub(super) rule: SplitRule,
}

/// A folder that contains class folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFolder {
    pub path: PathBuf,
    /// The folders of each class. Two spellings of one name are one class.
    pub(super) folders: Vec<(u32, OsString)>,
}

/// A class: a folder that contains its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    pub folder: OsString,
    /// Its name for screens, unique among the classes.
    pub name: String,
}

impl Class {
    /// Its name as the folder has it, for machines; if that is not text, its name for screens.
    pub fn exact(&self) -> String {
        self.folder
            .to_str()
            .map_or_else(|| self.name.clone(), str::to_owned)
    }
}

/// A picture file, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub class: u32,
    /// Path relative to the folder of its split.
    pub path: PathBuf,
    /// The same path as text in one spelling (NFC), which identifies the image wherever the folder lies.
    pub name: String,
}

/// Why a folder cannot be trained on, and how to correct it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    pub error: String,
    pub help: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.error, self.help)
    }
}

impl std::error::Error for Unusable {}

impl PictureFolder {
    pub(super) fn parts(&self) -> impl Iterator<Item = &PartFolder> {
        [
            Some(&self.train),
            self.validation.as_ref(),
            self.test.as_ref(),
        ]
        .into_iter()
        .flatten()
    }
}

/// Classes by name; if two sanitized names are equal, the later ones get a number.
pub(super) fn named(folders: Vec<OsString>) -> Vec<Class> {
    let mut taken = std::collections::BTreeSet::new();
    let mut class = |folder: OsString| {
        let name = label(&folder);
        let numbered = (2_u32..).map(|number| format!("{name} ({number})"));
        let name = std::iter::once(name.clone())
            .chain(numbered)
            .find(|name| taken.insert(name.clone()));
        Class {
            folder,
            name: name.unwrap_or_default(),
        }
    };
    folders.into_iter().map(&mut class).collect()
}
