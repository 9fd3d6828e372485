//! The fields that an experiment can have, from its schema.

use std::sync::LazyLock;

use serde_json::Value;
use warmstart_schema::experiment::json_schema;

/// Sections in the order of files; the schema's order is alphabetical.
const ORDER: [&str; 14] = [
    "name",
    "group",
    "question",
    "seed",
    "dataset",
    "input",
    "augment",
    "model",
    "init",
    "train",
    "evaluate",
    "probe",
    "reference",
    "slurm",
];

/// A field with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its dotted path.
    pub path: String,
    /// Its description, in a sentence.
    pub about: String,
    /// The words that it accepts, if they are few.
    pub words: Vec<String>,
    /// Whether it takes any text.
    pub is_text: bool,
    /// Whether a file must have it.
    pub is_required: bool,
}

/// Every field that holds one value and not a list. Sections come in the order of a file.
pub fn fields() -> Vec<Field> {
    let schema = json_schema();
    let mut fields = Vec::new();
    collect(&schema, &schema, "", true, &mut fields);
    fields.sort_by_key(|field| {
        ORDER
            .iter()
            .position(|section| field.path.split('.').next() == Some(section))
    });
    fields
}

/// The paths of the fields that determine a run. The others describe it, or say what its jobs ask Slurm for.
static SETTINGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let determines = |path: &str| {
        !["name", "group", "question"].contains(&path)
            && !path.starts_with("reference.")
            && !path.starts_with("slurm.")
    };
    fields()
        .into_iter()
        .map(|field| field.path)
        .filter(|path| determines(path))
        .collect()
});

/// All settings of experiments by their paths.
pub fn settings() -> &'static [String] {
    &SETTINGS
}

/// The path of a setting by its name: its path, or an end of it that no other has, as `batch_size` or `optimizer.name`. Settings of
/// training come before those of a probe. Spaces and dashes match underscores. `lr` and `rate` mean the learning rate, `px` the
/// size that images are resized to.
pub fn setting(name: &str) -> Option<&'static str> {
    let name = name.trim().to_lowercase().replace([' ', '-'], "_");
    let name = match name.as_str() {
        "lr" | "rate" => "learning_rate",
        "px" => "input.resize",
        name => name,
    };
    let ends_so = |path: &str| {
        path.strip_suffix(name)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let only = |of_probe: bool| {
        let mut found = SETTINGS
            .iter()
            .filter(|path| path.starts_with("probe.") == of_probe && ends_so(path));
        found.next().filter(|_| found.next().is_none())
    };
    let exact = SETTINGS.iter().find(|path| *path == name);
    exact
        .or_else(|| only(false))
        .or_else(|| only(true))
        .map(String::as_str)
}

fn collect(
    schema: &Value,
    object: &Value,
    above: &str,
    is_required: bool,
    fields: &mut Vec<Field>,
) {
    let Some(properties) = object.get("properties").and_then(Value::as_object) else {
        return;
    };
    let required: Vec<&str> = object
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, property) in properties {
        let path = if above.is_empty() {
            name.clone()
        } else {
            format!("{above}.{name}")
        };
        let target = resolved(schema, property);
        let is_required = is_required && required.contains(&name.as_str());
        if target.get("properties").is_some() {
            collect(schema, target, &path, is_required, fields);
            continue;
        }
        // A list, or a mapping of any fields.
        let kind = target.get("type");
        let is_list = |kind: &Value| kind == "array" || kind == "object";
        if kind.is_some_and(|kind| {
            is_list(kind)
                || kind
                    .as_array()
                    .is_some_and(|kinds| kinds.iter().any(is_list))
        }) {
            continue;
        }
        let about = [property, target]
            .into_iter()
            .find_map(|schema| schema.get("description")?.as_str());
        let words = words(target);
        let is_text = words.is_empty() && takes_text(target);
        let about = about
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        fields.push(Field {
            path,
            about,
            words,
            is_text,
            is_required,
        });
    }
}

/// What a property refers to, optional or not.
fn resolved<'a>(schema: &'a Value, property: &'a Value) -> &'a Value {
    let choices = property
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let reference = std::iter::once(property)
        .chain(choices)
        .find_map(|choice| choice.get("$ref")?.as_str());
    let name = reference.and_then(|reference| reference.strip_prefix("#/$defs/"));
    name.and_then(|name| schema.get("$defs")?.get(name))
        .unwrap_or(property)
}

fn words(schema: &Value) -> Vec<String> {
    let choices = |key: &str| {
        schema
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let all = std::iter::once(schema)
        .chain(choices("oneOf"))
        .chain(choices("anyOf"));
    let words = all.flat_map(|choice| {
        let listed = choice
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        listed
            .chain(choice.get("const"))
            .filter_map(Value::as_str)
            .map(str::to_owned)
    });
    words.collect()
}

fn takes_text(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warmstart_schema::experiment::parse;

    #[test]
    fn settings_are_found_by_path_and_by_any_unique_end_of_it() {
        for (name, path) in [
            ("train.batch_size", Some("train.batch_size")),
            ("batch_size", Some("train.batch_size")),
            ("Batch Size", Some("train.batch_size")),
            ("lr", Some("train.optimizer.learning_rate")),
            ("optimizer.name", Some("train.optimizer.name")),
            ("dropout", Some("model.head.dropout")),
            ("seed", Some("seed")),
            // Three settings end so.
            ("name", None),
            // A part of a word is no end of a path.
            ("size", None),
            // These fields do not determine a run.
            ("reference.val_acc", None),
            ("slurm.account", None),
            ("", None),
        ] {
            assert_eq!(setting(name), path, "{name}");
        }
    }

    #[test]
    fn every_field_of_an_experiment_is_listed() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../experiments/4-effnet-freeze.yaml"
        );
        let experiment = parse(&std::fs::read_to_string(file).unwrap(), "it").unwrap();
        let all = fields();
        for (path, _) in crate::compare::config_fields(&experiment) {
            assert!(all.iter().any(|field| field.path == path), "{path}");
        }
        for Field { path, .. } in &all {
            let section = path.split('.').next().unwrap();
            assert!(ORDER.contains(&section), "{section} has no place");
        }
        let field = |path: &str| all.iter().find(|field| field.path == path).unwrap();
        assert!(field("name").is_text && field("name").is_required);
        assert!(
            field("train.optimizer.name")
                .words
                .contains(&"adam".to_owned())
        );
        assert!(field("model.backbone").is_required);
        // A probe has no `train`.
        assert!(!field("train.optimizer.learning_rate").is_required);
        assert!(
            !field("train.early_stopping.patience").is_required && !field("input.resize").is_text
        );
        assert!(
            field("model.freeze").words == ["none", "backbone"] && !field("model.freeze").is_text
        );
        assert!(field("dataset.path").is_text && field("init.from").is_text);
    }
}
