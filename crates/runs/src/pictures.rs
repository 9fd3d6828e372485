//! Folders of one's own pictures: where their parts lie and which classes they hold, without opening a picture.

mod by_order;
mod layout;
mod sets;
mod unused;
mod walk;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

pub use self::sets::{Content, Kept, Leak, Moves, Sets};
pub use self::unused::Unused;
use warmstart_schema::experiment::SplitRule;
use warmstart_schema::text;

/// How picture files end; what is in them is judged by their content.
pub const ENDINGS: [&str; 15] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "dib", "tif", "tiff", "gif", "ppm", "pgm",
    "pbm", "pnm",
];
/// The same for people.
pub const READ: &str = "png, jpg, jfif, webp, bmp, tif, gif, ppm";
/// From so many times as many pictures in the largest class as in the smallest on, rare classes are easily never predicted.
pub const UNEVEN: f64 = 20.0;
/// Names of a list that an error shows.
const SHOWN: usize = 5;

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
    rule: SplitRule,
}

/// A folder that holds folders of classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFolder {
    pub path: PathBuf,
    /// Its folders of each class. Two spellings of one name are one class.
    folders: Vec<(u32, OsString)>,
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

/// Every picture of a folder: class by class, within a class by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub train: Vec<Listed>,
    pub validation: Option<Vec<Listed>>,
    pub test: Option<Vec<Listed>>,
    /// What else lies below the folder.
    pub unused: Unused,
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
    /// Looks at folders and names alone, and of each class only for its first picture. A run that splits by order reads its
    /// folder as the version did that began it.
    pub fn open(root: &Path, rule: SplitRule) -> Result<Self, Unusable> {
        match rule {
            SplitRule::ByName => layout::open(root),
            SplitRule::ByOrder => by_order::open(root),
        }
    }

    /// Every picture by name, and what is not used.
    pub fn list(&self) -> Result<Listing, Unusable> {
        let list = |part: &PartFolder| match self.rule {
            SplitRule::ByName => part.list(),
            SplitRule::ByOrder => by_order::list(part),
        };
        Ok(Listing {
            train: list(&self.train)?,
            validation: self.validation.as_ref().map(list).transpose()?,
            test: self.test.as_ref().map(list).transpose()?,
            unused: match self.rule {
                SplitRule::ByName => unused::below(self)?,
                SplitRule::ByOrder => Unused::default(),
            },
        })
    }

    fn parts(&self) -> impl Iterator<Item = &PartFolder> {
        [
            Some(&self.train),
            self.validation.as_ref(),
            self.test.as_ref(),
        ]
        .into_iter()
        .flatten()
    }
}

impl PartFolder {
    fn list(&self) -> Result<Vec<Listed>, Unusable> {
        let mut all = Vec::new();
        for (class, folder) in &self.folders {
            let files =
                walk::files(&self.path, Path::new(folder)).map_err(walk::Unreadable::unusable)?;
            let pictures = files
                .into_iter()
                .filter(|path| path.file_name().is_some_and(is_picture));
            all.extend(pictures.map(|path| Listed {
                class: *class,
                name: spelled(path.as_os_str()),
                path,
            }));
        }
        all.sort_by(|a, b| (a.class, &a.name, &a.path).cmp(&(b.class, &b.name, &b.path)));
        Ok(all)
    }
}

/// Whether a file's name is a picture's. Hidden files are none: some systems leave them beside pictures, with their endings.
pub fn is_picture(name: &OsStr) -> bool {
    !is_hidden(name) && ending(name).is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// A file's ending in small letters, without its dot.
fn ending(name: &OsStr) -> Option<String> {
    Path::new(name)
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase())
}

/// Some of many names.
pub fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let listed = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        format!("{listed} and {more} more")
    } else {
        listed
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// A name in the one spelling that all of its spellings share.
fn spelled(name: &OsStr) -> String {
    name.to_string_lossy().nfc().collect()
}

/// Classes by name; where two names look the same once they are made harmless, the later ones get a number.
fn named(folders: Vec<OsString>) -> Vec<Class> {
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

fn label(name: &OsStr) -> String {
    let name = text::line(&name.to_string_lossy(), 80);
    if name.is_empty() {
        "?".to_owned()
    } else {
        name
    }
}

fn shown(path: &Path) -> String {
    text::line(&path.display().to_string(), 300)
}

/// How many of something, `12 pictures` or `1 picture`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// Names with how many there are of each, `12 .heic, 3 .avif`, the most first.
fn tally(counts: &BTreeMap<String, usize>) -> String {
    let mut all: Vec<(&String, &usize)> = counts.iter().collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let texts: Vec<String> = all
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    listed(&texts)
}

#[cfg(test)]
mod tests;
