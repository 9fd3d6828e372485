//! The rows of the experiments screen: every file with its newest run, and runs whose file is gone.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use warmstart_schema::architecture::ModelCounts;
use warmstart_schema::catalog::Lack;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::run::RunId;
use warmstart_schema::state::Status;

use super::{Model, Screen};
use crate::params::counts;
use crate::query::Subject;
use crate::store::{ExperimentFile, Run};

/// The group of runs whose experiment file is not in the folder.
const WITHOUT_FILE: &str = "runs without an experiment file";

/// What a row is, whatever its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    Run(RunId),
}

/// A row.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    pub group: &'a str,
    pub file: Option<&'a ExperimentFile>,
    /// Its newest run.
    pub run: Option<&'a Run>,
}

impl<'a> Entry<'a> {
    pub fn place(&self) -> Option<Place> {
        let run = || self.run.map(|run| Place::Run(run.id.clone()));
        self.file.map(|file| Place::File(file.path.clone())).or_else(run)
    }

    pub fn label(&self) -> &'a str {
        match (self.file, self.run) {
            (Some(file), _) => file.label(),
            (None, Some(run)) => run.label(),
            (None, None) => "",
        }
    }

    /// The experiment as its file says it now, or as it was when its run began.
    pub fn experiment(&self) -> Option<&'a Experiment> {
        let of_file = self.file.and_then(|file| file.loaded.as_ref().ok());
        of_file.or_else(|| self.run.and_then(|run| run.experiment.as_ref()))
    }

    /// What a filter is asked of.
    pub fn subject(&self) -> Subject<'a> {
        Subject { file: self.file, run: self.run, group: self.group }
    }

    pub fn status(&self) -> Option<Status> {
        self.run.map(Run::status)
    }

    /// Parameter counts: measured by the run, or known from the experiment alone.
    pub fn counts(&self) -> Option<ModelCounts> {
        let measured = self.run.and_then(|run| run.state.model.as_ref()).map(|model| model.counts.clone());
        measured.or_else(|| self.experiment().and_then(counts))
    }
}

impl Model {
    /// Every experiment file in its order, then runs whose file is gone.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let files = self.catalogue.as_ref().map_or(&[][..], |catalogue| &catalogue.files);
        let groups: HashMap<_, &str> = files
            .iter()
            .filter_map(|file| Some((file.path.parent(), file.loaded.as_ref().ok()?.group.as_str())))
            .collect();
        let mut entries: Vec<Entry> = files
            .iter()
            .map(|file| {
                // A broken file stands with its neighbours.
                let own = file.loaded.as_ref().ok().map(|experiment| experiment.group.as_str());
                let group = own.or_else(|| groups.get(&file.path.parent()).copied()).unwrap_or("experiments");
                Entry { group, file: Some(file), run: self.runs.latest_of(&file.stem) }
            })
            .collect();
        if self.catalogue.is_some() {
            let stems: HashSet<&str> = files.iter().map(|file| file.stem.as_str()).collect();
            let gone = self.runs.latest().filter(|run| run.stem().is_none_or(|stem| !stems.contains(stem)));
            let mut gone: Vec<&Run> = gone.collect();
            gone.sort_unstable_by(|a, b| b.id.cmp(&a.id));
            entries.extend(gone.into_iter().map(|run| Entry { group: WITHOUT_FILE, file: None, run: Some(run) }));
        }
        entries
    }

    /// The rows that the filter lets through.
    pub fn shown_entries(&self) -> Vec<Entry<'_>> {
        let mut entries = self.entries();
        if let Screen::Experiments(list) = &self.open {
            entries.retain(|entry| list.filter.matches(&entry.subject()));
        }
        entries
    }

    pub fn selected_entry(&self) -> Option<Entry<'_>> {
        let Screen::Experiments(list) = &self.open else { return None };
        let mut entries = self.shown_entries();
        let index = list.selection.index(&places(&entries))?;
        Some(entries.swap_remove(index))
    }

    /// What this machine lacks for an experiment.
    pub fn missing(&self, file: &ExperimentFile) -> &[Lack] {
        self.catalogue.as_ref().and_then(|catalogue| catalogue.missing.get(&file.path)).map_or(&[], Vec::as_slice)
    }

    /// What of it a run cannot fetch by itself.
    pub fn obstacles(&self, file: &ExperimentFile) -> Vec<&str> {
        let lacks = self.missing(file).iter().filter(|lack| !lack.is_fetched);
        lacks.map(|lack| lack.text.as_str()).collect()
    }
}

pub fn places(entries: &[Entry]) -> Vec<Place> {
    entries.iter().filter_map(Entry::place).collect()
}
