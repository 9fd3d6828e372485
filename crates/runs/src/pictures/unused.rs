//! Counts and reports the files of an image folder that are not used.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::folder::{PictureFolder, Unusable};
use super::names::{READ, counted, ending, is_picture, label, listed, shown, tally};
use super::walk;

/// Extensions of images, films and archives that a user probably meant to use.
const MEANT: [&str; 48] = [
    "3fr", "3gp", "7z", "arw", "avi", "avif", "avifs", "bz2", "cr2", "cr3", "dcm", "dds", "dng",
    "eps", "exr", "gz", "hdr", "heic", "heics", "heif", "ico", "j2k", "jp2", "jpx", "jxl", "jxr",
    "mkv", "mov", "mp4", "nef", "npy", "orf", "pcx", "pdf", "psd", "qoi", "raf", "rar", "raw",
    "rw2", "svg", "svgz", "tar", "tga", "tgz", "webm", "xcf", "zip",
];

/// Files that are no images of any split.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unused {
    /// Readable images that belong to no split or class, by their folder as text.
    pub pictures: BTreeMap<String, usize>,
    /// Files of unsupported kinds, by extension.
    pub others: BTreeMap<String, usize>,
    /// Files without an extension in class folders.
    pub without_ending: usize,
    /// Files that nobody takes for images, by extension.
    pub plain: BTreeMap<String, usize>,
    /// Unreadable folders of no split, as text.
    pub closed: Vec<String>,
}

impl Unused {
    /// Warnings for the user, a sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .pictures
            .iter()
            .map(|(place, &count)| {
                let (are, they) = if count == 1 {
                    ("is", "it belongs")
                } else {
                    ("are", "they belong")
                };
                format!(
                    "{} in {place} {are} not used: {they} to no class",
                    counted(count, "picture")
                )
            })
            .collect();
        if !self.others.is_empty() {
            let count: usize = self.others.values().sum();
            let (are, their) = if count == 1 {
                ("file is", "its")
            } else {
                ("files are", "their")
            };
            all.push(format!(
                "{count} {are} not used, because warmstart does not read {their} kind: {} (it reads {READ})",
                tally(&self.others)
            ));
        }
        if self.without_ending > 0 {
            let text = counted(self.without_ending, "file");
            let are = if self.without_ending == 1 {
                "is"
            } else {
                "are"
            };
            all.push(format!(
                "{text} without an ending {are} not used: pictures are known by {READ}"
            ));
        }
        if !self.closed.is_empty() {
            all.push(format!(
                "cannot read the content of {}",
                listed(&self.closed)
            ));
        }
        all
    }

    /// Files that nobody takes for images, in a sentence.
    pub fn plain(&self) -> Option<String> {
        (!self.plain.is_empty()).then(|| format!("other files: {}", tally(&self.plain)))
    }

    fn add(&mut self, path: &Path, place: impl Fn() -> String, in_class: bool) {
        let Some(name) = path.file_name() else { return };
        if is_picture(name) {
            *self.pictures.entry(place()).or_default() += 1;
            return;
        }
        match ending(name) {
            Some(ending) if MEANT.contains(&ending.as_str()) => {
                *self.others.entry(format!(".{ending}")).or_default() += 1;
            }
            // Windows creates these.
            Some(ending) if ending == "db" || ending == "ini" => {}
            Some(ending) => {
                *self
                    .plain
                    .entry(format!(".{}", label(OsStr::new(&ending))))
                    .or_default() += 1;
            }
            None if in_class => self.without_ending += 1,
            None => {
                *self
                    .plain
                    .entry("without an ending".to_owned())
                    .or_default() += 1;
            }
        }
    }
}

/// Collects the files in the folder that belong to no class of a split, or are no images.
pub(super) fn below(folder: &PictureFolder) -> Result<Unused, Unusable> {
    let mut unused = Unused::default();
    // By their real paths: a link may lead to a folder from several places.
    let mut used: HashSet<PathBuf> = HashSet::new();
    for part in folder.splits() {
        for (_, class) in &part.folders {
            let files =
                walk::files(&part.path, Path::new(class)).map_err(walk::Unreadable::unusable)?;
            let mut last = None;
            for path in &files {
                // The files of a folder follow each other.
                let holder = path.parent();
                if let Some(holder) = holder.filter(|_| holder != last) {
                    used.insert(real(part.path.join(holder)));
                }
                last = holder;
                if !path.file_name().is_some_and(is_picture) {
                    unused.add(path, String::new, true);
                }
            }
        }
    }
    let parts: Vec<&Path> = folder.splits().map(|part| part.path.as_path()).collect();
    let skips = |path: &Path| used.contains(&real(folder.root.join(path)));
    let (paths, closed) = walk::files_but(&folder.root, skips);
    unused.closed = closed.iter().map(|path| shown(path)).collect();
    for path in paths {
        let place = || {
            let holder = path.parent().unwrap_or(Path::new(""));
            let is_part = holder.as_os_str().is_empty()
                || parts.contains(&folder.root.join(holder).as_path());
            // Report a deep folder by its first part that belongs to nothing.
            let top = if is_part {
                holder.to_path_buf()
            } else {
                top(&folder.root, holder, &parts)
            };
            if top.as_os_str().is_empty() {
                "dataset.path itself".to_owned()
            } else {
                format!("{}/", shown(&top))
            }
        };
        unused.add(&path, place, false);
    }
    Ok(unused)
}

/// The path without links; as it is if that cannot be found out.
fn real(path: PathBuf) -> PathBuf {
    fs::canonicalize(&path).unwrap_or(path)
}

/// The first folder on the path that is no split.
fn top(root: &Path, holder: &Path, parts: &[&Path]) -> PathBuf {
    let mut top = PathBuf::new();
    for name in holder.components() {
        top.push(name);
        if !parts.contains(&root.join(&top).as_path()) {
            break;
        }
    }
    top
}
