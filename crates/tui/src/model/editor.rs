//! The editor of one field of an experiment file, with a preview and its problems.

use std::path::PathBuf;

use tui_input::{Input, InputRequest};
use warmstart_schema::experiment::{Experiment, Problem, parse};
use warmstart_schema::text;

use super::palette::{Candidate, Palette, Purpose, Target};
use warmstart_report::edit::{self, Field};

/// The schema's limit for an experiment name, in characters.
const NAME: usize = 80;
/// Characters of a value to repeat in the file name.
const SLUG: usize = 24;
/// The most characters of a value to show.
const SHOWN: usize = 300;
/// The most bytes of a file name without `.yaml`.
const MAX_STEM: usize = 120;

/// An experiment file: its text and the parsed experiment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    pub path: PathBuf,
    pub text: String,
    pub experiment: Experiment,
}

/// The editor of one field.
#[derive(Debug)]
pub(crate) struct Editor {
    pub source: Source,
    pub field: Field,
    /// The current value, or the default if the file omits the field.
    pub before: Option<String>,
    pub value: Input,
    /// Whether the user has already changed the initial value.
    pub entry: ValueEntry,
    /// The stem of the new file's name.
    pub stem: Input,
    /// Whether the user wrote the stem; otherwise it follows the value.
    stem_is_own: bool,
    pub target: Destination,
    pub focus: Focus,
    pub draft: Result<Draft, Vec<String>>,
}

/// What the next key does to the initial value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueEntry {
    /// A character replaces it and a deletion clears it; moving the cursor starts editing it.
    Replaces,
    Edits,
}

/// Where to write the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A new file; the old one stays.
    NewFile,
    /// The same file. Existing runs keep the experiment that they started with.
    SameFile,
}

/// The input that gets the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Focus {
    Value,
    Stem,
}

/// The file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    pub text: String,
    /// Each changed field: path, old value, new value; the values as single lines.
    pub changes: Vec<(String, String, String)>,
    /// The changed line and its number; none if a line was taken out.
    pub line: Option<(usize, String)>,
}

impl Source {
    /// The value of a field, and whether the file sets it.
    fn value(&self, path: &str) -> Option<(String, bool)> {
        let own = edit::value_of(&self.text, path).map(|value| (value, true));
        own.or_else(|| {
            let resolved = serde_yaml::to_value(&self.experiment).ok()?;
            edit::scalar_at(&resolved, path).map(|value| (value, false))
        })
    }

    fn stem(&self) -> String {
        warmstart_runs::run::stem(&self.path)
    }
}

impl Palette {
    /// The palette of an experiment's fields with their current values.
    pub(crate) fn of_fields(source: Source) -> Self {
        let candidates = edit::fields().into_iter().map(|field| {
            let value = source.value(&field.path);
            let aside = match value {
                Some((value, true)) => text::line(&value, SHOWN),
                Some((value, false)) => format!("({})", text::line(&value, SHOWN)),
                None => "–".to_owned(),
            };
            let about = field.about.clone();
            Candidate::new(field.path.clone(), about, Target::Field(field.path)).with_aside(aside)
        });
        let candidates = candidates.collect();
        Self::new(Purpose::Field(Box::new(source)), candidates)
    }
}

impl Editor {
    pub(crate) fn new(source: Source, path: &str, target: Destination) -> Option<Self> {
        let field = edit::fields()
            .into_iter()
            .find(|field| field.path == path)?;
        let before = source.value(path).map(|(value, _)| value);
        let value = Input::new(before.clone().unwrap_or_default());
        let mut editor = Self {
            source,
            field,
            before,
            value,
            entry: ValueEntry::Replaces,
            stem: Input::default(),
            stem_is_own: false,
            target,
            focus: Focus::Value,
            draft: Err(Vec::new()),
        };
        editor.refresh();
        Some(editor)
    }

    /// Applies typed keys, or a pasted text.
    pub(crate) fn handle(&mut self, requests: &[InputRequest]) {
        for request in requests {
            match self.focus {
                Focus::Value => self.edit_value(*request),
                Focus::Stem => {
                    self.stem_is_own = true;
                    self.stem.handle(*request);
                }
            }
        }
        self.refresh();
    }

    fn edit_value(&mut self, request: InputRequest) {
        let replaces =
            std::mem::replace(&mut self.entry, ValueEntry::Edits) == ValueEntry::Replaces;
        let takes_all = matches!(
            request,
            InputRequest::InsertChar(_)
                | InputRequest::DeletePrevChar
                | InputRequest::DeleteNextChar
        );
        if replaces && takes_all {
            self.value = Input::default();
        }
        self.value.handle(request);
    }

    /// Switches between a new file and the same file.
    pub(crate) fn turn(&mut self) {
        self.target = match self.target {
            Destination::NewFile => Destination::SameFile,
            Destination::SameFile => Destination::NewFile,
        };
        self.focus = Focus::Value;
        self.refresh();
    }

    /// Moves to the other input; editing the same file has only one.
    pub(crate) fn step(&mut self) {
        self.focus = match (self.focus, self.target) {
            (Focus::Value, Destination::NewFile) => Focus::Stem,
            _ => Focus::Value,
        };
    }

    fn refresh(&mut self) {
        let typed = self.value.value().trim();
        if !self.stem_is_own {
            let stem = if self.field.path == "name" {
                proposed_stem(&slug(typed, SLUG * 2), "")
            } else {
                let value = if typed.is_empty() {
                    "default".to_owned()
                } else {
                    slug(typed, SLUG)
                };
                let ending = format!("-{}-{value}", short(&self.field.path));
                proposed_stem(&self.source.stem(), &ending)
            };
            self.stem = Input::new(stem);
        }
        self.draft = self.drafted(typed);
    }

    /// The file to write, or the problems of the value.
    fn drafted(&self, typed: &str) -> Result<Draft, Vec<String>> {
        let Source {
            text: source,
            experiment,
            path,
        } = &self.source;
        let field = &self.field;
        let own = edit::value_of(source, &field.path);
        // A text of several lines ends with a line break, which nobody types.
        let is_same = self.before.as_deref().map(str::trim) == Some(typed);
        if is_same || own.is_none() && typed.is_empty() {
            let what = match own {
                None if typed.is_empty() => "the file leaves it out already",
                None => "that is its default already",
                Some(_) => "that is what it says already",
            };
            return Err(vec![what.to_owned()]);
        }
        if typed.is_empty() && field.is_required {
            return Err(vec!["a file must say it; type a value".to_owned()]);
        }
        let changed = if typed.is_empty() {
            edit::remove(source, &field.path)
        } else {
            edit::set(source, &field.path, typed, field.is_text)
        };
        let changed = changed.map_err(|error| vec![error])?;
        let name = self.new_name(typed);
        let renamed = match &name {
            Some(name) => edit::set(&changed, "name", name, true).map_err(|error| vec![error])?,
            None => changed.clone(),
        };
        parse(&renamed, &text::line(&path.display().to_string(), 300)).map_err(|problems| {
            problems
                .iter()
                .flat_map(|problem| problem_lines(problem, &field.path))
                .collect::<Vec<_>>()
        })?;
        if self.target == Destination::NewFile {
            check_stem(self.stem.value())?;
        }
        let after = if typed.is_empty() {
            "its default".to_owned()
        } else {
            text::line(typed, SHOWN)
        };
        let before = self.before.as_deref();
        let before = before.map_or_else(|| "–".to_owned(), |before| text::line(before, SHOWN));
        let mut changes = vec![(field.path.clone(), before, after)];
        changes.extend(name.map(|name| ("name".to_owned(), experiment.name.clone(), name)));
        Ok(Draft {
            line: changed_line(source, &changed),
            text: renamed,
            changes,
        })
    }

    /// A new experiment name that shows the changed value.
    fn new_name(&self, typed: &str) -> Option<String> {
        if self.target == Destination::SameFile || self.field.path == "name" {
            return None;
        }
        let value = if typed.is_empty() { "default" } else { typed };
        let suffix = format!(", {} {value}", short(&self.field.path).replace('-', " "));
        let suffix = text::line(&suffix, NAME / 2);
        let room = NAME.saturating_sub(suffix.chars().count());
        let base: String = self.source.experiment.name.chars().take(room).collect();
        Some(format!("{}{suffix}", base.trim_end()))
    }
}

/// A problem as text lines, with the field's name if it is another field.
fn problem_lines(problem: &Problem, field: &str) -> Vec<String> {
    let message = if problem.field == field {
        problem.message.clone()
    } else {
        format!("{}: {}", problem.field, problem.message)
    };
    std::iter::once(message)
        .chain(problem.help.clone())
        .collect()
}

/// Whether every system allows this character in a file name.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "-_. ,+".contains(c)
}

/// A file name that [`check_stem`] accepts: as much of `begin` as there is room for, and `ending`.
fn proposed_stem(begin: &str, ending: &str) -> String {
    let plain = |c: char| if is_plain(c) { c } else { '-' };
    let begin: String = begin.chars().map(plain).collect();
    let room = MAX_STEM.saturating_sub(ending.len());
    format!("{}{ending}", &begin[..begin.floor_char_boundary(room)])
}

/// Checks for a file name that works on every system and is not hidden.
fn check_stem(stem: &str) -> Result<(), Vec<String>> {
    // The file is written without spaces around its name.
    let stem = stem.trim();
    let problem = if stem.is_empty() {
        "the file needs a name"
    } else if stem.starts_with('.') {
        "the file's name begins with a dot, which hides it"
    } else if !stem.chars().all(is_plain) {
        "expected letters, digits, spaces, and - _ . , + in the file's name"
    } else if stem.len() > MAX_STEM {
        let problem = format!("the file's name has more than {MAX_STEM} bytes");
        return Err(vec![problem]);
    } else {
        return Ok(());
    };
    Err(vec![problem.to_owned()])
}

/// A short form of the field for a file name.
fn short(path: &str) -> String {
    let mut parts = path.rsplit('.');
    let last = parts.next().unwrap_or_default();
    match (last, parts.next()) {
        ("learning_rate", _) => "lr".to_owned(),
        ("weight_decay", _) => "wd".to_owned(),
        ("batch_size", _) => "batch".to_owned(),
        ("batch_norm", _) => "bn".to_owned(),
        ("name" | "from" | "path", Some(section)) => section.replace('_', "-"),
        (last, _) => last.replace('_', "-"),
    }
}

/// A value in a form for a file name.
fn slug(value: &str, most: usize) -> String {
    let mut slug = String::new();
    for c in value.to_lowercase().chars() {
        if c.is_alphanumeric() || c == '.' {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.chars()
        .take(most)
        .collect::<String>()
        .trim_matches(['-', '.'])
        .to_owned()
}

/// The first line that differs, and its number. None if `after` has only lost lines: what follows them has not changed.
fn changed_line(before: &str, after: &str) -> Option<(usize, String)> {
    let mut rest = before.lines();
    if after.lines().all(|line| rest.any(|other| other == line)) {
        return None;
    }
    let mut lines = after.lines().enumerate();
    let mut old = before.lines();
    lines
        .find(|(_, line)| old.next() != Some(line))
        .map(|(index, line)| (index + 1, text::line(line, 200)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_line_is_no_changed_line() {
        assert_eq!(changed_line("a: 1\nb: 2\nc: 3\n", "a: 1\nc: 3\n"), None);
        let changed = changed_line("a: 1\nb: 2\nc: 3\n", "a: 1\nb: 4\nc: 3\n");
        assert_eq!(changed, Some((2, "b: 4".to_owned())));
        let added = changed_line("a: 1\n", "a: 1\nb: 2\n");
        assert_eq!(added, Some((2, "b: 2".to_owned())));
    }

    /// An editor of a field of a file with this name.
    fn editor(file: &str, field: &str) -> Editor {
        const TEXT: &str = "name: a\n\
            question: |\n  first line\n  second line\n\
            dataset: { name: emoji98, validation: 0.3, labels: fine }\n\
            model: { backbone: tf_efficientnet_lite0, weights: imagenet }\n\
            train:\n  epochs: 2\n  batch_size: 32\n\
            \x20 optimizer: { name: adam, learning_rate: 1.0e-3 }\n";
        let source = Source {
            path: PathBuf::from(file),
            text: TEXT.to_owned(),
            experiment: parse(TEXT, file).unwrap(),
        };
        Editor::new(source, field, Destination::NewFile).unwrap()
    }

    #[test]
    fn a_text_of_several_lines_is_shown_as_one_line() {
        let mut editor = editor("a.yaml", "question");
        editor.handle(&[InputRequest::InsertChar('x')]);
        let draft = editor.draft.unwrap();
        let (_, before, after) = &draft.changes[0];
        assert_eq!(
            (before.as_str(), after.as_str()),
            ("first line second line", "x")
        );
    }

    #[test]
    fn proposed_file_names_are_accepted() {
        for file in ["my copy (1)", "a: b", &"x".repeat(200), &"漢".repeat(70)] {
            let mut editor = editor(&format!("{file}.yaml"), "train.epochs");
            editor.handle(&[InputRequest::InsertChar('5')]);
            assert!(editor.draft.is_ok(), "{file}: {:?}", editor.draft);
            assert!(editor.stem.value().ends_with("-epochs-5"), "{file}");
        }
        let long = slug(&"漢".repeat(70), SLUG * 2);
        assert_eq!(check_stem(&proposed_stem(&long, "")), Ok(()));
    }

    #[test]
    fn file_names_follow_the_change() {
        assert_eq!(
            (short("train.optimizer.learning_rate"), slug("3e-4", SLUG)),
            ("lr".to_owned(), "3e-4".to_owned())
        );
        assert_eq!(short("train.optimizer.name"), "optimizer");
        assert_eq!(short("input.resize"), "resize");
        assert_eq!(slug("/data/My Pictures!", SLUG), "data-my-pictures");
        assert_eq!(slug("..", SLUG), "");
        assert!(check_stem("4-lite0-lr-3e-4").is_ok());
        for bad in ["", " ", ".hidden", " .hidden", "a/b", "a\nb", "../x"] {
            assert!(check_stem(bad).is_err(), "{bad:?}");
        }
    }
}
