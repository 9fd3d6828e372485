//! `warmstart predict`

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::Args;
use warmstart_runs::run::RunDir;
use warmstart_schema::prediction::{Answer, ClassProbability, Predicted};
use warmstart_schema::text;

use super::{Context, Exit, output};
use warmstart_runs::failure::Kind;
use warmstart_runs::names;
use warmstart_runs::worker::{Worker, refused};

/// Say what a run's best checkpoint sees in pictures: the five most probable classes of each
///
/// A picture that cannot be read is named, hides no other, and makes the exit code 2.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Id or experiment of a run
    run: String,
    /// Picture files: PNG, JPEG, WebP, BMP, TIFF, GIF or PNM
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
}

pub(super) fn predict(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let (_, runs) = context.runs();
    let run = names::run(&runs, &arguments.run)?;
    let folder = RunDir::of(&context.checkpoints, &run.id);
    let question = [OsStr::new("predict"), folder.path().as_os_str()];
    let predictions = match Worker::find()?.ask(
        question
            .into_iter()
            .chain(arguments.images.iter().map(|image| image.as_os_str())),
    )? {
        Answer::Predictions(predictions) => predictions,
        Answer::Refused { error, help } => return Err(refused(Kind::Input, &error, &help).into()),
    };
    if context.json {
        output::answer_json(&predictions)?;
    } else {
        output::answer(
            &predictions
                .images
                .iter()
                .filter_map(lines)
                .collect::<String>(),
        )?;
        for Predicted { image, error, .. } in &predictions.images {
            if let Some(error) = error {
                output::error(context, &format!("{}: {error}", text::line(image, 300)));
            }
        }
    }
    let failed = predictions.images.iter().any(|image| image.error.is_some());
    Ok(if failed { Exit::Input } else { Exit::Done })
}

/// A picture and its classes; none if it could not be read.
fn lines(predicted: &Predicted) -> Option<String> {
    let class = |(rank, class): (usize, &ClassProbability)| {
        format!(
            "  {rank}  {:>6.2} %  {}\n",
            class.probability * 100.0,
            class.shown()
        )
    };
    let classes: Vec<String> = (1..).zip(&predicted.classes).map(class).collect();
    predicted.error.is_none().then(|| {
        format!(
            "{}\n{}",
            text::line(&predicted.image, 300),
            classes.concat()
        )
    })
}
