//! `seeds` and `grid`: one file that describes several runs. Each member is an ordinary experiment without these fields and
//! without `halving`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Experiment, Rounds, halving};
use crate::text;

/// The most runs that one file may describe.
pub const MOST_MEMBERS: usize = 200;
/// The most characters of a value in a name and a record.
const VALUE: usize = 60;
/// Fields that describe an experiment, or that have one meaning for all of its runs.
const FIXED: [&str; 9] = [
    "name",
    "group",
    "question",
    "reference",
    "slurm",
    "init",
    "grid",
    "halving",
    "seeds",
];

/// The values of each field that the runs of a group differ in, in the order of the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grid(pub Vec<(String, Vec<Value>)>);

impl Serialize for Grid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(field, values)| (field, values)))
    }
}

impl<'de> Deserialize<'de> for Grid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Grid;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a mapping of fields to lists of values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Grid, A::Error> {
                let mut fields: Vec<(String, Vec<Value>)> = Vec::new();
                while let Some((field, values)) = map.next_entry::<String, Vec<Value>>()? {
                    if fields.iter().any(|(other, _)| *other == field) {
                        return Err(serde::de::Error::custom(format!(
                            "duplicate field `{field}`"
                        )));
                    }
                    fields.push((field, values));
                }
                Ok(Grid(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl JsonSchema for Grid {
    fn schema_name() -> Cow<'static, str> {
        "Grid".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "minProperties": 1,
            "additionalProperties": { "type": "array", "minItems": 1, "items": true },
        })
    }
}

/// A field that the grid varies, with a member's value as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Setting {
    /// Its dotted path.
    pub field: String,
    pub value: String,
}

impl Setting {
    fn new(field: &str, value: &Value) -> Self {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        Self {
            field: text::line(field, 120),
            value: text::line(&value, VALUE),
        }
    }
}

/// `learning_rate 0.01, freeze backbone`: fields by their last word, or whole where two fields end with the same word.
pub fn in_words(settings: &[Setting]) -> String {
    let last = |field: &str| field.rsplit('.').next().unwrap_or_default().to_owned();
    let word = |setting: &Setting| {
        let short = last(&setting.field);
        let is_shared = settings
            .iter()
            .any(|other| other.field != setting.field && last(&other.field) == short);
        if is_shared {
            setting.field.clone()
        } else {
            short
        }
    };
    let words: Vec<String> = settings
        .iter()
        .map(|setting| format!("{} {}", word(setting), setting.value))
        .collect();
    words.join(", ")
}

/// One run of a file with `seeds` or `grid`.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its values of the grid's fields, in the order of the file; none without a grid.
    pub settings: Vec<Setting>,
    /// Without `seeds`, `grid` and `halving`. Its name ends with its settings, as far as they fit.
    pub experiment: Experiment,
}

/// All runs that a file describes.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What makes two files the same group: the file without the fields that the runs differ in and those that only describe it.
    pub identity: String,
    /// First every member with the first seed, then every member with the second.
    pub members: Vec<Member>,
    /// The rounds after which the worse half of the settings is stopped; none without `halving`.
    pub rounds: Option<Rounds>,
}

/// What is wrong with `seeds`, `grid` or `halving`: the keys that lead there, what was expected, and what to do.
pub(super) struct Mistake {
    pub keys: Vec<String>,
    pub message: String,
    pub help: Option<String>,
}

impl Mistake {
    pub(super) fn at(keys: &[&str], message: impl Into<String>, help: &str) -> Self {
        Self {
            keys: keys.iter().map(|&key| key.to_owned()).collect(),
            message: message.into(),
            help: (!help.is_empty()).then(|| help.to_owned()),
        }
    }
}

/// Fields and their values for one member.
pub(super) type Settings<'a> = Vec<(&'a str, &'a Value)>;

/// The values of each field for each member, or what is wrong with the lists themselves.
pub(super) fn combinations(experiment: &Experiment) -> Result<Vec<Settings<'_>>, Vec<Mistake>> {
    let grid: &[(String, Vec<Value>)] = experiment.grid.as_ref().map_or(&[], |grid| &grid.0);
    let mut mistakes = seed_mistakes(experiment);
    if experiment.grid.is_some() && grid.is_empty() {
        mistakes.push(Mistake::at(
            &["grid"],
            "expected at least one field, found none",
            "write a field and its values, as train.optimizer.learning_rate: [0.1, 0.01]",
        ));
    }
    mistakes.extend(
        grid.iter()
            .filter_map(|(field, values)| grid_mistake(field, values)),
    );
    mistakes.extend(overlaps(grid));
    let settings = grid
        .iter()
        .map(|(_, values)| values.len())
        .fold(1, usize::saturating_mul);
    let seeds = experiment.seeds.as_ref().map_or(1, Vec::len);
    let runs = settings.saturating_mul(seeds);
    if runs > MOST_MEMBERS {
        let place = if experiment.grid.is_some() {
            "grid"
        } else {
            "seeds"
        };
        let found = if runs == usize::MAX {
            "more than can be counted".to_owned()
        } else {
            runs.to_string()
        };
        mistakes.push(Mistake::at(
            &[place],
            format!("expected at most {MOST_MEMBERS} runs, found {found}"),
            "name fewer values, or write several files",
        ));
    }
    if mistakes.is_empty() {
        mistakes = halving::mistakes(experiment, settings);
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut all: Vec<Vec<(&str, &Value)>> = vec![Vec::new()];
    for (field, values) in grid {
        all = all
            .into_iter()
            .flat_map(|before| {
                values.iter().map(move |value| {
                    let mut settings = before.clone();
                    settings.push((field.as_str(), value));
                    settings
                })
            })
            .collect();
    }
    Ok(all)
}

fn seed_mistakes(experiment: &Experiment) -> Vec<Mistake> {
    let Some(seeds) = &experiment.seeds else {
        return Vec::new();
    };
    if seeds.is_empty() {
        return vec![Mistake::at(
            &["seeds"],
            "expected at least one seed, found none",
            "write for example [1, 2, 3]",
        )];
    }
    let mut seen = std::collections::HashSet::new();
    let twice = seeds.iter().find(|seed| !seen.insert(**seed));
    twice
        .map(|seed| {
            let message = format!("expected different seeds, found {seed} twice");
            let help = "remove one of the two: a repeated seed gives the same run again";
            Mistake::at(&["seeds"], message, help)
        })
        .into_iter()
        .collect()
}

fn grid_mistake(field: &str, values: &[Value]) -> Option<Mistake> {
    let place = ["grid", field];
    let first = field.split('.').next().unwrap_or_default();
    if field == "seed" {
        let message = "expected a field besides the seed";
        return Some(Mistake::at(
            &place,
            message,
            "write `seeds: [1, 2, 3]` beside `grid`",
        ));
    }
    if FIXED.contains(&first) {
        let message =
            "expected a field that changes training, and this is the same for all runs of a file";
        return Some(Mistake::at(&place, message, "write another file for it"));
    }
    if values.is_empty() {
        let message = "expected at least one value, found none";
        return Some(Mistake::at(
            &place,
            message,
            "remove the field, or name its values",
        ));
    }
    // A longer list is refused for its length. Each value is compared with all before it, so a long list would take minutes.
    if values.len() > MOST_MEMBERS {
        return None;
    }
    let twice = values
        .iter()
        .enumerate()
        .find(|(index, value)| values[..*index].contains(value));
    if let Some((_, value)) = twice {
        let message = format!("expected different values, found {value} twice");
        return Some(Mistake::at(&place, message, "remove one of the two"));
    }
    // A run records its settings as these texts. Where two are equal, one setting passes for the other.
    let texts: Vec<String> = values
        .iter()
        .map(|value| Setting::new(field, value).value)
        .collect();
    let alike = texts
        .iter()
        .enumerate()
        .find(|(index, text)| texts[..*index].contains(text));
    alike.map(|(_, text)| {
        let message =
            format!("expected values whose first {VALUE} characters differ, found two with {text}");
        let help = "make them shorter, or vary only the field that differs";
        Mistake::at(&place, message, help)
    })
}

/// Fields of the grid that lie within other fields of it: one of the two would overwrite the values of the other.
fn overlaps(grid: &[(String, Vec<Value>)]) -> Vec<Mistake> {
    let mut fields: Vec<&str> = grid.iter().map(|(field, _)| field.as_str()).collect();
    // A section comes right before the first field within it.
    fields.sort_unstable_by(|one, other| one.split('.').cmp(other.split('.')));
    let mistake = |pair: &[&str]| {
        let (section, field) = (pair[0], pair[1]);
        Mistake::at(
            &["grid", field],
            format!("expected fields that do not overlap, found `{section}` and `{field}`"),
            "vary the section alone; each of its values can name the field",
        )
    };
    let pairs = fields.windows(2);
    pairs
        .filter(|pair| overlap(pair[0], pair[1]))
        .map(mistake)
        .collect()
}

/// Whether two dotted paths, which may have positions in lists, name the same field, or one lies within the other.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() < other.len() {
        (one, other)
    } else {
        (other, one)
    };
    long.strip_prefix(short)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The member with these values, whose experiment was parsed with them.
pub(super) fn member(settings: &[(&str, &Value)], experiment: Experiment) -> Member {
    let settings: Vec<Setting> = settings
        .iter()
        .map(|(field, value)| Setting::new(field, value))
        .collect();
    let name = if settings.is_empty() {
        experiment.name
    } else {
        text::line(&format!("{}, {}", experiment.name, in_words(&settings)), 80)
    };
    Member {
        settings,
        experiment: Experiment { name, ..experiment },
    }
}
