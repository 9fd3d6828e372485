//! Changes of single fields in a YAML document: by `--set`, and by the grid for each of its runs.

use serde_yaml::{Mapping, Value};

use super::explain::untyped;
use super::problem::Problem;

/// The YAML document of a file. Refuses keys that appear twice where the typed parse does not look.
pub(super) fn document(source: &str, file: &str) -> Result<Value, Vec<Problem>> {
    serde_yaml::from_str(source).map_err(|error| vec![untyped(&error, source, file)])
}

/// Applies changes as `--set` gives them: `field.path=value`.
pub(super) fn apply(document: &mut Value, overrides: &[String]) -> Result<(), Vec<Problem>> {
    overrides.iter().try_for_each(|change| {
        set(document, change)
            .map_err(|message| vec![Problem::new(&format!("--set {change}"), message)])
    })
}

/// The name of a file in problems of what `--set` made of it.
pub(super) fn with_changes(file: &str, overrides: &[String]) -> String {
    if overrides.is_empty() {
        return file.to_owned();
    }
    format!("{file} with --set {}", overrides.join(" --set "))
}

/// The field that a `--set` changes.
pub(super) fn changed_field(change: &str) -> &str {
    change.split_once('=').map_or(change, |(field, _)| field)
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
pub(super) fn put(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let mut place = document;
    for key in path.split('.') {
        if place.is_null() {
            *place = Value::Mapping(Mapping::new());
        }
        let mapping = place
            .as_mapping_mut()
            .ok_or_else(|| format!("`{key}` lies below a field that is no mapping"))?;
        place = mapping.entry(key.into()).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

/// The document without these fields of its top.
pub(super) fn without(mut document: Value, fields: &[&str]) -> Value {
    if let Some(mapping) = document.as_mapping_mut() {
        for field in fields {
            mapping.remove(*field);
        }
    }
    document
}
