//! A run's best checkpoint with all that is needed to use its model.

use std::path::Path;

use anyhow::{Context, Result};
use warmstart_runs::checkpoint::{self, Content};
use warmstart_runs::run::{RunDir, RunInfo};
use warmstart_runs::storage::Disk;
use warmstart_schema::experiment::{self, Experiment};
use warmstart_schema::preparation::Preparation;

use crate::failure::UserError;

/// The best checkpoint of a run (the newest, if none is named best yet), with the run's experiment and classes.
#[derive(Debug)]
pub struct BestCheckpoint {
    pub info: RunInfo,
    pub experiment: Experiment,
    /// The classes' names, in the order of the outputs.
    pub classes: Vec<String>,
    pub content: Content,
}

impl BestCheckpoint {
    /// How the run preprocessed its images; use the same for new ones.
    pub fn preparation(&self) -> Preparation {
        self.content
            .state
            .preparation
            .clone()
            .unwrap_or_else(|| Preparation::earlier(&self.experiment))
    }

    /// Loads it from the run folder `folder`. Fails if the run has saved no checkpoint.
    pub fn load(folder: &Path) -> Result<Self> {
        let run = RunDir::new(folder);
        let info = run
            .info()
            .with_context(|| format!("reading {}", folder.join("run.json").display()))?;
        let experiment = experiment::load_frozen(&run.experiment_yaml()).map_err(|problems| {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            UserError::input(
                texts.join("\n"),
                "restore experiment.yaml; if another version of warmstart made the run, use that version",
            )
        })?;
        let Some(content) = checkpoint::best(&Disk, &run).map_err(unusable)? else {
            return Err(UserError::input(
                format!("run {} has no checkpoint yet", info.id),
                "let it train for an epoch",
            ));
        };
        let classes = class_names(&run, &experiment)?;
        Ok(Self {
            info,
            experiment,
            classes,
            content,
        })
    }
}

/// The error for the user. [`UserError::of`] would say to resume the run, which helps neither an export nor a prediction.
fn unusable(error: checkpoint::Error) -> anyhow::Error {
    match error {
        checkpoint::Error::Damaged { .. }
        | checkpoint::Error::NoneReadable { .. }
        | checkpoint::Error::Missing { .. } => UserError::input(
            error.to_string(),
            "restore ckpt from a copy of the run folder",
        ),
        other => other.into(),
    }
}

/// The names in labels.json. Runs of earlier versions have none and get `class 0`, `class 1`, ….
fn class_names(run: &RunDir, experiment: &Experiment) -> Result<Vec<String>> {
    if let Some(labels) = run
        .labels()
        .with_context(|| format!("reading {}", run.path().join("labels.json").display()))?
    {
        return Ok(labels.names);
    }
    let classes = experiment.classes().ok_or_else(|| {
        UserError::input(
            "the run has no labels.json, which names its classes",
            "restore labels.json from a copy of the run folder",
        )
    })?;
    Ok((0..classes).map(|class| format!("class {class}")).collect())
}
