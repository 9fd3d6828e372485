//! `warmstart new`

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use warmstart_runs::{proposal, shell};

use super::{Context, Exit, output, shown};

/// Write a good first experiment for a folder of pictures, with the reasons for each choice as comments
///
/// Backbone, size, schedule and the treatment of uneven classes follow from the number of classes and pictures and from their sizes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of pictures, one folder for each class
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// File to write [default: DIR.yaml in the folder of experiments]; nothing is overwritten
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    file: Cow<'a, str>,
    classes: usize,
    images: usize,
    shorter_side: Option<u32>,
}

pub(super) fn new(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let folder = proposal::folder(&context.experiments, Path::new(""));
    let written = proposal::write(&arguments.data, arguments.file.as_deref(), &folder)?;
    let proposal::Written { file, facts } = &written;
    if context.json {
        output::answer_json(&Answer {
            file: output::json_path(file),
            classes: facts.classes.len(),
            images: facts.images(),
            shorter_side: facts.shorter_side,
        })?;
        return Ok(Exit::Done);
    }
    let path = shown(file);
    output::answer(&format!("{path}\n"))?;
    let word = shell::word(&path);
    output::note(
        context,
        &format!("read it, then `warmstart check {word}` and `warmstart train {word}`"),
    );
    Ok(Exit::Done)
}
