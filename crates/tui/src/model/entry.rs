//! A row of the experiments screen, and what the model knows of the experiment files.

use std::path::PathBuf;

use warmstart_runs::run::RunId;
use warmstart_runs::search_paths::MissingFile;
use warmstart_schema::architecture::ModelCounts;
use warmstart_schema::experiment::{Experiment, Problem};
use warmstart_schema::state::Status;
use warmstart_schema::text;

use super::Model;
use crate::message::Catalogue;
use warmstart_report::field::Subject;
use warmstart_report::group::Summary;
use warmstart_runs::params::counts;
use warmstart_runs::store::{ExperimentFile, Run, group_names};

/// The group of runs whose experiment file is not in the folder.
pub(super) const WITHOUT_FILE: &str = "runs without an experiment file";

/// Identifies a row, wherever it is in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    File(PathBuf),
    Run(RunId),
}

/// The kind of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An experiment with its newest run.
    Experiment,
    /// A run below its experiment.
    RunBelow,
    /// A run in the list of all runs.
    Run,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry<'a> {
    /// The title above the row: the `group` of its file, or one of the list's own.
    pub group: &'a str,
    pub kind: Kind,
    pub file: Option<&'a ExperimentFile>,
    /// The run, or the experiment's newest visible run.
    pub run: Option<&'a Run>,
    /// The means over all runs of a file with `seeds` or `grid`, where the row shows them instead of one run's figures.
    pub members: Option<&'a Summary>,
}

impl<'a> Entry<'a> {
    pub(crate) fn place(&self) -> Option<Place> {
        let run = || self.run.map(|run| Place::Run(run.id.clone()));
        let file = self.file.filter(|_| self.kind == Kind::Experiment);
        file.map(|file| Place::File(file.path.clone())).or_else(run)
    }

    pub(crate) fn label(&self) -> &'a str {
        match (self.file, self.run) {
            (Some(file), _) => file.label(),
            (None, Some(run)) => run.label(),
            (None, None) => "",
        }
    }

    /// The mistakes in the file, where the row is the file's own.
    pub(crate) fn problems(&self) -> Option<&'a [Problem]> {
        let file = self.file.filter(|_| self.kind == Kind::Experiment)?;
        file.loaded.as_ref().err().map(Vec::as_slice)
    }

    /// For the row of an experiment, what its file has; for that of a run, what the run was launched with. If that cannot be read,
    /// the other.
    pub(crate) fn experiment(&self) -> Option<&'a Experiment> {
        let of_file = self.file.and_then(|file| file.loaded.as_ref().ok());
        let of_run = self.run.and_then(|run| run.experiment.as_deref());
        if self.kind == Kind::Experiment {
            of_file.or(of_run)
        } else {
            of_run.or(of_file)
        }
    }

    /// What its columns show.
    pub(crate) fn subject(&self) -> Subject<'a> {
        Subject {
            experiment: self.experiment(),
            members: self.members,
            ..Subject::new(self.file, self.run, self.group)
        }
    }

    pub(crate) fn status(&self) -> Option<Status> {
        let of_group = self.members.and_then(|members| members.status);
        of_group.or_else(|| self.run.map(Run::status))
    }

    /// Parameter counts: from the run, or computed from the experiment.
    pub(crate) fn counts(&self) -> Option<ModelCounts> {
        let measured = self
            .run
            .and_then(|run| run.state.model.as_ref())
            .map(|model| model.counts.clone());
        measured.or_else(|| self.experiment().and_then(counts))
    }
}

impl Model {
    /// Applies a new catalogue and assigns each file to a group.
    pub(crate) fn apply_catalogue(&mut self, mut catalogue: Catalogue) {
        // These contain paths, so sanitize them.
        for lack in catalogue.missing.values_mut().flatten() {
            lack.text = text::line(&lack.text, 500);
        }
        self.groups = group_names(&catalogue.files)
            .into_iter()
            .map(|group| group.unwrap_or("experiments").to_owned())
            .collect();
        self.catalogue_revision += 1;
        self.runs.set_files(&catalogue.files);
        self.catalogue = Some(catalogue);
    }

    /// The experiment files; none before they are read.
    pub(crate) fn files(&self) -> &[ExperimentFile] {
        self.catalogue
            .as_ref()
            .map_or(&[], |catalogue| &catalogue.files)
    }

    /// Whether an experiment has a run, archived or not.
    pub(crate) fn has_run(&self, file: &ExperimentFile) -> bool {
        self.runs.latest_of(&file.experiment_key()).is_some()
    }

    /// Data and weights of an experiment that are missing on this machine.
    pub(crate) fn missing(&self, file: &ExperimentFile) -> &[MissingFile] {
        self.catalogue
            .as_ref()
            .and_then(|catalogue| catalogue.missing.get(&file.path))
            .map_or(&[], Vec::as_slice)
    }

    /// The missing files that a run cannot download itself.
    pub(crate) fn obstacles(&self, file: &ExperimentFile) -> Vec<&str> {
        let lacks = self.missing(file).iter().filter(|lack| !lack.is_fetched);
        lacks.map(|lack| lack.text.as_str()).collect()
    }
}
