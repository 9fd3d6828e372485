//! `warmstart predict`

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use warmstart_schema::prediction::{Answer, ClassProbability, Predicted};
use warmstart_schema::run::RunDir;
use warmstart_schema::text;

use super::{Context, Exit, names, output};
use crate::actions;
use crate::failure::{Failure, Kind};

/// Say what a run's best checkpoint sees in pictures: the five most probable classes of each
///
/// A picture that cannot be read is named, hides no other, and makes the exit code 2.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Id or experiment of a run
    run: String,
    /// Picture files: PNG, JPEG or WebP of any size
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
}

pub fn predict(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (_, runs) = context.runs();
    let run = names::run(&runs, &arguments.run)?;
    let predictions = match ask(RunDir::of(&context.checkpoints, &run.id).path(), &arguments.images)? {
        Answer::Predictions(predictions) => predictions,
        Answer::Refused { error, help } => {
            return Err(Failure::new(Kind::Input, text::line(&error, 2000)).help(text::line(&help, 500)).into());
        }
    };
    if context.json {
        output::answer_json(&predictions)?;
    } else {
        output::answer(&predictions.images.iter().filter_map(lines).collect::<String>())?;
        for Predicted { image, error, .. } in &predictions.images {
            if let Some(error) = error {
                output::error(context, &format!("{image}: {error}"));
            }
        }
    }
    let failed = predictions.images.iter().any(|image| image.error.is_some());
    Ok(if failed { Exit::Input } else { Exit::Done })
}

/// Has the training program look at them.
fn ask(run: &Path, images: &[PathBuf]) -> anyhow::Result<Answer> {
    let worker = actions::worker()?;
    let lacks = |found: String| {
        Failure::new(Kind::Worker, format!("{}: {found}", worker.display())).help("`warmstart doctor` says more")
    };
    let output = Command::new(&worker).arg("predict").arg(run).args(images).output();
    let output = output.map_err(|error| lacks(format!("does not start: {error}")))?;
    Ok(serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = text::line(&String::from_utf8_lossy(&output.stderr), 500);
        lacks(format!("gives no answer ({}): {said}", output.status))
    })?)
}

/// A picture and its classes; nothing of one that could not be read.
fn lines(predicted: &Predicted) -> Option<String> {
    let class = |(rank, class): (usize, &ClassProbability)| {
        format!("  {rank}  {:>6.2} %  {}\n", class.probability * 100.0, class.name)
    };
    let classes: Vec<String> = (1..).zip(&predicted.classes).map(class).collect();
    predicted.error.is_none().then(|| format!("{}\n{}", predicted.image, classes.concat()))
}
