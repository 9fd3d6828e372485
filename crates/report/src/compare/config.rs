//! An experiment as a flat list of fields, and the fields in which two of them differ.

use std::collections::BTreeSet;

use serde_yaml::Value as Yaml;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::text;

/// Longer than any path.
const MAX_CHARS: usize = 4096;

/// The experiment's fields by their paths, in the order of the file, without those that only describe it.
pub fn fields(experiment: &Experiment) -> Vec<(String, String)> {
    // An experiment is plain data: it cannot fail to serialize.
    let yaml = serde_yaml::to_value(experiment).unwrap_or_default();
    let mut fields = Vec::new();
    flatten("", &yaml, &mut fields);
    fields.retain(|(path, _)| {
        !["name", "group", "question"].contains(&path.as_str()) && !path.starts_with("reference.")
    });
    fields
}

fn flatten(path: &str, yaml: &Yaml, fields: &mut Vec<(String, String)>) {
    match yaml {
        Yaml::Mapping(map) => {
            for (key, value) in map
                .iter()
                .filter_map(|(key, value)| Some((key.as_str()?, value)))
            {
                let path = if path.is_empty() {
                    key.to_owned()
                } else {
                    format!("{path}.{key}")
                };
                flatten(&path, value, fields);
            }
        }
        Yaml::Bool(value) => fields.push((path.to_owned(), value.to_string())),
        Yaml::Number(value) => fields.push((path.to_owned(), value.to_string())),
        Yaml::String(text) => fields.push((path.to_owned(), printable(text))),
        Yaml::Sequence(list) if !list.is_empty() => {
            // JSON keeps a list on one line.
            let text = serde_json::to_string(list).unwrap_or_default();
            fields.push((path.to_owned(), printable(&text)));
        }
        // An experiment has no tags.
        Yaml::Null | Yaml::Sequence(_) | Yaml::Tagged(_) => {}
    }
}

/// A text as it is, or with its unusual characters escaped: terminals obey some of them. Texts that differ still do so afterwards.
fn printable(text: &str) -> String {
    if text::line(text, MAX_CHARS) == text {
        text.to_owned()
    } else {
        text.escape_default().to_string()
    }
}

/// The paths whose values differ between these, in the order of the file. An omitted field differs.
pub fn differing(all: &[&[(String, String)]]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let paths = all
        .iter()
        .flat_map(|fields| fields.iter().map(|(path, _)| path));
    let paths: Vec<&String> = paths.filter(|path| seen.insert(*path)).collect();
    let mut differing: Vec<&String> = paths
        .into_iter()
        .filter(|path| {
            let mut values = all.iter().map(|fields| value(fields, path));
            let first = values.next();
            values.any(|value| Some(value) != first)
        })
        .collect();
    // Insert a field that only a later one has after those of its section.
    let section = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
    let order: Vec<String> = differing.iter().map(|path| section(path)).collect();
    differing.sort_by_key(|path| order.iter().position(|other| *other == section(path)));
    differing.into_iter().cloned().collect()
}

/// The value of the field at this path.
pub fn value<'a>(fields: &'a [(String, String)], path: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(other, _)| other == path)
        .map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use warmstart_schema::experiment::parse;

    use super::*;

    #[test]
    fn lists_are_fields_and_differ() {
        let with = |progressive: &str| {
            let yaml = format!(
                "name: x\ndataset: {{ name: emoji98 }}\ninput: {{ resize: 64{progressive} }}\nmodel: {{ backbone: resnet18 }}\n\
                 train: {{ epochs: 3, batch_size: 32, optimizer: {{ name: adam, learning_rate: 0.1 }} }}\n"
            );
            fields(&parse(&yaml, "x").unwrap())
        };
        let (plain, grows) = (
            with(""),
            with(", progressive: [{ until_epoch: 1, resize: 48 }]"),
        );
        assert_eq!(differing(&[&plain, &grows]), ["input.progressive"]);
        assert_eq!(
            value(&grows, "input.progressive"),
            Some("[{\"until_epoch\":1,\"resize\":48}]")
        );
        assert!(differing(&[&grows, &grows]).is_empty());
    }

    #[test]
    fn values_hold_no_characters_that_a_terminal_obeys() {
        let with = |path: &str| {
            let yaml = format!(
                "name: x\ndataset: {{ name: image_folder, path: {path} }}\nmodel: {{ backbone: resnet18 }}\n\
                 train: {{ epochs: 3, batch_size: 32, optimizer: {{ name: adam, learning_rate: 0.1 }} }}\n"
            );
            fields(&parse(&yaml, "x").unwrap())
        };
        let plain = with("pictures/Büro");
        assert_eq!(value(&plain, "dataset.path"), Some("pictures/Büro"));
        for path in [r#""pictures\e[2J/Büro""#, r#""pictures\u202E/Büro""#] {
            let odd = with(path);
            let shown = value(&odd, "dataset.path").unwrap();
            assert_eq!(text::line(shown, MAX_CHARS), shown, "{path}");
            assert_eq!(differing(&[&plain, &odd]), ["dataset.path"], "{path}");
        }
    }
}
