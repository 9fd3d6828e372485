//! A folder of pictures: its parts and classes, and why it cannot be used.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use warmstart_schema::experiment::SplitRule;

use super::names::label;

/// A folder with `train/<class>/` and maybe `val/<class>/` and `test/<class>/`, or with `<class>/` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFolder {
    /// The folder that was named.
    pub root: PathBuf,
    pub train: PartFolder,
    /// Where it is missing, validation pictures are split off from training.
    pub validation: Option<PartFolder>,
    pub test: Option<PartFolder>,
    /// In the byte order of their folders' names.
    pub classes: Vec<Class>,
    /// Folders among the classes' that hold no picture, as text.
    pub empty: Vec<String>,
    /// What is not as its reader may think, a sentence each.
    pub remarks: Vec<String>,
    pub(super) rule: SplitRule,
}

/// A folder that holds folders of classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFolder {
    pub path: PathBuf,
    /// Its folders of each class. Two spellings of one name are one class.
    pub(super) folders: Vec<(u32, OsString)>,
}

/// A class: a folder that holds pictures of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    pub folder: OsString,
    /// What it is called on every screen; no other class is called so.
    pub name: String,
}

impl Class {
    /// Its name as the folder has it, for machines; of a name that is no text, what it is called on screens.
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
    /// Below the folder of its part.
    pub path: PathBuf,
    /// The same as text in one spelling (NFC): what the picture is known by, wherever the folder lies.
    pub name: String,
}

/// Why a folder cannot be trained on, and what to do about it.
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

/// Classes by name; where two names look the same once they are made harmless, the later ones get a number.
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
