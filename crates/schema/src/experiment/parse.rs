//! From a file's text to an [`Experiment`], or to problems that name file, line, column, field, what was expected, what
//! was found, and the next step.

use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_yaml::Value;

use super::{validate, Experiment};
use crate::text;

/// Larger files are not experiments.
const MAX_BYTES: u64 = 1 << 20;

/// One thing wrong with an experiment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// Line and column, counted from 1, where they are known.
    pub at: Option<(usize, usize)>,
    /// Dotted path of the field, empty for the file as a whole.
    pub field: String,
    pub message: String,
    pub help: Option<String>,
    /// The line of the file that the problem is on.
    pub excerpt: Option<String>,
}

impl Problem {
    fn new(file: &str, message: impl Into<String>) -> Self {
        let message = text::line(&message.into(), 600);
        Self { file: file.to_owned(), at: None, field: String::new(), message, help: None, excerpt: None }
    }

    fn at(mut self, at: Option<(usize, usize)>, source: &str) -> Self {
        self.at = at;
        self.excerpt = at.and_then(|(line, _)| source.lines().nth(line - 1)).map(printable);
        self
    }

    fn field(mut self, field: &str) -> Self {
        self.field = text::line(field, 120);
        self
    }

    fn help(mut self, help: Option<String>) -> Self {
        self.help = help.map(|help| text::line(&help, 300));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)?;
        if let (Some((line, column)), Some(excerpt)) = (self.at, &self.excerpt) {
            write!(f, "\n{line:>5} | {excerpt}\n      | {:>column$}", '^')?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Control characters would move the cursor of whoever reads the excerpt; each becomes a space so that columns stay true.
fn printable(source: &str) -> String {
    source.chars().take(160).map(|c| if text::line(&c.to_string(), 1).is_empty() { ' ' } else { c }).collect()
}

/// Reads and parses a file.
pub fn load(path: &Path, overrides: &[String]) -> Result<Experiment, Vec<Problem>> {
    let label = text::line(&path.display().to_string(), 300);
    let fail = |message: String, help: &str| Err(vec![Problem::new(&label, message).help(Some(help.to_owned()))]);
    match std::fs::metadata(path) {
        Err(error) => return fail(format!("cannot be read: {error}"), "check the path and its permissions"),
        Ok(meta) if !meta.is_file() => return fail("is not a file; expected a YAML file".to_owned(), "name the file itself"),
        Ok(meta) if meta.len() > MAX_BYTES => {
            return fail(format!("has {} bytes; expected at most {MAX_BYTES}", meta.len()), "an experiment file is a page of YAML");
        }
        Ok(_) => {}
    }
    match std::fs::read_to_string(path) {
        Ok(text) => parse_with(&text, &label, overrides),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => fail("is not UTF-8 text".to_owned(), "save it as UTF-8"),
        Err(error) => fail(format!("cannot be read: {error}"), "check the path and its permissions"),
    }
}

/// Parses an experiment's text; `file` is what problems call it.
pub fn parse(source: &str, file: &str) -> Result<Experiment, Vec<Problem>> {
    let source_is_empty = source.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    if source_is_empty {
        let help = "start from a copy of a file in experiments/quickstart/";
        return Err(vec![Problem::new(file, "is empty; expected an experiment").help(Some(help.to_owned()))]);
    }
    let experiment: Experiment = serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(source))
        .map_err(|error| vec![explain(&error, source, file)])?;
    finish(experiment, |path, message, help| {
        Problem::new(file, message).field(path).at(locate(source, path), source).help(help)
    })
}

/// Parses with `field.path=value` changes applied to the YAML before it is understood, as `--set` gives them.
pub fn parse_with(source: &str, file: &str, overrides: &[String]) -> Result<Experiment, Vec<Problem>> {
    let plain = parse(source, file);
    if overrides.is_empty() {
        return plain;
    }
    let mut document: Value = match serde_yaml::from_str(source) {
        Ok(document) => document,
        Err(_) => return plain,
    };
    for change in overrides {
        set(&mut document, change).map_err(|message| vec![Problem::new(&format!("--set {change}"), message)])?;
    }
    let label = format!("{file} with --set {}", overrides.join(" --set "));
    let experiment: Experiment =
        serde_path_to_error::deserialize(document).map_err(|error| vec![explain(&error, "", &label)])?;
    finish(experiment, |path, message, help| Problem::new(&label, message).field(path).help(help))
}

/// Checks what types cannot say, and sanitizes the texts that screens show.
fn finish(
    mut experiment: Experiment,
    problem: impl Fn(&str, String, Option<String>) -> Problem,
) -> Result<Experiment, Vec<Problem>> {
    let problems: Vec<Problem> =
        validate::all(&experiment).into_iter().map(|found| problem(found.field, found.message, found.help)).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    experiment.name = text::line(&experiment.name, 80);
    experiment.group = text::line(&experiment.group, 40);
    experiment.question = experiment.question.map(|question| text::line(&question, 200));
    if let Some(reference) = &mut experiment.reference {
        reference.source = text::line(&reference.source, 80);
        reference.note = reference.note.take().map(|note| text::line(&note, 300));
    }
    Ok(experiment)
}

fn set(document: &mut Value, change: &str) -> Result<(), String> {
    let (path, value) = change.split_once('=').ok_or("expected FIELD=VALUE, for example train.epochs=3")?;
    let value: Value = serde_yaml::from_str(value).map_err(|error| format!("the value is not YAML: {error}"))?;
    let mut place = document;
    for key in path.split('.') {
        if place.is_null() {
            *place = Value::Mapping(serde_yaml::Mapping::new());
        }
        let mapping = place.as_mapping_mut().ok_or_else(|| format!("`{key}` lies below a field that is no mapping"))?;
        place = mapping.entry(key.into()).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

/// Puts a parser's error into our words.
fn explain(error: &serde_path_to_error::Error<serde_yaml::Error>, source: &str, file: &str) -> Problem {
    let inner = error.inner();
    let location = inner.location().map(|place| (place.line(), place.column()));
    let raw = inner.to_string();
    let message = raw.rfind(" at line ").map_or(raw.as_str(), |end| &raw[..end]);
    let path = error.path().to_string();
    let mut path = if path == "." { String::new() } else { path };
    let message = message.strip_prefix(&format!("{path}: ")).unwrap_or(message);
    let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent).to_owned();
    let message = message.strip_prefix(&format!("{parent}: ")).unwrap_or(message);

    if let Some(name) = quoted_after(message, "unknown field ") {
        let parent = path.strip_suffix(&name).map_or(path.as_str(), |parent| parent).trim_end_matches('.').to_owned();
        path = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        let (expected, help) = choices(message, &name);
        return Problem::new(file, format!("unknown field; expected {expected}")).field(&path).at(location, source).help(help);
    }
    if let Some(name) = quoted_after(message, "unknown variant ") {
        let (expected, help) = choices(message, &name);
        return Problem::new(file, format!("expected {expected}, found `{name}`")).field(&path).at(location, source).help(help);
    }
    if let Some(name) = quoted_after(message, "duplicate field ").or_else(|| quoted_after(message, "duplicate entry with key ")) {
        let again = source.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with(&format!("{name}:"))).nth(1);
        let place = again.map(|(row, line)| (row + 1, line.len() - line.trim_start().len() + 1)).or(location);
        return Problem::new(file, format!("`{name}` stands twice; expected it once")).field(&name).at(place, source)
            .help(Some("keep the one that you mean".to_owned()));
    }
    if let Some(name) = quoted_after(message, "missing field ") {
        let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        return Problem::new(file, "is missing").field(&field).at(location, source)
            .help(Some(format!("add `{name}: …`{}", if path.is_empty() { String::new() } else { format!(" below `{path}`") })));
    }
    Problem::new(file, in_plain_words(message)).field(&path).at(location, source)
}

fn quoted_after(message: &str, prefix: &str) -> Option<String> {
    let rest = &message[message.find(prefix)? + prefix.len()..];
    let rest = rest.trim_start_matches(['`', '"']);
    Some(rest[..rest.find(['`', '"']).unwrap_or(rest.len())].to_owned())
}

/// The expected words of an "unknown …" message, and which of them was probably meant.
fn choices(message: &str, found: &str) -> (String, Option<String>) {
    let expected = message.rsplit_once("expected ").map_or("something else", |(_, list)| list);
    let words = expected.split('`').skip(1).step_by(2);
    let help = text::closest(found, words).map(|word| format!("did you mean `{word}`?"));
    (expected.to_owned(), help)
}

fn in_plain_words(message: &str) -> String {
    let Some((found, expected)) = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return message.to_owned();
    };
    let expected = match expected {
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" | "path string" => "text",
        other if other.starts_with("struct ") => "a mapping of fields",
        other => other,
    };
    format!("expected {expected}, found {found}")
}

/// Where the value of a dotted field stands. The parser reports where an error arose, so one is raised on the value; a
/// field that is absent gives the place of the mapping it belongs in.
fn locate(source: &str, path: &str) -> Option<(usize, usize)> {
    let keys: Vec<&str> = path.split('.').collect();
    let place = |keys: &[&str]| {
        let error = Seek(keys).deserialize(serde_yaml::Deserializer::from_str(source)).err()?;
        error.location().map(|place| (place.line(), place.column()))
    };
    (1..=keys.len()).rev().find_map(|len| place(&keys[..len]))
}

struct Seek<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the value that is sought")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((key, rest)) = self.0.split_first() else { return Err(A::Error::custom("found")) };
        while let Some(name) = map.next_key::<String>()? {
            if name == *key {
                map.next_value_seed(Seek(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom("found"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_block_and_flow_style() {
        let source = "a: 1\nb:\n  c: 2\n  d: { e: x, f: 3 }\n";
        assert_eq!(locate(source, "b.c"), Some((3, 6)));
        assert_eq!(locate(source, "b.d.f"), Some((4, 17)));
    }

    #[test]
    fn control_characters_in_an_excerpt_become_spaces_of_the_same_width() {
        assert_eq!(printable("a\u{1b}[1mb\tc"), "a [1mb c");
    }
}
