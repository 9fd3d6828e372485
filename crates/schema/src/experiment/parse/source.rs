//! The text of a file, before it is parsed as YAML.

use std::fmt;
use std::path::Path;

use super::limits::excess;
use super::locate::{place_of, without_mark};
use super::problem::{Problem, label};

/// The most bytes of an experiment file.
pub const MAX_BYTES: usize = 1 << 20;
const SHORTEN: &str = "shorten or simplify the file";

/// The text of a YAML file; refuses other files and longer ones unread.
pub fn read_text(path: &Path) -> Result<String, Vec<Problem>> {
    let fail = |message: String, help: &str| {
        vec![Problem::new(&label(path), message).help(Some(help.to_owned()))]
    };
    let unreadable = |error: std::io::Error| {
        fail(
            format!("cannot be read: {error}"),
            "check the path and its permissions",
        )
    };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        return Err(fail(
            "is not a file; expected a YAML file".to_owned(),
            "name the file itself",
        ));
    }
    if meta.len() > MAX_BYTES as u64 {
        return Err(fail(too_long(meta.len()), SHORTEN));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let good = |error: &std::string::FromUtf8Error| error.utf8_error().valid_up_to();
    String::from_utf8(bytes)
        .map_err(|error| vec![not_utf8(&error.as_bytes()[..good(&error)], &label(path))])
}

fn too_long(bytes: impl fmt::Display) -> String {
    format!("has {bytes} bytes; expected at most {MAX_BYTES}")
}

/// The problem of a file that stops being UTF-8 at this byte.
fn not_utf8(good: &[u8], file: &str) -> Problem {
    let good = String::from_utf8_lossy(good);
    let good = without_mark(&good);
    let place = place_of(good, good.len());
    Problem::new(file, "the text from here on is not UTF-8")
        .at(Some(place), good)
        .help(Some("save it as UTF-8".to_owned()))
}

/// Refuses texts that the YAML parser handles badly. It expands some to many times their length, takes minutes over deep nesting,
/// and refuses some characters without a place or counts them as line ends.
pub(super) fn unreadable(source: &str, file: &str) -> Option<Problem> {
    let problem = |offset: usize, message: String, help: &str| {
        Problem::new(file, message)
            .at(Some(place_of(source, offset)), source)
            .help(Some(help.to_owned()))
    };
    if source.len() > MAX_BYTES {
        let end = source.floor_char_boundary(MAX_BYTES);
        return Some(problem(end, too_long(source.len()), SHORTEN));
    }
    let is_break = |offset: usize| source[offset..].starts_with("\r\n");
    let is_odd = |(offset, c): &(usize, char)| match c {
        '\n' | '\t' => false,
        '\r' => !is_break(*offset),
        '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}' => true,
        c => c.is_control(),
    };
    if let Some((offset, _)) = source.char_indices().find(is_odd) {
        let message = "this is a control character; expected text".to_owned();
        return Some(problem(offset, message, "remove it"));
    }
    let (offset, message) = excess(source)?;
    Some(problem(offset, message, SHORTEN))
}

/// Whether a text has nothing but comments.
pub(super) fn is_empty(source: &str) -> bool {
    source
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}
