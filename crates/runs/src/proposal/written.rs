//! Writes a proposal into a new experiment file.

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

/// Writes a first experiment for the folder of pictures `data` into `file`, by default `folder` with the name of `data`. Nothing is
/// overwritten.
pub fn write(data: &Path, file: Option<&Path>, folder: &Path) -> Result<Written, Failure> {
    let unusable = |Unusable { error, help }: Unusable| {
        Failure::new(Kind::NotFound, error).help(help.replace("dataset.path must name", "name"))
    };
    let facts = Facts::of(data).map_err(unusable)?;
    if facts.classes.len() < 2 {
        let what = format!(
            "there is one class in {}, expected two or more",
            shown(data)
        );
        let help = "put the pictures of each class into a folder of their own";
        return Err(Failure::new(Kind::Input, what).help(help));
    }
    let name = folder_name(data);
    let file = file.map_or_else(
        || {
            let stem: String = name.chars().map(plain).collect();
            folder.join(format!("{}.yaml", stem.trim_start_matches(['.', '-'])))
        },
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

/// For a file's name.
fn plain(c: char) -> char {
    if c.is_ascii_alphanumeric() || "._-".contains(c) {
        c
    } else {
        '_'
    }
}

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
        // JSON's texts are YAML's.
        serde_json::Value::from(text).to_string()
    }
}

fn create(file: &Path, yaml: &str) -> Result<(), Failure> {
    if file.symlink_metadata().is_ok() {
        let what = format!(
            "{} is there already, and nothing is overwritten",
            shown(file)
        );
        return Err(Failure::new(Kind::Input, what).help("name another file"));
    }
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| storage::create(file, yaml.as_bytes()))
        .map_err(|error| {
            let what = format!("the experiment cannot be written: {error}: {}", shown(file));
            Failure::new(Kind::Disk, what).help("name a file in a folder that you may write to")
        })
}
