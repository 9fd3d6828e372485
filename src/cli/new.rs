//! `warmstart new`

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use warmstart_schema::experiment;
use warmstart_schema::text;

use super::output::Problems;
use super::{Context, Exit, output, shown};
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::pictures::{Facts, Unusable};
use warmstart_runs::{proposal, storage};

/// Write a good first experiment for a folder of pictures, with the reasons for each choice as comments
///
/// Backbone, size, schedule and the treatment of uneven classes follow from the number of classes and pictures and from their sizes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of pictures, one folder for each class
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// File to write [default: experiments/DIR.yaml]; nothing is overwritten
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    file: &'a Path,
    classes: usize,
    images: usize,
    shorter_side: Option<u32>,
}

pub(super) fn new(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let data = &arguments.data;
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
        return Err(Failure::new(Kind::Input, what).help(help).into());
    }
    let name = folder_name(data);
    let file = arguments.file.clone().unwrap_or_else(|| {
        let stem: String = name.chars().map(plain).collect();
        PathBuf::from("experiments").join(format!("{}.yaml", stem.trim_start_matches(['.', '-'])))
    });
    let yaml = proposal::yaml(&scalar(&name)?, &scalar(&path_text(data)?)?, &facts);
    experiment::parse(&yaml, &shown(&file)).map_err(Problems)?;
    write(&file, &yaml)?;
    if context.json {
        output::answer_json(&Answer {
            file: &file,
            classes: facts.classes.len(),
            images: facts.images(),
            shorter_side: facts.shorter_side,
        })?;
        return Ok(Exit::Done);
    }
    let path = shown(&file);
    output::answer(&format!("{path}\n"))?;
    output::note(
        context,
        &format!("read it, then `warmstart check {path}` and `warmstart train {path}`"),
    );
    Ok(Exit::Done)
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

fn path_text(data: &Path) -> Result<String, Failure> {
    let text = data.to_str().map(str::to_owned);
    text.ok_or_else(|| {
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
fn scalar(text: &str) -> Result<String, serde_json::Error> {
    let is_plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/_-.".contains(c));
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let is_other = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    if is_plain && is_word && !is_other {
        Ok(text.to_owned())
    } else {
        // JSON's texts are YAML's.
        serde_json::to_string(text)
    }
}

fn write(file: &Path, yaml: &str) -> Result<(), Failure> {
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
