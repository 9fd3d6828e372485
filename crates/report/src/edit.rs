//! Changes one value in the text of an experiment file, and no other byte, comments included.

mod outline;
mod tree;

use serde_yaml::{Mapping, Value};

pub use self::outline::{Field, fields, setting, settings};
use self::tree::{Entry, Map, Node, Tree};

/// Replaces a field's value, or adds the field if it is absent. The input is YAML; a `text` that would mean something else in
/// YAML is quoted. The error says why the change is impossible.
pub fn set(source: &str, path: &str, value: &str, text: bool) -> Result<String, String> {
    let value = value.trim();
    let is_plain = |value: &str| matches!(serde_yaml::from_str(value), Ok(Value::String(read)) if read == value);
    // A line break between single quotes would become a space.
    let quoted = if value.contains(['\n', '\r']) {
        serde_json::Value::from(value).to_string()
    } else {
        format!("'{}'", value.replace('\'', "''"))
    };
    if text && !is_plain(value) {
        return written(source, path, &quoted);
    }
    match written(source, path, value) {
        Err(_) if text => written(source, path, &quoted),
        result => result,
    }
}

/// Removes a field, so that its default applies.
pub fn remove(source: &str, path: &str) -> Result<String, String> {
    let (mark, body) = without_mark(source);
    let keys: Vec<&str> = path.split('.').collect();
    let tree = Tree::of(body)?;
    let mut map = tree.root();
    let Some((last, above)) = keys.split_last() else {
        return Err("no field is named".to_owned());
    };
    for key in above {
        map = match map.entry(key).map(|entry| &entry.value) {
            Some(Node::Map(map)) => map,
            _ => return Err(format!("`{path}` is not in the file")),
        };
    }
    let index = map.entries.iter().position(|entry| entry.key == *last);
    let index = index.ok_or_else(|| format!("`{path}` is not in the file"))?;
    let range = if map.is_flow {
        flow_range(body, map, index)
    } else {
        block_range(body, map, index)?
    };
    let edited = format!("{mark}{}{}", &body[..range.start], &body[range.end..]);
    verify(source, &edited, &keys, None)?;
    Ok(edited)
}

/// The text with spaces instead of an entry, so that everything else keeps its place; of two entries of one name the later one.
/// None if there is no such entry.
pub fn blanked(source: &str, keys: &[&str]) -> Option<String> {
    let (mark, body) = without_mark(source);
    let tree = Tree::of(body).ok()?;
    let (last, above) = keys.split_last()?;
    let mut map = tree.root();
    for key in above {
        let Node::Map(inner) = &map.entry(key)?.value else {
            return None;
        };
        map = inner;
    }
    let index = map.entries.iter().rposition(|entry| entry.key == *last)?;
    let range = if map.is_flow {
        flow_range(body, map, index)
    } else {
        let entry = &map.entries[index];
        entry.key_at.start..line_end(body, entry.end())
    };
    let blank = |c: char| if c == '\n' || c == '\r' { c } else { ' ' };
    let blanks: String = body[range.clone()].chars().map(blank).collect();
    Some(format!(
        "{mark}{}{blanks}{}",
        &body[..range.start],
        &body[range.end..]
    ))
}

/// Some editors begin a file with a byte order mark.
fn without_mark(source: &str) -> (&str, &str) {
    source.split_at(if source.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    })
}

/// From the entry before to this one's end. For the first entry, and behind a comment about the entry before, to the next one. If
/// there is no next one, it includes the comma behind; YAML allows the one before.
fn flow_range(body: &str, map: &Map, index: usize) -> std::ops::Range<usize> {
    let entry = &map.entries[index];
    let start = entry.key_at.start;
    let before = index.checked_sub(1).map(|before| map.entries[before].end());
    let before = before.filter(|end| !body[*end..start].contains('#'));
    match (before, map.entries.get(index + 1)) {
        (Some(before), _) => before..entry.end(),
        (None, Some(next)) => start..next.key_at.start,
        (None, None) => {
            let behind = &body[entry.end()..];
            let comma = behind.trim_start().strip_prefix(',');
            start..comma.map_or(entry.end(), |rest| body.len() - rest.len())
        }
    }
}

/// The lines of an entry.
fn block_range(body: &str, map: &Map, index: usize) -> Result<std::ops::Range<usize>, String> {
    if map.entries.len() == 1 {
        return Err("it is the only field of its section; remove the section".to_owned());
    }
    let entry = &map.entries[index];
    let start = line_start(body, entry.key_at.start);
    if body[start..entry.key_at.start].trim_start() != "" {
        return Err("it shares its line with something else".to_owned());
    }
    Ok(start..line_end(body, entry.end()))
}

fn line_start(body: &str, at: usize) -> usize {
    body[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// After the end of the line that contains `at`.
fn line_end(body: &str, at: usize) -> usize {
    if at > 0 && body[..at].ends_with('\n') {
        return at;
    }
    body[at..].find('\n').map_or(body.len(), |end| at + end + 1)
}

/// Writes a value literally, and verifies that nothing else changed.
fn written(source: &str, path: &str, value: &str) -> Result<String, String> {
    let (mark, body) = without_mark(source);
    let keys: Vec<&str> = path.split('.').collect();
    let tree = Tree::of(body)?;
    let edited = format!("{mark}{}", edited(body, tree.root(), &keys, value)?);
    let read = serde_yaml::from_str(value).map_err(|_| format!("`{value}` is not one value"))?;
    let is_scalar = matches!(read, Value::Bool(_) | Value::Number(_) | Value::String(_));
    if !is_scalar && !["null", "~"].contains(&value) {
        return Err(format!("expected one value, found `{value}`"));
    }
    verify(source, &edited, &keys, Some(read))?;
    Ok(edited)
}

fn edited(body: &str, mut map: &Map, keys: &[&str], value: &str) -> Result<String, String> {
    let replaced = |range: std::ops::Range<usize>, text: &str| {
        let old = &body[range.clone()];
        let newline = ["\r\n", "\n"].into_iter().find(|end| old.ends_with(*end));
        format!(
            "{}{text}{}{}",
            &body[..range.start],
            newline.unwrap_or_default(),
            &body[range.end..]
        )
    };
    for (depth, key) in keys.iter().enumerate() {
        let rest = &keys[depth + 1..];
        match map.entry(key) {
            None => return Ok(inserted(body, map, &nested(&keys[depth..], value))),
            Some(entry) => match &entry.value {
                Node::Map(inner) if !rest.is_empty() => map = inner,
                Node::Scalar(at) if rest.is_empty() => return Ok(replaced(at.clone(), value)),
                Node::Block(at) if rest.is_empty() => {
                    return Ok(replaced(at.clone(), &format!(" {value}")));
                }
                // A key without a value: the value goes after the colon.
                Node::Empty(at) if rest.is_empty() => {
                    return Ok(replaced(*at..*at, &format!(" {value}")));
                }
                Node::Empty(at) => {
                    return Ok(replaced(
                        *at..*at,
                        &format!(" {{ {} }}", nested(rest, value)),
                    ));
                }
                _ => {
                    return Err(format!(
                        "`{key}` is written in a way that only an editor can change"
                    ));
                }
            },
        }
    }
    Err("no field is named".to_owned())
}

/// `a: { b: value }`
fn nested(keys: &[&str], value: &str) -> String {
    let Some((first, rest)) = keys.split_first() else {
        return value.to_owned();
    };
    if rest.is_empty() {
        format!("{first}: {value}")
    } else {
        format!("{first}: {{ {} }}", nested(rest, value))
    }
}

/// A new entry at the end of a mapping, in the mapping's own style.
fn inserted(body: &str, map: &Map, entry: &str) -> String {
    let newline = if body.contains("\r\n") { "\r\n" } else { "\n" };
    let (at, text) = match map.entries.last() {
        None => (map.at.start + 1, format!(" {entry} ")),
        Some(last) if map.is_flow => (last.end(), format!(", {entry}")),
        Some(last) => {
            let at = line_end(body, last.end());
            let first = map.entries.first().map_or(0, |first| first.key_at.start);
            let indent = " ".repeat(body[line_start(body, first)..first].chars().count());
            let before = if body[..at].ends_with('\n') {
                ""
            } else {
                newline
            };
            (at, format!("{before}{indent}{entry}{newline}"))
        }
    };
    format!("{}{text}{}", &body[..at], &body[at..])
}

/// Whether exactly this field changed, and no comment.
fn verify(before: &str, after: &str, keys: &[&str], value: Option<Value>) -> Result<(), String> {
    let read = |text: &str| serde_yaml::from_str::<Value>(without_mark(text).1);
    let refused =
        || "the text around it does not allow this change; change it in an editor".to_owned();
    let mut expected = read(before).map_err(|error| error.to_string())?;
    change(&mut expected, keys, value).ok_or_else(refused)?;
    let is_same = read(after).is_ok_and(|after| after == expected);
    let comments = |text: &str| -> Vec<String> {
        text.lines()
            .map(str::trim)
            .filter(|line| line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    if is_same && comments(before) == comments(after) {
        Ok(())
    } else {
        Err(refused())
    }
}

fn change(document: &mut Value, keys: &[&str], value: Option<Value>) -> Option<()> {
    let (last, above) = keys.split_last()?;
    let mut place = document;
    for key in above {
        if place.is_null() {
            *place = Value::Mapping(Mapping::new());
        }
        place = place
            .as_mapping_mut()?
            .entry((*key).into())
            .or_insert(Value::Null);
    }
    if place.is_null() {
        *place = Value::Mapping(Mapping::new());
    }
    match value {
        Some(value) => place.as_mapping_mut()?.insert((*last).into(), value),
        None => place.as_mapping_mut()?.remove(*last),
    };
    Some(())
}

/// The value that a file gives a field, as text; none if it omits the field.
pub fn value_of(source: &str, path: &str) -> Option<String> {
    let document: Value = serde_yaml::from_str(without_mark(source).1).ok()?;
    scalar_at(&document, path)
}

/// A scalar of a document as text.
pub fn scalar_at(document: &Value, path: &str) -> Option<String> {
    let mut place = document;
    for key in path.split('.') {
        place = place.get(key)?;
    }
    match place {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

impl Entry {
    fn end(&self) -> usize {
        match &self.value {
            Node::Scalar(at) | Node::Block(at) | Node::Other(at) => at.end,
            Node::Empty(at) => *at,
            Node::Map(map) => map.end(),
        }
    }
}

impl Map {
    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn end(&self) -> usize {
        if self.is_flow {
            self.at.end
        } else {
            self.entries.last().map_or(self.at.end, Entry::end)
        }
    }
}

#[cfg(test)]
mod tests;
