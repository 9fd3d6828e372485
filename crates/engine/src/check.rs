//! `warmstart-worker check`: what a launch would find out about experiments, without launching them.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use tch::Device;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::experiment::{self, DatasetKind, Experiment};
use warmstart_schema::finding::{Checked, Counts, Finding};
use warmstart_schema::look::Split;

use crate::data::{self, Splits};
use crate::failure::UserError;
use crate::initial::{self, Verdict};
use crate::unsupported;

/// Says of each experiment file what a launch would meet, a JSON line each.
pub fn serve(files: &[&Path], mut answers: impl Write) -> Result<()> {
    for file in files {
        let checked = match experiment::load(file, &[]) {
            Ok(experiment) => check(&experiment, &SearchPaths::from_env()),
            // `warmstart check` asks about files that it could read, so this one has changed since.
            Err(problems) => Checked {
                findings: problems
                    .iter()
                    .map(|problem| Finding::error("", problem.to_string(), ""))
                    .collect(),
                pictures: None,
            },
        };
        let line = serde_json::to_string(&checked)? + "\n";
        answers
            .write_all(line.as_bytes())
            .and_then(|()| answers.flush())
            .context("answering")?;
    }
    Ok(())
}

/// What is wrong with the data and the weights of an experiment; errors first.
pub fn check(experiment: &Experiment, places: &SearchPaths) -> Checked {
    let (mut findings, pictures) = dataset(experiment, places);
    findings.extend(weights(experiment, places));
    findings.sort_by_key(|finding| finding.severity);
    Checked { findings, pictures }
}

/// Reads every image, as a launch does. Says nothing of data that is not on this machine: `warmstart check` does.
fn dataset(experiment: &Experiment, places: &SearchPaths) -> (Vec<Finding>, Option<Counts>) {
    let wanted = &experiment.dataset;
    let field = match &wanted.kind {
        DatasetKind::ImageFolder(_) => "dataset.path",
        DatasetKind::Emoji98 { .. } => "dataset",
        DatasetKind::Cifar100 { path, .. } | DatasetKind::Cifar10 { path } => {
            let (name, path) = (wanted.name(), path.as_deref());
            if places.find_dataset(name, path).is_err() {
                let refused = path.and_then(|path| unsupported::unsupported_version(name, path));
                let findings = refused.map(|error| {
                    let UserError { error, help, .. } = UserError::of(&error);
                    Finding::error("dataset.path", error, help)
                });
                return (findings.into_iter().collect(), None);
            }
            "dataset"
        }
    };
    let read = || {
        let splits = data::splits(experiment, places, Device::Cpu)?;
        data::inspect(splits, None, |_, _| true)?.context("reading the pictures was broken off")
    };
    match read() {
        Ok(splits) => (data::verdict(experiment, &splits), counts(&splits)),
        Err(error) => {
            let UserError { error, help, .. } = UserError::of(&error);
            (vec![Finding::error(field, error, help)], None)
        }
    }
}

/// The weights are read as a launch reads them, to the last number.
fn weights(experiment: &Experiment, places: &SearchPaths) -> Vec<Finding> {
    const FIELD: &str = "model.weights";
    match initial::verdict(experiment, places) {
        Verdict::Fit { notes } => notes
            .into_iter()
            .map(|note| Finding::note(FIELD, note))
            .collect(),
        Verdict::Fetched(text) => vec![Finding::note(FIELD, text)],
        Verdict::Fails { error, help } => vec![Finding::error(FIELD, error, help)],
        Verdict::NoFile => Vec::new(),
    }
}

fn counts(splits: &Splits) -> Option<Counts> {
    let folder = splits.folder.as_ref()?;
    let read = |part: Split| {
        folder
            .inspected(part)
            .read
            .iter()
            .map(|count| u64::from(*count))
            .collect()
    };
    let unreadable: usize = Split::ALL
        .iter()
        .map(|part| folder.inspected(*part).unreadable.len())
        .sum();
    Some(Counts {
        classes: splits.labels.names.clone(),
        train: read(Split::Train),
        validation: read(Split::Validation),
        test: read(Split::Test),
        own_validation: folder.layout.validation.is_some(),
        own_test: folder.layout.test.is_some(),
        unreadable: unreadable as u64,
    })
}
