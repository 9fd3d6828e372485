//! Parses a file into an [`Experiment`], or into problems for the reader. What is wrong has four types, by what its finder knows:
//!
//! | type | what it is | what it says |
//! |---|---|---|
//! | `Misplaced` | a field that the `name` of its section forbids or requires; it passes through serde as a text | the field within its section |
//! | `Finding` | a value that its type allows and a rule of `validate` forbids | the dotted path of the field |
//! | `Mistake` | what is wrong with `seeds`, `grid` or `halving`, or with one of the runs that they describe | the keys that lead there |
//! | [`Problem`] | each of these and each error of the parser, as people read it | file, line and column, and what to do |

mod checked;
mod explain;
mod group;
mod limits;
mod locate;
mod problem;
mod settings;
mod source;

use std::path::Path;

use serde::de::DeserializeOwned;

use self::checked::{checked, from_document};
use self::explain::explain;
use self::group::group;
use self::locate::{locate, without_mark};
pub use self::problem::Problem;
use self::problem::label;
use self::settings::{apply, document, with_changes};
pub use self::source::{MAX_BYTES, read_text};
use self::source::{is_empty, unreadable};
use super::Experiment;
use super::members::Group;
use super::place::variable;
use crate::text;

/// Reads and parses a file, and makes its paths absolute.
pub fn load(path: &Path, overrides: &[String]) -> Result<Experiment, Vec<Problem>> {
    parse_file(path, &read_text(path)?, overrides).map(|(experiment, _)| experiment)
}

/// As [`load`], with paths relative to `folder`, as the worker of a run that was launched there reads them.
pub fn load_in(folder: &Path, path: &Path) -> Result<Experiment, Vec<Problem>> {
    let text = read_text(path)?;
    let source = without_mark(&text);
    placed(parse(source, &label(path))?, folder, path, source)
}

/// Parses the text of a file, with its runs if it has `seeds` or `grid`, and makes their paths absolute.
pub fn parse_file(
    path: &Path,
    source: &str,
    overrides: &[String],
) -> Result<(Experiment, Option<Group>), Vec<Problem>> {
    let source = without_mark(source);
    let (experiment, group) = parse_group(source, &label(path), overrides)?;
    let here = Path::new("");
    let experiment = placed(experiment, here, path, source)?;
    let Some(mut group) = group else {
        return Ok((experiment, None));
    };
    for member in &mut group.members {
        member.experiment = placed(member.experiment.clone(), here, path, source)?;
    }
    Ok((experiment, Some(group)))
}

/// The experiment with absolute paths, by the folder that they are relative to.
fn placed(
    experiment: Experiment,
    folder: &Path,
    path: &Path,
    source: &str,
) -> Result<Experiment, Vec<Problem>> {
    let problem = |field: &str, message: String, help: &str| {
        vec![
            Problem::new(&label(path), message)
                .field(field)
                .at(locate(source, field), source)
                .help(Some(help.to_owned())),
        ]
    };
    for (field, named) in experiment.paths() {
        if let Some(name) = variable(named).filter(|_| !named.exists()) {
            let message = format!("${name} is not replaced in the path {}", named.display());
            return Err(problem(
                field,
                text::line(&message, 300),
                "write ~ for your home, or the whole path",
            ));
        }
    }
    experiment.placed_in(folder).map_err(|error| {
        problem(
            "",
            format!("its paths cannot be resolved: {error}"),
            "start in a folder that exists",
        )
    })
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

/// Parses an experiment's text with changes as [`parse_with`] takes them. Also returns its runs if it has `seeds` or `grid`.
pub fn parse_group(
    source: &str,
    file: &str,
    overrides: &[String],
) -> Result<(Experiment, Option<Group>), Vec<Problem>> {
    let source = without_mark(source);
    let experiment = parse_changed(source, file, overrides)?;
    if !experiment.is_group() {
        return Ok((experiment, None));
    }
    let group = group(&experiment, source, file, overrides)?;
    Ok((experiment, Some(group)))
}

/// Parses one YAML document into a type that refuses unknown fields; `file` is its name in problems.
pub fn read_strict<T: DeserializeOwned>(source: &str, file: &str) -> Result<T, Vec<Problem>> {
    let source = without_mark(source);
    if let Some(problem) = unreadable(source, file) {
        return Err(vec![problem]);
    }
    let read = serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(source));
    read.map_err(|error| vec![explain(&error, source, file)])
}

/// Parses what a file says about all of its runs, without changes.
fn parse_plain(source: &str, file: &str) -> Result<Experiment, Vec<Problem>> {
    if is_empty(source) {
        let help = "start from a copy of a file in experiments/quickstart/";
        return Err(vec![
            Problem::new(file, "is empty; expected an experiment").help(Some(help.to_owned())),
        ]);
    }
    checked(read_strict(source, file)?, |found| {
        // What is missing at the top has no line; the file's first one is shown.
        Problem::new(file, found.message)
            .at(locate(source, &found.field).or(Some((1, 1))), source)
            .field(&found.field)
            .help(found.help)
    })
}

/// Parses what a file says about all of its runs, with changes.
fn parse_changed(
    source: &str,
    file: &str,
    overrides: &[String],
) -> Result<Experiment, Vec<Problem>> {
    let plain = parse_plain(source, file);
    if overrides.is_empty() || plain.is_err() && unreadable(source, file).is_some() {
        return plain;
    }
    let mut document = match document(source, file) {
        Ok(document) => document,
        Err(problems) => return plain.and(Err(problems)),
    };
    apply(&mut document, overrides)?;
    let changed = from_document(document, &with_changes(file, overrides));
    // Report problems of the file itself first: they have a line.
    if changed.is_err() && plain.is_err() {
        plain
    } else {
        changed
    }
}
