//! Folders of one's own pictures: where their parts lie and which classes they hold, without opening a picture.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::text;

/// How picture files end; what is in them is judged by their content.
const ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];
/// From so many times as many pictures in the largest class as in the smallest on, rare classes are easily never predicted.
pub const UNEVEN: f64 = 20.0;
/// Names of a list that an error shows.
const SHOWN: usize = 5;

/// A folder with `train/<class>/` and maybe `val/<class>/` and `test/<class>/`, or with `<class>/` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFolder {
    /// The folder that holds the classes' folders with training pictures.
    pub train: PathBuf,
    /// Likewise; where it is missing, validation pictures are split off from training.
    pub validation: Option<PathBuf>,
    pub test: Option<PathBuf>,
    /// In the byte order of their folders' names.
    pub classes: Vec<Class>,
    /// Folders among the classes' that hold no picture, as text.
    pub empty: Vec<String>,
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
        self.folder.to_str().map_or_else(|| self.name.clone(), str::to_owned)
    }

    /// How many pictures of it a part's folder holds, by their names; none where it cannot be read.
    pub fn pictures(&self, part: &Path) -> usize {
        let entries = fs::read_dir(part.join(&self.folder)).into_iter().flatten().flatten();
        entries.filter(|entry| is_picture(&entry.file_name())).count()
    }
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
    /// Looks at folders and names alone, and of each class only for its first picture.
    pub fn open(root: &Path) -> Result<Self, Unusable> {
        let inner = root.join("train");
        let has_parts = inner.is_dir();
        let train = if has_parts { inner } else { root.to_path_buf() };
        let (full, empty) = class_folders(&train)?;
        if full.len() < 2 {
            let found = if full.is_empty() { "no folder".to_owned() } else { "only one folder".to_owned() };
            return Err(Unusable {
                error: format!("expected a folder with pictures for each class in {}, found {found}", shown(&train)),
                help: "put two classes or more there, as train/<class>/*.jpg or <class>/*.jpg (png, jpg, jpeg, webp)"
                    .to_owned(),
            });
        }
        let part = |name: &str| if has_parts { Self::part(&root.join(name), &full) } else { Ok(None) };
        Ok(Self { validation: part("val")?, test: part("test")?, train, classes: named(full), empty })
    }

    /// A part that may be missing; its classes must be known.
    fn part(folder: &Path, known: &[OsString]) -> Result<Option<PathBuf>, Unusable> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let (full, _) = class_folders(folder)?;
        let strange: Vec<String> = full.iter().filter(|name| !known.contains(name)).map(|name| label(name)).collect();
        if strange.is_empty() {
            return Ok(Some(folder.to_path_buf()).filter(|_| !full.is_empty()));
        }
        Err(Unusable {
            error: format!("{} holds classes that training pictures lack: {}", shown(folder), listed(&strange)),
            help: "add them to train/, or remove them".to_owned(),
        })
    }
}

/// Whether a file's name is a picture's. Hidden files are none: some systems leave them beside pictures, with their endings.
pub fn is_picture(name: &OsStr) -> bool {
    let ending = Path::new(name).extension().map(OsStr::to_ascii_lowercase);
    !is_hidden(name) && ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
}

/// Some of many names.
pub fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let listed = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Folders that hold a picture, and the labels of those that hold none, both in byte order.
fn class_folders(folder: &Path) -> Result<(Vec<OsString>, Vec<String>), Unusable> {
    let unreadable = |path: &Path, error: &io::Error| Unusable {
        error: format!("the folder {} cannot be read: {error}", shown(path)),
        help: "dataset.path must name a folder that holds train/<class>/*.jpg or <class>/*.jpg".to_owned(),
    };
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        // Links are followed, one that leads to itself is no folder.
        if !is_hidden(&entry.file_name()) && entry.path().is_dir() {
            names.insert(entry.file_name());
        }
    }
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    for name in names {
        let class = folder.join(&name);
        let mut entries = fs::read_dir(&class).map_err(|error| unreadable(&class, &error))?.flatten();
        if entries.any(|entry| is_picture(&entry.file_name())) {
            full.push(name);
        } else {
            empty.push(label(&name));
        }
    }
    Ok((full, empty))
}

/// Classes by name; where two names look the same once they are made harmless, the later ones get a number.
fn named(folders: Vec<OsString>) -> Vec<Class> {
    let mut taken = BTreeSet::new();
    let mut class = |folder: OsString| {
        let name = label(&folder);
        let numbered = (2_u32..).map(|number| format!("{name} ({number})"));
        let name = std::iter::once(name.clone()).chain(numbered).find(|name| taken.insert(name.clone()));
        Class { folder, name: name.unwrap_or_default() }
    };
    folders.into_iter().map(&mut class).collect()
}

fn label(name: &OsStr) -> String {
    let name = text::line(&name.to_string_lossy(), 80);
    if name.is_empty() { "?".to_owned() } else { name }
}

fn shown(path: &Path) -> String {
    text::line(&path.display().to_string(), 300)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn touch(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
    }

    fn names(folder: &PictureFolder) -> Vec<&str> {
        folder.classes.iter().map(|class| class.name.as_str()).collect()
    }

    #[test]
    fn parts_are_found_and_classes_stand_in_byte_order() {
        let root = tempfile::tempdir().unwrap();
        touch(
            root.path(),
            &["train/b/1.JPG", "train/a/1.webp", "train/Z/1.png", "train/empty/notes.txt", "val/a/1.png"],
        );
        touch(root.path(), &["train/.cache/1.png", "train/hidden/._1.png", "test/loose.png"]);
        let folder = PictureFolder::open(root.path()).unwrap();
        assert_eq!(names(&folder), ["Z", "a", "b"]);
        assert_eq!(folder.empty, ["empty", "hidden"]);
        assert_eq!((folder.train, folder.validation), (root.path().join("train"), Some(root.path().join("val"))));
        // Loose pictures have no class: they are no test set.
        assert_eq!(folder.test, None);
    }

    #[test]
    fn classes_may_lie_in_the_folder_itself() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), &["cat/1.png", "dog/1.jpeg", "val/readme"]);
        let folder = PictureFolder::open(root.path()).unwrap();
        assert_eq!((names(&folder), &folder.train), (vec!["cat", "dog"], &root.path().to_path_buf()));
    }

    #[test]
    fn hostile_names_become_harmless_and_stay_apart() {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), &["a\u{202e}b/1.png", "a\u{200b}b/1.png", "\u{1b}[31mred/1.png", "\u{feff}/1.png"]);
        let raw = root.path().join(OsStr::from_bytes(b"\xff\xfe"));
        fs::create_dir(&raw).unwrap();
        touch(&raw, &["1.png"]);
        std::os::unix::fs::symlink(".", root.path().join("loop")).unwrap();
        std::os::unix::fs::symlink("itself", root.path().join("itself")).unwrap();
        let folder = PictureFolder::open(root.path()).unwrap();
        assert_eq!(names(&folder), ["[31mred", "ab", "ab (2)", "?", "\u{fffd}\u{fffd}"]);
        assert_eq!(folder.empty, ["loop"]);
    }

    #[test]
    fn what_cannot_be_trained_on_says_what_was_expected() {
        let root = tempfile::tempdir().unwrap();
        let error = PictureFolder::open(&root.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("none cannot be read") && error.contains("train/<class>"), "{error}");
        touch(root.path(), &["train/a/1.png"]);
        let error = PictureFolder::open(root.path()).unwrap_err().to_string();
        assert!(error.contains("only one folder"), "{error}");
        touch(root.path(), &["train/b/1.png", "val/c/1.png", "val/a/1.png"]);
        let error = PictureFolder::open(root.path()).unwrap_err().to_string();
        assert!(error.contains("val holds classes that training pictures lack: c;"), "{error}");
    }
}
