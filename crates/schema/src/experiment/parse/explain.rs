//! Rewords the errors of serde and of the YAML parser: what was expected, what was found, and where.

use serde::de::IgnoredAny;

use super::locate::{Place, duplicate, locate};
use super::problem::Problem;
use crate::experiment::misplaced::Misplaced;
use crate::experiment::validate;
use crate::text;

/// An error of serde: the dotted path of its field, its message without that path, and its place.
struct Raised<'a> {
    path: String,
    message: String,
    at: Option<Place>,
    source: &'a str,
    file: &'a str,
}

impl<'a> Raised<'a> {
    fn new(
        error: &serde_path_to_error::Error<serde_yaml::Error>,
        source: &'a str,
        file: &'a str,
    ) -> Self {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let (parent, _) = path.rsplit_once('.').unwrap_or_default();
        let raw = error.inner().to_string();
        let mut message = raw
            .rfind(" at line ")
            .map_or(raw.as_str(), |end| &raw[..end]);
        for prefix in [&*path, parent] {
            let prefix = format!("{prefix}: ");
            message = message.strip_prefix(&prefix).unwrap_or(message);
        }
        Self {
            at: place(error.inner()),
            message: message.to_owned(),
            path,
            source,
            file,
        }
    }

    /// A problem at the place of the error.
    fn problem(&self, field: &str, message: impl Into<String>) -> Problem {
        Problem::new(self.file, message)
            .field(field)
            .at(self.at, self.source)
    }
}

/// Rewords an error of the typed parse. Without a source, the problem has no place.
pub(super) fn explain(
    error: &serde_path_to_error::Error<serde_yaml::Error>,
    source: &str,
    file: &str,
) -> Problem {
    let rewordings: [fn(&Raised) -> Option<Problem>; 7] = [
        misplaced,
        unknown_field,
        unknown_variant,
        repeated,
        missing,
        seeds_as_seed,
        not_yaml,
    ];
    let raised = Raised::new(error, source, file);
    let reworded = rewordings.iter().find_map(|reword| reword(&raised));
    reworded.unwrap_or_else(|| {
        raised.problem(&raised.path, in_plain_words(&raised.message, &raised.path))
    })
}

/// Rewords an error of a text that serde reads without types: a key that appears twice, or no YAML at all.
pub(super) fn untyped(error: &serde_yaml::Error, source: &str, file: &str) -> Problem {
    let repeated = error
        .to_string()
        .contains("duplicate ")
        .then(|| twice(source, file));
    repeated
        .flatten()
        .unwrap_or_else(|| syntax(error, source, file))
}

fn misplaced(raised: &Raised) -> Option<Problem> {
    let Misplaced {
        field,
        message,
        help,
    } = Misplaced::parse(&raised.message)?;
    let field = format!("{}.{field}", raised.path);
    let problem = Problem::new(raised.file, message)
        .at(locate(raised.source, &field), raised.source)
        .field(&field);
    Some(problem.help(Some(help)))
}

fn unknown_field(raised: &Raised) -> Option<Problem> {
    let name = quoted_after(&raised.message, "unknown field ")?;
    let path = &*raised.path;
    let parent = path
        .strip_suffix(&*name)
        .unwrap_or(path)
        .trim_end_matches('.');
    let (expected, help) = choices(&raised.message, &name);
    let message = format!("unknown field; expected {expected}");
    Some(raised.problem(&below(parent, &name), message).help(help))
}

fn unknown_variant(raised: &Raised) -> Option<Problem> {
    let name = quoted_after(&raised.message, "unknown variant ")?;
    let (expected, help) = few(choices(&raised.message, &name), &name);
    let message = format!("expected {expected}, found `{name}`");
    Some(raised.problem(&raised.path, message).help(help))
}

fn repeated(raised: &Raised) -> Option<Problem> {
    let is_repeated = raised.message.contains("duplicate ");
    is_repeated
        .then(|| twice(raised.source, raised.file))
        .flatten()
}

/// The problem of the first key that appears twice in its mapping.
fn twice(source: &str, file: &str) -> Option<Problem> {
    let twice = duplicate(source)?;
    let message = format!("`{}` appears twice; expected it once", twice.key);
    let problem = Problem::new(file, message)
        .field(&twice.path)
        .at(Some(twice.place), source);
    Some(problem.help(Some("remove one of the two".to_owned())))
}

fn missing(raised: &Raised) -> Option<Problem> {
    let name = quoted_after(&raised.message, "missing field ")?;
    let section = if raised.path.is_empty() {
        String::new()
    } else {
        format!(" below `{}`", raised.path)
    };
    let help = format!("add `{name}: …`{section}");
    let problem = raised.problem(&below(&raised.path, &name), "is missing");
    Some(problem.help(Some(help)))
}

fn seeds_as_seed(raised: &Raised) -> Option<Problem> {
    let path = &*raised.path;
    if path != "seed" || !raised.message.starts_with("invalid type: sequence") {
        return None;
    }
    let problem = raised.problem(path, in_plain_words(&raised.message, path));
    Some(problem.help(Some("a list of seeds is called `seeds`".to_owned())))
}

/// The parser reads as far as the types need, so a text that is no YAML may first raise another error.
fn not_yaml(raised: &Raised) -> Option<Problem> {
    if raised.source.is_empty() {
        return None;
    }
    let error = serde_yaml::from_str::<IgnoredAny>(raised.source).err()?;
    Some(syntax(&error, raised.source, raised.file))
}

/// The problem of a text that is not YAML at all.
fn syntax(error: &serde_yaml::Error, source: &str, file: &str) -> Problem {
    let raw = error.to_string();
    if raw.contains("more than one document") {
        let message = "a second document begins here; expected one experiment a file";
        return Problem::new(file, message)
            .at(Some(second_document(source)), source)
            .help(Some("put it into another file".to_owned()));
    }
    let at = place(error);
    let line = at
        .and_then(|(line, _)| source.lines().nth(line - 1))
        .unwrap_or_default();
    if line.trim_start_matches(' ').starts_with('\t') {
        return Problem::new(file, "a tab indents this line; expected spaces")
            .at(at, source)
            .help(Some("replace the tab by spaces".to_owned()));
    }
    let (what, rest) = raw.split_once(" at line ").unwrap_or((&raw, ""));
    // The parser names a second place: the start of the value that it was reading.
    let begin = rest
        .split_once(", while ")
        .and_then(|(_, context)| context.split_once(" at line "));
    let (context, begin) = begin.map_or((String::new(), None), |(context, place)| {
        let numbers = place
            .split_once(" column ")
            .and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
        (format!(" while {context}"), numbers)
    });
    Problem::new(file, format!("not valid YAML: {what}{context}")).at(begin.or(at), source)
}

/// Where the second of several documents begins. `---` begins the first one too if only comments and directives precede it.
fn second_document(source: &str) -> Place {
    let (mut has_begun, mut has_ended) = (false, false);
    for (line, number) in source.lines().zip(1..) {
        let is_marker = |marker: &str| {
            line.strip_prefix(marker)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        };
        let content = line.trim_start();
        let is_content = !(content.is_empty() || content.starts_with('#') || line.starts_with('%'));
        if is_marker("...") {
            has_ended = has_begun;
        } else if is_content {
            if has_ended || has_begun && is_marker("---") {
                return (number, 1);
            }
            has_begun = true;
        }
    }
    (1, 1)
}

fn place(error: &serde_yaml::Error) -> Option<Place> {
    error.location().map(|place| (place.line(), place.column()))
}

/// The dotted path of a field below another.
fn below(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
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
    fn the_second_document_begins_at_its_own_marker() {
        for (source, line) in [
            ("a: 1\n---\nb: 2\n---\nc: 3\n", 2),
            ("---\na: 1\n---\nb: 2\n---\nc: 3\n", 3),
            ("# one\n\n  # two\n---\na: 1\n--- b\n---\nc: 3\n", 6),
            ("%YAML 1.2\n---\na: ---\n----: 1\n---\t# two\nb: 2\n", 5),
            ("a: 1\n...\n\n# two\nb: 2\n---\nc: 3\n", 5),
            ("a: 1\r\n---\r\nb: 2\r\n---\r\nc: 3\r\n", 2),
        ] {
            assert_eq!(second_document(source), (line, 1), "{source}");
        }
    }
}
