//! The user's settings: `config.yaml` in the XDG folder. A wrong setting is reported with its
//! position and ignored; all others apply.

mod keys;
mod place;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use warmstart_schema::experiment::{Problem, read_strict, read_text};
use warmstart_schema::slurm::Slurm;
use warmstart_schema::text;

pub use self::keys::Keys;
pub use self::place::{config_file, state_file};
use crate::columns;
use crate::keys::Keymap;
use warmstart_report::edit;

/// The dashboard's settings, each with a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Colours: `auto` asks the terminal and `NO_COLOR`, `dark` and `light` are made for such backgrounds, `16` uses the
    /// terminal's own sixteen, `mono` none.
    pub theme: Theme,
    /// Draw with ASCII characters alone, as `--ascii` does.
    pub ascii: bool,
    /// Take clicks and the wheel. While it does, most terminals select text only with shift held.
    pub mouse: bool,
    /// Ring the terminal's bell, and have it show a message (OSC 9), when a run ends; `--no-bell` wins.
    pub bell: bool,
    /// A shell command that is run when a run ends, with the run as JSON on its standard input; `WARMSTART_NOTIFY` wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// Where workers run: `local` on this machine, `slurm` as jobs of a cluster; `--launcher` wins. Without it, new runs start here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launcher: Option<LauncherName>,
    /// What jobs of Slurm ask for. `slurm` of an experiment and `--slurm` add to it.
    #[serde(skip_serializing_if = "Slurm::is_default")]
    pub slurm: Slurm,
    /// The columns of the list of experiments, until others are chosen on screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The column that the list is sorted by, until another is chosen on screen; with a dash in front the other way round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// Other keys for actions: `stop: X` on every screen, `run.stop: X` on one. The palette (`:`) shows the names.
    pub keys: BTreeMap<String, Keys>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            theme: Theme::Auto,
            ascii: false,
            mouse: true,
            bell: true,
            notify: None,
            launcher: None,
            slurm: Slurm::default(),
            columns: None,
            sort: None,
            keys: BTreeMap::new(),
        }
    }
}

/// Where workers run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum LauncherName {
    /// On this machine.
    Local,
    /// As jobs of Slurm.
    Slurm,
}

/// Which colours are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    #[default]
    Auto,
    Dark,
    Light,
    /// The terminal's own sixteen colours.
    Sixteen,
    /// No colour.
    Mono,
}

impl Theme {
    const NAMES: [(Self, &str); 5] = [
        (Self::Auto, "auto"),
        (Self::Dark, "dark"),
        (Self::Light, "light"),
        (Self::Sixteen, "16"),
        (Self::Mono, "mono"),
    ];

    /// The name in the file.
    pub fn as_str(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(theme, _)| *theme == self)
            .map_or("", |(_, name)| name)
    }
}

impl Serialize for Theme {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::Sixteen {
            serializer.serialize_u8(16)
        } else {
            serializer.serialize_str(self.as_str())
        }
    }
}

impl<'de> Deserialize<'de> for Theme {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ThemeVisitor;
        impl Visitor<'_> for ThemeVisitor {
            type Value = Theme;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("`auto`, `dark`, `light`, `16` or `mono`")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Theme, E> {
                let found = Theme::NAMES
                    .iter()
                    .find(|(_, other)| *other == name)
                    .map(|(theme, _)| *theme);
                found.ok_or_else(|| {
                    E::unknown_variant(name, &["auto", "dark", "light", "16", "mono"])
                })
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Theme, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(ThemeVisitor)
    }
}

impl JsonSchema for Theme {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Theme".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": ["auto", "dark", "light", 16, "mono"] })
    }
}

/// The settings, and the problems in them.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    pub config: Config,
    /// The file's path; `None` without a home folder.
    pub path: Option<PathBuf>,
    /// Whether the file exists.
    pub is_there: bool,
    /// The problems; the settings in them are ignored.
    pub problems: Vec<Problem>,
}

/// Reads the user's file.
pub fn load() -> Loaded {
    match config_file() {
        Some(path) => read(path),
        None => Loaded::default(),
    }
}

/// Reads a file; without a file every default applies.
pub fn read(path: PathBuf) -> Loaded {
    let label = text::line(&path.display().to_string(), 300);
    // A link to a file that is gone is there, and cannot be read.
    let meta = std::fs::symlink_metadata(&path);
    if meta.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Loaded {
            path: Some(path),
            ..Loaded::default()
        };
    }
    let (config, problems) = match read_text(&path) {
        Ok(text) => parse(&text, &label),
        Err(problems) => (Config::default(), problems),
    };
    Loaded {
        config,
        path: Some(path),
        is_there: true,
        problems,
    }
}

/// Parses a file's text; `file` is its name in problems. Ignores wrong settings and applies all
/// others.
pub fn parse(source: &str, file: &str) -> (Config, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut rest = source.to_owned();
    let mut config = loop {
        let text = rest.trim_start_matches('\u{feff}');
        let is_empty = text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
        if is_empty {
            break Config::default();
        }
        match read_strict(&rest, file) {
            Ok(config) => break config,
            Err(found) => {
                let field = found
                    .first()
                    .map_or(String::new(), |problem| problem.field.clone());
                problems.extend(found);
                match without(&rest, &field) {
                    Some(shorter) => rest = shorter,
                    None => return (Config::default(), problems),
                }
            }
        }
    };
    let mut say = |keys: &[&str], message: String, help: Option<String>| {
        problems.push(Problem::at_keys(source, file, keys, message, help));
    };
    let mut is_known = |field: &str, name: &str| {
        let is_known = columns::named(name).is_some();
        if !is_known {
            let known: Vec<&str> = columns::names().collect();
            let help = match text::closest(name, known.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None => format!("columns are {}", known.join(", ")),
            };
            say(
                &[field],
                format!("no column is called `{name}`"),
                Some(help),
            );
        }
        is_known
    };
    if let Some(columns) = &mut config.columns {
        columns.retain(|name| is_known("columns", name));
    }
    config.columns = config.columns.filter(|columns| !columns.is_empty());
    config.sort = config
        .sort
        .filter(|name| is_known("sort", name.strip_prefix('-').unwrap_or(name)));
    for mistake in config.slurm.take_mistakes() {
        say(
            &["slurm", mistake.field],
            mistake.message,
            Some(mistake.help),
        );
    }
    loop {
        let mistakes = Keymap::rebound(&config.keys).err().unwrap_or_default();
        let before = config.keys.len();
        for mistake in mistakes {
            config.keys.remove(&mistake.action);
            say(&["keys", &mistake.action], mistake.message, mistake.help);
        }
        if config.keys.len() == before {
            return (config, problems);
        }
    }
}

/// The text without the wrong setting; `None` if there is none to remove. A wrong item takes its whole list with it.
fn without(source: &str, field: &str) -> Option<String> {
    // The key itself may have a dot: an action such as `run.stop` that is not below `keys`.
    if let Some(text) = edit::blanked(source, &[field]) {
        return Some(text);
    }
    let (list, _) = field.split_once('[').unwrap_or((field, ""));
    let (section, entry) = list.split_once('.').unwrap_or((list, ""));
    let inner = edit::blanked(source, &[section, entry]).filter(|_| !entry.is_empty());
    inner.or_else(|| edit::blanked(source, &[section]))
}

/// The JSON Schema of the file, for editors.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}

/// A file that shows each setting, with its default or an example, and changes nothing.
pub fn sample() -> String {
    let columns: Vec<&str> = columns::usual().iter().map(|column| column.title).collect();
    let columns = columns.join(", ");
    format!(
        "\
# yaml-language-server: $schema=config.schema.json
# Settings of warmstart's dashboard. Each line below shows a default or an example; remove its # to set it.
# `warmstart config check` checks this file, `warmstart config` prints the settings in use.

# Colours: auto (asks the terminal and NO_COLOR), dark, light, 16 (the terminal's own) or mono (none).
# theme: auto

# Draw with ASCII characters alone.
# ascii: false

# Take clicks and the wheel.
# mouse: true

# Ring the terminal's bell, and have it show a message, when a run ends. --no-bell wins.
# bell: true

# A shell command that is run when a run ends; it gets the run as JSON on its standard input. WARMSTART_NOTIFY wins.
# notify: jq -r .event | mail -s warmstart me

# Where workers run: local (on this machine) or slurm (as jobs of a cluster). --launcher wins.
# launcher: local

# What jobs of Slurm ask for, as sbatch takes it. --slurm adds to it.
# slurm:
#   partition: gpu
#   gres: gpu:1
#   cpus: 8
#   memory: 32G
#   time: 12:00:00

# The list of experiments, until something else is chosen on screen. A dash sorts the other way round.
# columns: [{columns}]
# sort: -val acc

# Other keys: on every screen, or on one. The palette (:) names the actions.
# keys:
#   quit: [Q, ctrl-c]
#   run.stop: X
"
    )
}

#[cfg(test)]
mod tests;
