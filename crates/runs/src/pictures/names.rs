//! Names of image files and folders: which are images, and how messages show them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use unicode_normalization::UnicodeNormalization;
use warmstart_schema::text;

/// Extensions of image files; the content decides how they are decoded.
pub const ENDINGS: [&str; 15] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "dib", "tif", "tiff", "gif", "ppm", "pgm",
    "pbm", "pnm",
];
/// The kinds of those files in messages, each by its usual extension.
pub const READ: &str = "png, jpg, jfif, webp, bmp, tif, gif, ppm";
/// How many names an error lists.
const SHOWN: usize = 5;
/// A longer name of a folder is cut on screens.
pub(super) const MOST_CHARACTERS: usize = 80;

/// Whether a file name is an image's. Hidden files are none: some systems write them beside images, with the same extensions.
pub fn is_picture(name: &OsStr) -> bool {
    !is_hidden(name) && ending(name).is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// A file's extension in lower case, without its dot.
pub(super) fn ending(name: &OsStr) -> Option<String> {
    Path::new(name)
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase())
}

/// The first few of many names.
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

pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// A name as text in Unicode normalization form C: systems differ in the form that they write.
pub(super) fn normalized(name: &OsStr) -> String {
    name.to_string_lossy().nfc().collect()
}

/// A name as screens show it: one short, printable line.
pub(super) fn label(name: &OsStr) -> String {
    let name = text::line(&name.to_string_lossy(), MOST_CHARACTERS);
    if name.is_empty() {
        "?".to_owned()
    } else {
        name
    }
}

/// A path as messages show it.
pub(super) fn shown(path: &Path) -> String {
    text::line(&path.display().to_string(), 300)
}

/// A number with its noun, `12 pictures` or `1 picture`.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// Names with their counts, `12 .heic, 3 .avif`, the most frequent first.
pub(super) fn tally(counts: &BTreeMap<String, usize>) -> String {
    let mut all: Vec<(&String, &usize)> = counts.iter().collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let texts: Vec<String> = all
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    listed(&texts)
}
