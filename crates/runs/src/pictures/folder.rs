//! An image folder: its splits and classes, and why it cannot be used.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use warmstart_schema::experiment::SplitRule;
use warmstart_schema::text;

use super::names::MOST_CHARACTERS;

/// A folder with `train/<class>/` or `<class>/`, and maybe `val/<class>/` and `test/<class>/`. Splits may also be called `training`,
/// `valid`, `validation`, `dev`, `eval`, `evaluation` and `testing`, in upper or lower case. A run that splits by order knows none of
/// these names, and no split beside `<class>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFolder {
    /// The folder that the user named.
    pub root: PathBuf,
    pub train: SplitFolder,
    /// If it is missing, validation images are split off from training.
    pub validation: Option<SplitFolder>,
    /// If it is missing, test images are split off from training.
    pub test: Option<SplitFolder>,
    /// In the byte order of their folders' names. A class's index here is its label.
    pub classes: Vec<Class>,
    /// Folders beside the classes that contain no image, as text.
    pub empty: Vec<String>,
    /// Remarks on what may surprise the user, a sentence each.
    pub remarks: Vec<String>,
    pub(super) rule: SplitRule,
}

/// The folder of a split, which contains a folder for each class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitFolder {
    pub path: PathBuf,
    /// Each class's index in [`PictureFolder::classes`], with a folder of its images. Folders whose names differ only in Unicode
    /// normalization are one class, so an index may come more than once.
    pub(super) folders: Vec<(u32, OsString)>,
}

/// A class, known by the name of the folder that contains its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// The name of its folder; of several, the first in byte order.
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

/// A picture file. It was listed, not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFile {
    /// Index in [`PictureFolder::classes`].
    pub class: u32,
    /// Path relative to the folder of its split.
    pub path: PathBuf,
    /// The same path as text in Unicode normalization form C, which identifies the image wherever the folder lies.
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
    pub(super) fn splits(&self) -> impl Iterator<Item = &SplitFolder> {
        [
            Some(&self.train),
            self.validation.as_ref(),
            self.test.as_ref(),
        ]
        .into_iter()
        .flatten()
    }
}

/// The classes of these folders, in their order. If two sanitized names are equal, the later one gets a number.
pub(super) fn unique_classes(folders: Vec<OsString>) -> Vec<Class> {
    let texts: Vec<String> = folders
        .iter()
        .map(|folder| folder.to_string_lossy().into_owned())
        .collect();
    let names = text::distinct(texts.iter().map(String::as_str), MOST_CHARACTERS);
    folders
        .into_iter()
        .zip(names)
        .map(|(folder, name)| Class { folder, name })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_classes_of_equal_names_are_numbered_in_time_that_grows_as_they_do() {
        // To try all numbers for each class would take more than ten thousand million attempts.
        let prefix = "x".repeat(MOST_CHARACTERS);
        let folders = (0..200_000).map(|index| OsString::from(format!("{prefix}{index}")));
        let classes = unique_classes(folders.collect());
        assert_eq!(classes.last().unwrap().name, format!("{prefix}… (200000)"));
    }
}
