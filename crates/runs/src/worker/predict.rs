//! Classifies an image with a run's best checkpoint.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use warmstart_schema::look::Split;
use warmstart_schema::prediction::{Answer, Predictions};

use super::{Worker, refused};
use crate::failure::{Failure, Kind};

/// The image to classify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An image file.
    Shown(PathBuf),
    /// An image of the run's own dataset, by its number.
    OfDataset { part: Split, number: u32 },
}

/// Classifies an image with the best checkpoint of the run in the folder `run`. The answer contains the pixels that the model
/// saw.
pub fn predict(run: &Path, subject: &Subject) -> Result<Predictions, Failure> {
    let (form, rest) = match subject {
        Subject::Shown(file) => ("--pixels", vec![file.clone().into_os_string()]),
        Subject::OfDataset { part, number } => {
            let number = OsString::from(number.to_string());
            ("--of-dataset", vec![part.as_str().into(), number])
        }
    };
    let arguments = [OsStr::new("predict"), OsStr::new(form), run.as_os_str()];
    let rest = rest.iter().map(OsString::as_os_str);
    match Worker::find()?.ask(arguments.into_iter().chain(rest))? {
        Answer::Predictions(predictions) => Ok(predictions),
        Answer::Refused { error, help } => Err(refused(Kind::Input, &error, &help)),
    }
}
