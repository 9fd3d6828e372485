//! `warmstart export`

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;
use warmstart_runs::run::RunDir;
use warmstart_schema::event;
use warmstart_schema::exported::{Answer, Exported};

use super::{Context, Exit, output, shown};
use warmstart_report::compare::thousands;
use warmstart_runs::failure::Kind;
use warmstart_runs::names;
use warmstart_runs::worker::{Worker, refused};

/// Write a run's best checkpoint as a safetensors file that timm loads by name, with class names and timm's configuration
/// beside it
///
/// Prints the lines of Python that load it; the file carries them too, with backbone, normalization, size and head.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Id or experiment of a run
    run: String,
    /// File or folder to write [default: EXPERIMENT-RUN.safetensors, here]; nothing is overwritten
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn export(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (_, runs) = context.runs();
    let run = names::run(&runs, &arguments.run)?;
    let folder = RunDir::of(&context.checkpoints, &run.id);
    let question = [OsStr::new("export"), folder.path().as_os_str()];
    let question = question
        .into_iter()
        .chain(arguments.output.as_deref().map(Path::as_os_str));
    let exported: Exported = match Worker::find()?.ask(question)? {
        Answer::Exported(exported) => exported,
        Answer::Refused { kind, error, help } => {
            let kind = if kind == event::FailureKind::Disk {
                Kind::Disk
            } else {
                Kind::Input
            };
            return Err(refused(kind, &error, &help).into());
        }
    };
    if context.json {
        output::answer_json(&exported)?;
        return Ok(Exit::Done);
    }
    let Exported {
        run,
        epoch,
        file,
        labels,
        config,
        bytes,
        load,
        ..
    } = exported;
    let beside: Vec<String> = std::iter::once(labels)
        .chain(config)
        .map(|path| shown(&path))
        .collect();
    output::note(
        context,
        &format!(
            "run {run}, epoch {epoch}: {} ({} bytes), {}",
            shown(&file),
            thousands(bytes),
            beside.join(", ")
        ),
    );
    output::answer(&load)?;
    Ok(Exit::Done)
}
