//! Writes a proposal into a new experiment file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use warmstart_schema::experiment;
use warmstart_schema::text;

use super::yaml;
use crate::failure::{Failure, Kind};
use crate::pictures::{Facts, Unusable};
use crate::storage;

/// A new experiment file, and what it was made from.
#[derive(Debug)]
pub struct Written {
    pub file: PathBuf,
    pub facts: Facts,
}

/// The folder for a new experiment: that of the experiments, or `experiments` in `otherwise` if an installation brought them, because
/// an upgrade replaces those.
pub fn folder(experiments: &Path, otherwise: &Path) -> PathBuf {
    if experiments.ends_with("share/warmstart/experiments") {
        otherwise.join("experiments")
    } else {
        experiments.to_path_buf()
    }
}

/// Writes a first experiment for the folder of pictures `data` into `file`, by default a file of `folder` with the name of `data`.
/// Overwrites nothing.
pub fn write(data: &Path, file: Option<&Path>, folder: &Path) -> Result<Written, Failure> {
    // The user names a folder, and no field of an experiment.
    let unusable = |Unusable { error, help }: Unusable| {
        let help = help.replace("dataset.path must name", "name");
        Failure::new(Kind::NotFound, error).help(help.replace("try dataset.path:", "try"))
    };
    let facts = Facts::of(data).map_err(unusable)?;
    let name = folder_name(data);
    let file = file.map_or_else(
        || folder.join(format!("{}.yaml", stem(&name))),
        Path::to_path_buf,
    );
    let yaml = yaml(&scalar(&name), &scalar(path_text(data)?), &facts);
    experiment::parse(&yaml, &shown(&file)).map_err(|problems| {
        let first = problems.into_iter().next();
        let what = first.map_or_else(String::new, |problem| problem.message);
        Failure::new(
            Kind::Input,
            format!("no valid experiment can be written for this folder: {what}"),
        )
    })?;
    create(&file, &yaml)?;
    Ok(Written { file, facts })
}

fn shown(path: &Path) -> String {
    text::line(&path.display().to_string(), 300)
}

/// The last part of the folder's whole path.
fn folder_name(data: &Path) -> String {
    let whole = data.canonicalize().unwrap_or_else(|_| data.to_path_buf());
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    let name = text::line(&name, 80);
    if name.is_empty() {
        "Pictures".to_owned()
    } else {
        name
    }
}

/// The name of a file for an experiment of this name, without `.yaml`. It is not hidden, as an experiment must be seen.
fn stem(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let stem: String = name.chars().map(plain).collect();
    let stem = stem.trim_start_matches(['.', '-']);
    let visible = if stem.is_empty() { "pictures" } else { stem };
    visible.to_owned()
}

/// The path as the experiment names it.
fn path_text(data: &Path) -> Result<&str, Failure> {
    data.to_str().ok_or_else(|| {
        Failure::new(
            Kind::Input,
            format!(
                "the path {} is not text, so no file can name it",
                shown(data)
            ),
        )
        .help("rename the folder, or name a link to it")
    })
}

/// A text as a YAML scalar within a mapping in braces.
fn scalar(text: &str) -> String {
    let is_plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/_-.".contains(c));
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_other = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    if is_plain && is_word && !is_other {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// A text in quotes. JSON's escapes are YAML's. Beyond them, this escapes control characters, which an experiment may not hold,
/// and others that YAML's parser refuses or takes for the end of a line.
fn quoted(text: &str) -> String {
    const ODD: [char; 5] = ['\u{2028}', '\u{2029}', '\u{feff}', '\u{fffe}', '\u{ffff}'];
    let json = serde_json::Value::from(text).to_string();
    let mut quoted = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() || ODD.contains(&c) {
            // Writing into a text cannot fail.
            let _ = write!(quoted, "\\u{:04X}", u32::from(c));
        } else {
            quoted.push(c);
        }
    }
    quoted
}

fn create(file: &Path, yaml: &str) -> Result<(), Failure> {
    // An empty path is the current folder.
    let folder = file.parent().unwrap_or(Path::new(""));
    let created = std::fs::create_dir_all(folder);
    let written = created.and_then(|()| storage::create(file, yaml.as_bytes()));
    written.map_err(|error| {
        if file.symlink_metadata().is_ok() {
            let what = format!(
                "{} is there already, and nothing is overwritten",
                shown(file)
            );
            return Failure::new(Kind::Input, what).help("name another file");
        }
        let what = format!("the experiment cannot be written: {error}: {}", shown(file));
        Failure::new(Kind::Disk, what).help("name a file in a folder that you may write to")
    })
}
