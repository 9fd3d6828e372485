//! `warmstart docs`: the generated parts of the book, the man pages and the completion scripts. The help hides it, because only
//! packagers need it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;
use serde_json::Value;
use warmstart_schema::experiment;

use super::{Exit, completions};
use warmstart_tui::config;
use warmstart_tui::keys::{Documented, documented};

/// Write the generated parts of the book, man pages and completion scripts
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct Arguments {
    /// The book's pages; the text between their markers is replaced
    #[arg(long, value_name = "DIR")]
    book: Option<PathBuf>,
    /// A folder as `PREFIX/share`, for `man/man1` and the completions of bash, zsh and fish
    #[arg(long, value_name = "DIR")]
    share: Option<PathBuf>,
}

pub(super) fn docs(arguments: &Arguments, command: &Command) -> anyhow::Result<Exit> {
    if let Some(folder) = &arguments.book {
        for (page, sections) in pages(command) {
            let path = folder.join(page);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            let written = filled(&text, &sections).with_context(|| path.display().to_string())?;
            if written != text {
                fs::write(&path, written)
                    .with_context(|| format!("{} cannot be written", path.display()))?;
            }
        }
    }
    if let Some(folder) = &arguments.share {
        share(folder, command)
            .with_context(|| format!("{} cannot be written", folder.display()))?;
    }
    Ok(Exit::Done)
}

fn share(folder: &Path, command: &Command) -> anyhow::Result<()> {
    let scripts = [
        (Shell::Bash, "bash-completion/completions/warmstart"),
        (Shell::Zsh, "zsh/site-functions/_warmstart"),
        (Shell::Fish, "fish/vendor_completions.d/warmstart.fish"),
    ];
    for (shell, path) in scripts {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, completions::script(shell, "warmstart")?)?;
    }
    let manuals = folder.join("man/man1");
    fs::create_dir_all(&manuals)?;
    clap_mangen::generate_to(command.clone(), manuals)?;
    Ok(())
}

/// A page's name, and the name and text of each of its generated sections.
type Page = (&'static str, Vec<(&'static str, String)>);

fn pages(command: &Command) -> Vec<Page> {
    let experiment = experiment::json_schema();
    let settings = config::json_schema();
    vec![
        ("keys.md", vec![("keys", keys())]),
        ("experiment.md", vec![("fields", schema(&experiment))]),
        (
            "settings.md",
            vec![
                ("settings", table(&fields(&settings))),
                ("sample", fenced("yaml", &config::sample())),
            ],
        ),
        ("cli.md", vec![("commands", commands(command))]),
    ]
}

/// The text with each section between its markers.
fn filled(text: &str, sections: &[(&'static str, String)]) -> anyhow::Result<String> {
    let mut text = text.to_owned();
    for (name, section) in sections {
        let (begin, end) = (
            format!("<!-- generated: {name} -->\n"),
            format!("<!-- end: {name} -->"),
        );
        let (before, rest) = text
            .split_once(&begin)
            .with_context(|| format!("lacks the line {}", begin.trim()))?;
        let (_, after) = rest
            .split_once(&end)
            .with_context(|| format!("lacks the line {end}"))?;
        text = format!("{before}{begin}\n{}\n\n{end}{after}", section.trim());
    }
    Ok(text)
}

fn fenced(language: &str, text: &str) -> String {
    format!("```{language}\n{}\n```", text.trim_end())
}

/// A table's cell: one line, with bars and tags escaped.
fn cell(text: &str) -> String {
    let line = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|");
    let parts = line.split('`').enumerate();
    let plain = parts.map(|(place, part)| {
        if place % 2 == 0 {
            part.replace('<', "&lt;")
        } else {
            part.to_owned()
        }
    });
    plain.collect::<Vec<_>>().join("`")
}

// ------------------------------------------------------------------------------------------------ keys

/// The contexts, each with its title in the book.
const SCREENS: [(&str, &str); 6] = [
    ("experiments", "The list of experiments and runs"),
    ("run", "A run"),
    ("log", "The log of a run"),
    ("compare", "The comparison"),
    ("machine", "The machine and the queue"),
    ("dataset", "The dataset"),
];
const POPUPS: [(&str, &str); 10] = [
    ("filter", "A filter is typed"),
    ("prompt", "Tags or a note are typed"),
    ("inquiry", "A number or a path is typed"),
    ("columns", "Columns are chosen"),
    ("question", "A question waits for an answer"),
    ("export", "A format for the export is chosen"),
    ("palette", "Actions, experiments and runs are searched"),
    ("editor", "A field of an experiment is changed"),
    ("difference", "Two experiments side by side"),
    ("reading", "A text is read: help, messages, problems"),
];

/// Keys have these meanings where nothing is drawn.
const TOO_SMALL: (&str, &str) = ("small", "The terminal is smaller than 40×10 characters");

fn keys() -> String {
    let all = documented();
    let of = |name: &str| {
        all.iter()
            .find(|(other, _)| *other == name)
            .map_or(&[][..], |(_, actions)| &actions[..])
    };
    let is_common = |action: &Documented, among: &[(&str, &str)]| {
        among
            .iter()
            .all(|(context, _)| of(context).contains(action))
    };
    let mut text = String::new();
    for (heading, contexts) in [
        ("On every screen", &SCREENS[..]),
        ("In every popup", &POPUPS[..]),
    ] {
        let common: Vec<_> = of(contexts[0].0)
            .iter()
            .filter(|action| is_common(action, contexts))
            .collect();
        let _ = write!(text, "## {heading}\n\n{}\n", key_table(&common));
        for (context, title) in contexts {
            let own: Vec<_> = of(context)
                .iter()
                .filter(|action| !is_common(action, contexts))
                .collect();
            let _ = write!(
                text,
                "## {title}\n\nIn settings: `{context}`.\n\n{}\n",
                key_table(&own)
            );
        }
    }
    let (context, title) = TOO_SMALL;
    let all: Vec<_> = of(context).iter().collect();
    let _ = write!(
        text,
        "## {title}\n\nOnly a notice is shown, and no other key acts.\n\n{}\n",
        key_table(&all)
    );
    text
}

fn key_table(actions: &[&Documented]) -> String {
    let mut text = String::from("| keys | action | what it does |\n|---|---|---|\n");
    for action in actions {
        let keys: Vec<String> = action
            .keys
            .iter()
            .map(|key| format!("`{}`", key.replace('|', "\\|")))
            .collect();
        let _ = writeln!(
            text,
            "| {} | `{}` | {} |",
            keys.join(" "),
            action.action,
            cell(action.help)
        );
    }
    text
}

// ------------------------------------------------------------------------------------------------ fields of a file

/// A field of a file, as its schema describes it.
#[derive(Debug)]
pub(super) struct Field {
    /// `train.optimizer.name`
    pub path: String,
    kind: String,
    is_required: bool,
    default: Option<String>,
    pub description: String,
    /// The possible values, if they are a list.
    pub values: Vec<Named>,
}

/// One of the values of a field.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub name: String,
    pub description: String,
}

/// Every field that has no fields below it.
pub(super) fn fields(schema: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    collect(schema, schema, "", &mut found);
    found
}

fn collect(root: &Value, object: &Value, prefix: &str, found: &mut Vec<Field>) {
    let required: Vec<&str> = object["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, property) in object["properties"].as_object().into_iter().flatten() {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let target = resolved(root, property);
        if target["properties"].is_object() {
            collect(root, target, &path, found);
            continue;
        }
        let description = [property, target]
            .iter()
            .find_map(|place| place["description"].as_str())
            .unwrap_or_default();
        let mut values = Vec::new();
        named(root, target, &mut values);
        found.push(Field {
            path,
            kind: kind(root, target),
            is_required: required.contains(&name.as_str()),
            default: property
                .get("default")
                .filter(|default| !default.is_null())
                .map(plain),
            description: description.to_owned(),
            values,
        });
    }
}

/// The definition that a property refers to. Of an optional one, the definition of its value.
fn resolved<'a>(root: &'a Value, property: &'a Value) -> &'a Value {
    if let Some(name) = property["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix("#/$defs/"))
    {
        return resolved(root, &root["$defs"][name]);
    }
    let is_null = |choice: &Value| choice["type"] == "null";
    match property["anyOf"].as_array().map(Vec::as_slice) {
        Some([one, none]) if is_null(none) => resolved(root, one),
        _ => property,
    }
}

/// Adds the values that a definition lists, those of its choices too.
fn named(root: &Value, of: &Value, values: &mut Vec<Named>) {
    let description = || of["description"].as_str().unwrap_or_default().to_owned();
    if let Some(value) = of.get("const") {
        values.push(Named {
            name: plain(value),
            description: description(),
        });
    }
    for value in of["enum"].as_array().into_iter().flatten() {
        values.push(Named {
            name: plain(value),
            description: String::new(),
        });
    }
    for choice in ["oneOf", "anyOf"]
        .iter()
        .filter_map(|key| of[key].as_array())
        .flatten()
    {
        named(root, resolved(root, choice), values);
    }
}

/// The name of a value's type.
fn kind(root: &Value, of: &Value) -> String {
    let names: Vec<&str> = match &of["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "null")
            .collect(),
        _ => Vec::new(),
    };
    let choices = ["oneOf", "anyOf"]
        .iter()
        .filter_map(|key| of[key].as_array())
        .flatten();
    let is_listed = |choice: &Value| choice.get("const").is_some() || choice.get("enum").is_some();
    let mut kinds: Vec<String> = choices
        .map(|choice| resolved(root, choice))
        .map(|choice| {
            if is_listed(choice) {
                "name".to_owned()
            } else {
                kind(root, choice)
            }
        })
        .collect();
    if is_listed(of) {
        kinds.push("name".to_owned());
    } else {
        kinds.extend(names.iter().map(|name| {
            match *name {
                "integer" => "whole number",
                "string" => "text",
                "boolean" => "true or false",
                "array" => "list",
                "object" => "fields",
                other => other,
            }
            .to_owned()
        }));
    }
    kinds.dedup();
    kinds.join(" or ")
}

/// A value in YAML.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn table(fields: &[Field]) -> String {
    let mut text = String::from("| field | value | default | what it says |\n|---|---|---|---|\n");
    for field in fields {
        let default = match (&field.default, field.is_required) {
            (Some(default), _) if default.is_empty() => String::new(),
            (Some(default), _) => format!("`{}`", cell(default)),
            (None, true) => "required".to_owned(),
            (None, false) => String::new(),
        };
        let mut says = cell(&field.description);
        // Long lists of values get a separate section.
        if !field.values.is_empty() && !is_described(field) {
            let values: Vec<String> = field
                .values
                .iter()
                .map(|value| format!("`{}`", value.name))
                .collect();
            let stop = if says.is_empty() { "" } else { " " };
            says = format!("{says}{stop}One of {}.", values.join(", "));
        }
        let _ = writeln!(
            text,
            "| `{}` | {} | {default} | {says} |",
            field.path, field.kind
        );
    }
    text
}

fn is_described(field: &Field) -> bool {
    field
        .values
        .iter()
        .any(|value| !value.description.is_empty())
}

/// The fields of the experiment file by section, and the values that need an explanation.
fn schema(schema: &Value) -> String {
    let all = fields(schema);
    let mut sections: Vec<(&str, Vec<Field>)> = vec![("", Vec::new())];
    let mut names: Vec<&str> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    // The order in which people write the file.
    let order = [
        "dataset",
        "input",
        "augment",
        "model",
        "init",
        "train",
        "reference",
    ];
    names.sort_by_key(|name| {
        order
            .iter()
            .position(|other| other == name)
            .unwrap_or(order.len())
    });
    for field in all {
        let section = names
            .iter()
            .copied()
            .find(|name| field.path.starts_with(&format!("{name}.")))
            .unwrap_or("");
        match sections.iter_mut().find(|(name, _)| *name == section) {
            Some((_, fields)) => fields.push(field),
            None => sections.push((section, vec![field])),
        }
    }
    sections.sort_by_key(|(name, _)| {
        names
            .iter()
            .position(|other| other == name)
            .map_or(0, |place| place + 1)
    });
    let mut text = String::new();
    for (name, fields) in &sections {
        let heading = if name.is_empty() {
            "At the top".to_owned()
        } else {
            format!("`{name}`")
        };
        let about = resolved(schema, &schema["properties"][name])["description"].as_str();
        let own = schema["properties"][name]["description"]
            .as_str()
            .or(about)
            .unwrap_or_default();
        let _ = write!(text, "### {heading}\n\n");
        if !own.is_empty() {
            let _ = write!(text, "{}\n\n", cell(own));
        }
        let _ = writeln!(text, "{}", table(fields));
        for field in fields.iter().filter(|field| is_described(field)) {
            let _ = write!(text, "Values of `{}`:\n\n", field.path);
            for value in &field.values {
                let stop = if value.description.is_empty() {
                    ""
                } else {
                    ": "
                };
                let _ = writeln!(text, "- `{}`{stop}{}", value.name, cell(&value.description));
            }
            text.push('\n');
        }
    }
    text
}

// ------------------------------------------------------------------------------------------------ commands

/// Every command with its help for 100 columns. Options of all commands appear once.
fn commands(command: &Command) -> String {
    let mut text = String::new();
    describe(
        command.clone().mut_subcommands(|verb| verb.hide(true)),
        "warmstart",
        &mut text,
    );
    for verb in command.get_subcommands() {
        walk(verb, "warmstart", &mut text);
    }
    text
}

fn walk(verb: &Command, parent: &str, text: &mut String) {
    if verb.is_hide_set() {
        return;
    }
    let name = format!("{parent} {}", verb.get_name());
    describe(verb.clone(), &name, text);
    for inner in verb.get_subcommands() {
        walk(inner, &name, text);
    }
}

fn describe(command: Command, name: &str, text: &mut String) {
    let help = command
        .bin_name(name)
        .disable_help_subcommand(true)
        .term_width(100)
        .render_long_help()
        .to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(
        text,
        "## {name}\n\n{}\n\n",
        fenced("text", &help.join("\n"))
    );
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_book_holds_what_the_program_says_of_itself() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/book/src");
        for (page, sections) in pages(&super::super::Cli::command()) {
            let path = folder.join(page);
            let text = fs::read_to_string(&path).unwrap();
            let written = filled(&text, &sections).unwrap();
            if std::env::var_os("WARMSTART_BLESS").is_some() {
                fs::write(&path, &written).unwrap();
            }
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                text == written,
                "{page} is not up to date: `make docs`, or WARMSTART_BLESS=1, writes it"
            );
        }
    }

    #[test]
    fn every_context_of_the_keys_has_a_heading() {
        let known: Vec<&str> = SCREENS
            .iter()
            .chain(&POPUPS)
            .chain([&TOO_SMALL])
            .map(|(context, _)| *context)
            .collect();
        for (context, _) in documented() {
            assert!(known.contains(&context), "{context}");
        }
    }

    #[test]
    fn a_field_says_its_path_kind_default_and_values() {
        let schema = serde_json::json!({
            "$defs": {
                "Shade": { "oneOf": [
                    { "const": "red", "type": "string", "description": "Like blood." },
                    { "enum": ["blue"], "type": "string" }
                ] },
                "Inner": { "properties": { "depth": { "type": "integer", "default": 3, "description": "How | deep, `<a>` <b>." } } }
            },
            "properties": {
                "inner": { "anyOf": [{ "$ref": "#/$defs/Inner" }, { "type": "null" }] },
                "shade": { "$ref": "#/$defs/Shade" }
            },
            "required": ["shade"]
        });
        let found = fields(&schema);
        assert_eq!(
            found
                .iter()
                .map(|field| field.path.as_str())
                .collect::<Vec<_>>(),
            ["inner.depth", "shade"]
        );
        assert_eq!(
            found[1]
                .values
                .iter()
                .map(|value| value.name.as_str())
                .collect::<Vec<_>>(),
            ["red", "blue"]
        );
        let table = table(&found);
        assert!(
            table.contains("| `inner.depth` | whole number | `3` | How \\| deep, `<a>` &lt;b>. |"),
            "{table}"
        );
        assert!(
            table.contains("| `shade` | name | required |  |"),
            "{table}"
        );
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = "before\n<!-- generated: x -->\nold\n<!-- end: x -->\nafter\n";
        let once = filled(text, &[("x", "new".to_owned())]).unwrap();
        assert_eq!(
            once,
            "before\n<!-- generated: x -->\n\nnew\n\n<!-- end: x -->\nafter\n"
        );
        assert_eq!(filled(&once, &[("x", "new".to_owned())]).unwrap(), once);
        let error = filled("no marker", &[("x", String::new())])
            .unwrap_err()
            .to_string();
        assert_eq!(error, "lacks the line <!-- generated: x -->");
    }
}
