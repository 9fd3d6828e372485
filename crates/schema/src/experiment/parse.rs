//! Parses a file into an [`Experiment`], or into problems that name file, line, column, field, what was expected, what was found,
//! and the next step.

mod limits;
mod locate;

use std::fmt;
use std::path::Path;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_yaml::Value;

use self::limits::excess;
use self::locate::{duplicate, locate, locate_keys, place_of};

use super::members::{self, Group, Member, Mistake};
use super::misplaced::Misplaced;
use super::{Experiment, halving, validate};
use crate::text;

/// Longer texts are not experiments.
const MAX_BYTES: usize = 1 << 20;
/// How many characters of a line a problem shows.
const EXCERPT: usize = 160;
const A_PAGE: &str = "such a file is a page of YAML";

/// A problem of an experiment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// Line and column, counted from 1, if known.
    pub at: Option<(usize, usize)>,
    /// Dotted path of the field; empty for the file as a whole.
    pub field: String,
    pub message: String,
    pub help: Option<String>,
    /// The line of the file with the problem.
    pub excerpt: Option<String>,
}

impl Problem {
    fn new(file: &str, message: impl Into<String>) -> Self {
        let message = text::line(&message.into(), 600);
        Self {
            file: file.to_owned(),
            at: None,
            field: String::new(),
            message,
            help: None,
            excerpt: None,
        }
    }

    /// Problems of a field that only the caller can find.
    pub fn in_file(
        path: &Path,
        field: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let source = std::fs::read_to_string(path).unwrap_or_default();
        let label = text::line(&path.display().to_string(), 300);
        Self::new(&label, message)
            .field(field)
            .at(locate(&source, field), &source)
            .help(Some(help.into()))
    }

    /// A problem of a value, by the keys that lead to it.
    pub fn at_keys(
        source: &str,
        file: &str,
        keys: &[&str],
        message: String,
        help: Option<String>,
    ) -> Self {
        let source = source.strip_prefix('\u{feff}').unwrap_or(source);
        Self::new(file, message)
            .field(&keys.join("."))
            .at(locate_keys(source, keys), source)
            .help(help)
    }

    fn at(mut self, at: Option<(usize, usize)>, source: &str) -> Self {
        self.at = at;
        // Further to the right there is nothing to point at.
        let shown = at.filter(|(_, column)| *column <= EXCERPT);
        self.excerpt = shown
            .and_then(|(line, _)| source.lines().nth(line - 1))
            .map(printable);
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

/// Control characters would move the reader's cursor; each becomes a space so that columns stay correct.
fn printable(source: &str) -> String {
    source
        .chars()
        .take(EXCERPT)
        .map(|c| {
            if text::line(&c.to_string(), 1).is_empty() {
                ' '
            } else {
                c
            }
        })
        .collect()
}

/// Reads and parses a file, and makes its paths absolute.
pub fn load(path: &Path, overrides: &[String]) -> Result<Experiment, Vec<Problem>> {
    load_group(path, overrides).map(|(experiment, _)| experiment)
}

/// Likewise, with its runs if it has `seeds` or `grid`.
pub fn load_group(
    path: &Path,
    overrides: &[String],
) -> Result<(Experiment, Option<Group>), Vec<Problem>> {
    let source = read_text(path)?;
    let (experiment, group) = parse_group(&source, &label(path), overrides)?;
    let experiment = placed(experiment, path, &source)?;
    let Some(mut group) = group else {
        return Ok((experiment, None));
    };
    for member in &mut group.members {
        member.experiment = placed(member.experiment.clone(), path, &source)?;
    }
    Ok((experiment, Some(group)))
}

/// The experiment with absolute paths.
fn placed(experiment: Experiment, path: &Path, source: &str) -> Result<Experiment, Vec<Problem>> {
    let problem = |field: &str, message: String, help: &str| {
        vec![
            Problem::new(&label(path), message)
                .field(field)
                .at(locate(source, field), source)
                .help(Some(help.to_owned())),
        ]
    };
    for (field, named) in experiment.paths() {
        if let Some(name) = super::place::variable(named).filter(|_| !named.exists()) {
            let message = format!("${name} is not replaced in the path {}", named.display());
            return Err(problem(
                field,
                text::line(&message, 300),
                "write ~ for your home, or the whole path",
            ));
        }
    }
    experiment.placed().map_err(|error| {
        problem(
            "",
            format!("its paths cannot be resolved: {error}"),
            "start in a folder that exists",
        )
    })
}

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
        return Err(fail(too_long(meta.len()), A_PAGE));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let good = |error: &std::string::FromUtf8Error| error.utf8_error().valid_up_to();
    String::from_utf8(bytes)
        .map_err(|error| vec![not_utf8(&error.as_bytes()[..good(&error)], &label(path))])
}

fn label(path: &Path) -> String {
    text::line(&path.display().to_string(), 300)
}

fn too_long(bytes: impl fmt::Display) -> String {
    format!("has {bytes} bytes; expected at most {MAX_BYTES}")
}

/// The problem of a file that stops being UTF-8 at this byte.
fn not_utf8(good: &[u8], file: &str) -> Problem {
    let good = String::from_utf8_lossy(good);
    let place = place_of(&good, good.len());
    Problem::new(file, "the text from here on is not UTF-8")
        .at(Some(place), &good)
        .help(Some("save it as UTF-8".to_owned()))
}

/// Parses an experiment's text; `file` is its name in problems.
pub fn parse(source: &str, file: &str) -> Result<Experiment, Vec<Problem>> {
    parse_with(source, file, &[])
}

/// Parses with `field.path=value` changes applied to the YAML first, as `--set` gives them.
pub fn parse_with(
    source: &str,
    file: &str,
    overrides: &[String],
) -> Result<Experiment, Vec<Problem>> {
    parse_group(source, file, overrides).map(|(experiment, _)| experiment)
}

/// Likewise, with its runs if it has `seeds` or `grid`.
pub fn parse_group(
    source: &str,
    file: &str,
    overrides: &[String],
) -> Result<(Experiment, Option<Group>), Vec<Problem>> {
    let experiment = parse_changed(source, file, overrides)?;
    if !experiment.is_group() {
        return Ok((experiment, None));
    }
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let group = group(&experiment, source, file, overrides)?;
    Ok((experiment, Some(group)))
}

/// Parses what a file says about all of its runs.
fn parse_plain(source: &str, file: &str) -> Result<Experiment, Vec<Problem>> {
    // Some editors begin a file with a byte order mark.
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let source_is_empty = source
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    if source_is_empty {
        let help = "start from a copy of a file in experiments/quickstart/";
        return Err(vec![
            Problem::new(file, "is empty; expected an experiment").help(Some(help.to_owned())),
        ]);
    }
    let experiment: Experiment = read_strict(source, file)?;
    finish(experiment, |path, message, help| {
        // What is missing at the top has no line; the file's first one is shown.
        Problem::new(file, message)
            .field(path)
            .at(locate(source, path).or(Some((1, 1))), source)
            .help(help)
    })
}

/// Parses one YAML document into a type that refuses unknown fields; `file` is its name in problems.
pub fn read_strict<T: DeserializeOwned>(source: &str, file: &str) -> Result<T, Vec<Problem>> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    if let Some(problem) = unreadable(source, file) {
        return Err(vec![problem]);
    }
    let read = serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(source));
    read.map_err(|error| vec![explain(&error, source, file)])
}

/// Refuses texts that the YAML parser handles badly: those that it expands to many times their length, characters that it refuses
/// without a place or counts as line ends, and nesting over which it takes minutes.
fn unreadable(source: &str, file: &str) -> Option<Problem> {
    if source.len() > MAX_BYTES {
        let problem = Problem::new(file, too_long(source.len()));
        return Some(
            problem
                .at(
                    Some(place_of(source, source.floor_char_boundary(MAX_BYTES))),
                    source,
                )
                .help(Some(A_PAGE.to_owned())),
        );
    }
    let is_break = |offset: usize| source[offset..].starts_with("\r\n");
    let is_odd = |(offset, c): &(usize, char)| match c {
        '\n' | '\t' => false,
        '\r' => !is_break(*offset),
        '\u{2028}' | '\u{2029}' => true,
        c => c.is_control(),
    };
    if let Some((offset, _)) = source.char_indices().find(is_odd) {
        let problem = Problem::new(file, "this is a control character; expected text");
        return Some(
            problem
                .at(Some(place_of(source, offset)), source)
                .help(Some("remove it".to_owned())),
        );
    }
    let (offset, message) = excess(source)?;
    Some(
        Problem::new(file, message)
            .at(Some(place_of(source, offset)), source)
            .help(Some(A_PAGE.to_owned())),
    )
}

fn parse_changed(
    source: &str,
    file: &str,
    overrides: &[String],
) -> Result<Experiment, Vec<Problem>> {
    let plain = parse_plain(source, file);
    if overrides.is_empty() {
        return plain;
    }
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    if plain.is_err() && unreadable(source, file).is_some() {
        return plain;
    }
    let mut document: Value = match serde_yaml::from_str(source) {
        Ok(document) => document,
        Err(_) => return plain,
    };
    for change in overrides {
        set(&mut document, change)
            .map_err(|message| vec![Problem::new(&format!("--set {change}"), message)])?;
    }
    let label = with_changes(file, overrides);
    let changed: Result<Experiment, Vec<Problem>> = serde_path_to_error::deserialize(document)
        .map_err(|error| vec![explain(&error, "", &label)]);
    let changed = changed.and_then(|experiment| {
        finish(experiment, |path, message, help| {
            Problem::new(&label, message).field(path).help(help)
        })
    });
    // Report problems of the file itself first: they have a line.
    if changed.is_err() && plain.is_err() {
        plain
    } else {
        changed
    }
}

/// Checks the rules that types cannot express, and sanitizes the texts that screens show.
fn finish(
    mut experiment: Experiment,
    problem: impl Fn(&str, String, Option<String>) -> Problem,
) -> Result<Experiment, Vec<Problem>> {
    if let Err(found) = experiment.settle_kind() {
        return Err(vec![problem(&found.field, found.message, found.help)]);
    }
    let problems: Vec<Problem> = validate::all(&experiment)
        .into_iter()
        .map(|found| problem(&found.field, found.message, found.help))
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    experiment.name = text::line(&experiment.name, 80);
    experiment.group = text::line(&experiment.group, 40);
    experiment.question = experiment
        .question
        .map(|question| text::line(&question, 200));
    if let Some(reference) = &mut experiment.reference {
        reference.source = text::line(&reference.source, 80);
        reference.note = reference.note.take().map(|note| text::line(&note, 300));
    }
    Ok(experiment)
}

fn with_changes(file: &str, overrides: &[String]) -> String {
    if overrides.is_empty() {
        return file.to_owned();
    }
    format!("{file} with --set {}", overrides.join(" --set "))
}

fn set(document: &mut Value, change: &str) -> Result<(), String> {
    let (path, value) = change
        .split_once('=')
        .ok_or("expected FIELD=VALUE, for example train.epochs=3")?;
    let value: Value =
        serde_yaml::from_str(value).map_err(|error| format!("the value is not YAML: {error}"))?;
    put(document, path, value)
}

/// Sets the field of this dotted path.
fn put(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let mut place = document;
    for key in path.split('.') {
        if place.is_null() {
            *place = Value::Mapping(serde_yaml::Mapping::new());
        }
        let mapping = place
            .as_mapping_mut()
            .ok_or_else(|| format!("`{key}` lies below a field that is no mapping"))?;
        place = mapping.entry(key.into()).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

/// The runs of an experiment with `seeds` or `grid`: each is parsed and checked as an experiment.
fn group(
    experiment: &Experiment,
    source: &str,
    file: &str,
    overrides: &[String],
) -> Result<Group, Vec<Problem>> {
    let label = with_changes(file, overrides);
    let problem = |Mistake {
                       keys,
                       message,
                       help,
                   }: Mistake| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let problem = Problem::new(&label, message)
            .field(&keys.join("."))
            .help(help);
        // What `--set` changed has no line.
        if overrides.is_empty() {
            problem.at(locate_keys(source, &keys), source)
        } else {
            problem
        }
    };
    let all = members::combinations(experiment)
        .map_err(|mistakes| mistakes.into_iter().map(problem).collect::<Vec<_>>())?;
    let mut document = document(source, overrides)?;
    if let Some(mistake) = unused(experiment, &document, overrides) {
        return Err(vec![problem(mistake)]);
    }
    if let Some(fields) = document.as_mapping_mut() {
        for field in ["seeds", "grid"] {
            fields.remove(field);
        }
    }
    // The group has it in common, and no member has it.
    let common = document.clone();
    if let Some(fields) = document.as_mapping_mut() {
        fields.remove("halving");
    }
    let one_seed = [experiment.seed];
    let seeds = experiment.seeds.as_deref().unwrap_or(&one_seed);
    let mut of_first = Vec::new();
    for settings in &all {
        let parsed = with_settings(&document, settings, &label).map_err(|found| {
            let of_group = |found| problem(mistake_of(settings, found));
            found.into_iter().map(of_group).collect::<Vec<_>>()
        })?;
        of_first.push(members::member(settings, parsed));
    }
    let members = seeds.iter().flat_map(|&seed| {
        of_first.iter().cloned().map(move |mut member| {
            member.experiment.seed = seed;
            member
        })
    });
    let members: Vec<Member> = members.collect();
    let rounds =
        halving::of_members(experiment, &members).map_err(|mistake| vec![problem(mistake)])?;
    Ok(Group {
        identity: identity(experiment, common),
        members,
        rounds,
    })
}

fn document(source: &str, overrides: &[String]) -> Result<Value, Vec<Problem>> {
    let mut document: Value =
        serde_yaml::from_str(source).map_err(|error| vec![syntax(&error, source, "")])?;
    for change in overrides {
        set(&mut document, change)
            .map_err(|message| vec![Problem::new(&format!("--set {change}"), message)])?;
    }
    Ok(document)
}

/// A value that no run would use.
fn unused(experiment: &Experiment, document: &Value, overrides: &[String]) -> Option<Mistake> {
    if experiment.seeds.is_some() && document.get("seed").is_some() {
        let message = "is not used, because `seeds` names the seeds; expected one of the two";
        return Some(Mistake::at(&["seed"], message, "remove one of the two"));
    }
    let grid = experiment.grid.as_ref()?;
    let changed = |change: &String| change.split('=').next().map(str::to_owned);
    let field = overrides
        .iter()
        .filter_map(changed)
        .find(|field| grid.0.iter().any(|(varied, _)| varied == field))?;
    let message = "`--set` changes this field too; expected it in one of the two";
    Some(Mistake::at(
        &["grid", &field],
        message,
        "change its values in the file, or leave out the `--set`",
    ))
}

fn with_settings(
    document: &Value,
    settings: &[(&str, &serde_json::Value)],
    label: &str,
) -> Result<Experiment, Vec<Problem>> {
    let mut document = document.clone();
    for (field, value) in settings {
        let fail = |message: String| vec![Problem::new(label, message).field(field)];
        let value = serde_yaml::to_value(value).map_err(|error| fail(error.to_string()))?;
        put(&mut document, field, value).map_err(fail)?;
    }
    let parsed: Experiment = serde_path_to_error::deserialize(document)
        .map_err(|error| vec![explain(&error, "", label)])?;
    finish(parsed, |path, message, help| {
        Problem::new(label, message).field(path).help(help)
    })
}

/// The problem of one member, at the field of the grid that it comes from.
fn mistake_of(settings: &[(&str, &serde_json::Value)], found: Problem) -> Mistake {
    let is_of = |field: &str| {
        let below = |long: &str, short: &str| {
            long.strip_prefix(short)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        below(&found.field, field) || below(field, &found.field)
    };
    let own = settings.iter().find(|(field, _)| is_of(field));
    let message = match own {
        Some((field, value)) if *field == found.field && !found.message.contains("found") => {
            format!("{}, with the value {value}", found.message)
        }
        Some((field, _)) if *field == found.field => found.message,
        Some(_) => format!("{}: {}", found.field, found.message),
        None => {
            let words: Vec<String> = settings
                .iter()
                .map(|(field, value)| format!("{field}={value}"))
                .collect();
            format!(
                "{}: {}, with {}",
                found.field,
                found.message,
                words.join(" ")
            )
        }
    };
    let keys = match own {
        Some((field, _)) => vec!["grid", field],
        None => vec!["grid"],
    };
    Mistake {
        help: found.help,
        ..Mistake::at(&keys, message, "")
    }
}

/// What two files of the same group have in common, as JSON with sorted keys.
fn identity(experiment: &Experiment, mut document: Value) -> String {
    let varied = experiment.grid.iter().flat_map(|grid| &grid.0);
    for (field, _) in varied {
        // The value below the grid is that of no run.
        let _ = put(&mut document, field, Value::Null);
    }
    if let Some(fields) = document.as_mapping_mut() {
        for field in ["name", "group", "question", "reference", "seed", "slurm"] {
            fields.remove(field);
        }
    }
    serde_json::to_value(document)
        .map(|document| document.to_string())
        .unwrap_or_default()
}

/// Rewords a parser's error.
fn explain(
    error: &serde_path_to_error::Error<serde_yaml::Error>,
    source: &str,
    file: &str,
) -> Problem {
    let inner = error.inner();
    let location = inner.location().map(|place| (place.line(), place.column()));
    let raw = inner.to_string();
    let message = raw
        .rfind(" at line ")
        .map_or(raw.as_str(), |end| &raw[..end]);
    let path = error.path().to_string();
    let mut path = if path == "." { String::new() } else { path };
    let message = message
        .strip_prefix(&format!("{path}: "))
        .unwrap_or(message);
    let parent = path
        .rsplit_once('.')
        .map_or("", |(parent, _)| parent)
        .to_owned();
    let message = message
        .strip_prefix(&format!("{parent}: "))
        .unwrap_or(message);

    if let Some(Misplaced {
        field,
        message,
        help,
    }) = Misplaced::parse(message)
    {
        let field = format!("{path}.{field}");
        return Problem::new(file, message)
            .at(locate(source, &field), source)
            .field(&field)
            .help(Some(help));
    }
    if let Some(name) = quoted_after(message, "unknown field ") {
        let parent = path
            .strip_suffix(&name)
            .map_or(path.as_str(), |parent| parent)
            .trim_end_matches('.')
            .to_owned();
        path = if parent.is_empty() {
            name.clone()
        } else {
            format!("{parent}.{name}")
        };
        let (expected, help) = choices(message, &name);
        return Problem::new(file, format!("unknown field; expected {expected}"))
            .field(&path)
            .at(location, source)
            .help(help);
    }
    if let Some(name) = quoted_after(message, "unknown variant ") {
        let (expected, help) = few(choices(message, &name), &name);
        return Problem::new(file, format!("expected {expected}, found `{name}`"))
            .field(&path)
            .at(location, source)
            .help(help);
    }
    if message.contains("duplicate ")
        && let Some(twice) = duplicate(source)
    {
        let message = format!("`{}` appears twice; expected it once", twice.key);
        return Problem::new(file, message)
            .field(&twice.path)
            .at(Some(twice.place), source)
            .help(Some("remove one of the two".to_owned()));
    }
    if let Some(name) = quoted_after(message, "missing field ") {
        let field = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        return Problem::new(file, "is missing")
            .field(&field)
            .at(location, source)
            .help(Some(format!(
                "add `{name}: …`{}",
                if path.is_empty() {
                    String::new()
                } else {
                    format!(" below `{path}`")
                }
            )));
    }
    if path == "seed" && message.starts_with("invalid type: sequence") {
        return Problem::new(file, in_plain_words(message, &path))
            .field(&path)
            .at(location, source)
            .help(Some("a list of seeds is called `seeds`".to_owned()));
    }
    match serde_yaml::from_str::<IgnoredAny>(source) {
        Err(error) if !source.is_empty() => syntax(&error, source, file),
        _ => Problem::new(file, in_plain_words(message, &path))
            .field(&path)
            .at(location, source),
    }
}

/// The problem of a text that is not YAML at all.
fn syntax(error: &serde_yaml::Error, source: &str, file: &str) -> Problem {
    let location = error.location().map(|place| (place.line(), place.column()));
    let raw = error.to_string();
    if raw.contains("more than one document") {
        let second = source
            .match_indices("\n---")
            .last()
            .map_or((1, 1), |(offset, _)| place_of(source, offset + 1));
        let problem = Problem::new(
            file,
            "a second document begins here; expected one experiment a file",
        );
        return problem
            .at(Some(second), source)
            .help(Some("put it into another file".to_owned()));
    }
    let line = location
        .and_then(|(line, _)| source.lines().nth(line - 1))
        .unwrap_or_default();
    if line.trim_start_matches(' ').starts_with('\t') {
        let problem =
            Problem::new(file, "a tab indents this line; expected spaces").at(location, source);
        return problem.help(Some("replace the tab by spaces".to_owned()));
    }
    let (what, rest) = raw.split_once(" at line ").unwrap_or((&raw, ""));
    // The parser names a second place: the start of the value that it was reading.
    let begin = rest
        .split_once(", while ")
        .and_then(|(_, context)| context.split_once(" at line "));
    let (context, place) = begin.map_or((String::new(), None), |(context, place)| {
        let numbers = place
            .split_once(" column ")
            .and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
        (format!(" while {context}"), numbers)
    });
    Problem::new(file, format!("not valid YAML: {what}{context}")).at(place.or(location), source)
}

fn quoted_after(message: &str, prefix: &str) -> Option<String> {
    let rest = &message[message.find(prefix)? + prefix.len()..];
    let rest = rest.trim_start_matches(['`', '"']);
    Some(rest[..rest.find(['`', '"']).unwrap_or(rest.len())].to_owned())
}

/// The expected words of an "unknown …" message, and the closest one.
fn choices(message: &str, found: &str) -> (String, Option<String>) {
    let expected = message
        .rsplit_once("expected ")
        .map_or("something else", |(_, list)| list);
    let words = expected.split('`').skip(1).step_by(2);
    let help = text::closest(found, words).map(|word| format!("did you mean `{word}`?"));
    (expected.to_owned(), help)
}

/// A list too long to read becomes its closest words. Only that of the backbones is so long.
fn few((expected, help): (String, Option<String>), found: &str) -> (String, Option<String>) {
    const MOST: usize = 20;
    const SHOWN: usize = 5;
    let words: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    if words.len() <= MOST {
        return (expected, help);
    }
    let near = text::nearest(found, &words, SHOWN).join("`, `");
    let help = help.unwrap_or_else(|| "`warmstart models` lists all".to_owned());
    let expected = format!("one of {} names, such as `{near}`", words.len());
    (expected, Some(help))
}

fn in_plain_words(message: &str, field: &str) -> String {
    let Some((found, expected)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "))
    else {
        return message.to_owned();
    };
    let expected = match expected {
        "u32" => {
            &validate::whole_number(field).unwrap_or_else(|| "a whole number, 0 or more".to_owned())
        }
        "u64" | "usize" => "a whole number, 0 or more",
        "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" | "path string" => "text",
        "field identifier" => "the name of a field",
        "a sequence" => "a list of values",
        other if other.starts_with("struct ") => "a mapping of fields",
        other => other,
    };
    let found = match found {
        "unit value" => "nothing".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "a mapping".to_owned(),
        other => ["integer ", "floating point ", "boolean "]
            .iter()
            .find_map(|kind| other.strip_prefix(kind))
            .map_or_else(|| other.replacen("string ", "text ", 1), str::to_owned),
    };
    format!("expected {expected}, found {found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_an_excerpt_become_spaces_of_the_same_width() {
        assert_eq!(printable("a\u{1b}[1mb\tc"), "a [1mb c");
    }
}
