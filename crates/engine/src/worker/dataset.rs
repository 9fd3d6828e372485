//! The dataset of a run: read, logged, its classes kept and weighted.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use tch::{Device, Tensor};
use warmstart_runs::pictures::{Moves, Sets, listed};
use warmstart_runs::run::RunDir;
use warmstart_schema::event::{
    ClassFacts, DatasetFacts, Event, Level, Phase, PhaseProgress, SetFacts, StartedFrom,
};
use warmstart_schema::experiment::{ClassWeights, Experiment, RunKind};
use warmstart_schema::finding::Severity;
use warmstart_schema::look::Split;
use warmstart_schema::policy;

use super::context::doing;
use crate::data::{self, InspectedFolder, Splits};
use crate::failure::UserError;
use crate::interrupt::Interrupt;
use crate::reporter::Reporter;
use crate::train::steps_per_epoch;
use crate::worker_log;

/// The splits after their pictures were read, and the pictures of an earlier attempt.
#[derive(Debug)]
pub(super) struct Known {
    splits: Splits,
    before: Option<Sets>,
}

/// Reads every picture once, so that unreadable ones count nowhere; `None` when interrupted.
pub(super) fn read(
    reporter: &mut Reporter,
    run: &RunDir,
    splits: Splits,
    (epoch, step): (u32, u64),
    interrupt: &Interrupt,
) -> Result<Option<Known>> {
    let before = run.pictures().unwrap_or_else(|error| {
        reporter.note(
            Level::Warning,
            format!(
                "the list of pictures of earlier attempts cannot be read, so this one cannot say what changed: {error}"
            ),
        );
        None
    });
    let started = Instant::now();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let splits = data::inspect(splits, before.as_ref(), |done, total| {
        if reporter.is_progress_due() {
            reporter.progress(&Event::Progress(PhaseProgress {
                phase: Phase::Loading,
                epoch,
                step,
                done: number(done),
                total: number(total),
                images_per_second: done as f64 / started.elapsed().as_secs_f64().max(1e-9),
                loss: None,
                accuracy: None,
            }));
        }
        !interrupt.is_requested()
    })?;
    Ok(splits.map(|splits| Known { splits, before }))
}

/// Logs the dataset and its warnings, and keeps the names of classes and pictures. An error where it cannot be trained on.
pub(super) fn report(
    reporter: &mut Reporter,
    run: &RunDir,
    experiment: &Experiment,
    known: Known,
) -> Result<Splits> {
    let Known { splits, before } = known;
    let findings = data::verdict(experiment, &splits);
    for finding in findings
        .iter()
        .filter(|finding| finding.severity == Severity::Warning)
    {
        reporter.note(Level::Warning, &finding.text);
    }
    if let Some(folder) = &splits.folder {
        for one in Split::ALL
            .iter()
            .flat_map(|part| &folder.inspected(*part).unreadable)
        {
            worker_log::line(&format!("left out: {}", one.text));
        }
    }
    if let Some(error) = data::refusal(&findings) {
        return Err(error);
    }
    keep_labels(run, &splits)?;
    let sets = splits.folder.as_ref().map(InspectedFolder::sets);
    if let Some(sets) = &sets {
        if let Some(text) = before.and_then(|before| describe_moves(&sets.since(&before))) {
            reporter.note(Level::Warning, text);
        }
        run.write_pictures(sets)
            .with_context(doing("writing", run, "pictures.json"))?;
    }
    report_facts(reporter, experiment, &splits, sets.as_ref())?;
    Ok(splits)
}

/// How the pictures changed since the last attempt, in a sentence; none if they did not.
fn describe_moves(moves: &Moves) -> Option<String> {
    if moves.is_none() {
        return None;
    }
    let changes = [
        (&moves.added, "added"),
        (&moves.removed, "removed"),
        (&moves.replaced, "replaced"),
    ];
    let mut counts: Vec<String> = changes
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, how)| format!("{} {how} ({})", names.len(), listed(names)))
        .collect();
    let meaning = if moves.crossed.is_empty() {
        "none of the others has changed between training, validation and test"
    } else {
        counts.push(format!(
            "{} moved between training and evaluation ({})",
            moves.crossed.len(),
            listed(&moves.crossed)
        ));
        "figures before and after do not compare"
    };
    Some(format!(
        "since the last attempt, pictures: {}; {meaning}",
        counts.join(", ")
    ))
}

/// Warns where the run whose weights this one takes was trained on pictures that this one measures on, or where its list of pictures
/// cannot be read. Runs of earlier versions have no list: loading their weights compares seeds and datasets instead.
pub(super) fn warn_of_leak(
    reporter: &mut Reporter,
    root: &Path,
    from: &StartedFrom,
    splits: &Splits,
) {
    let Some(ours) = splits.folder.as_ref().map(InspectedFolder::sets) else {
        return;
    };
    let theirs = match RunDir::of(root, &from.run).pictures() {
        Ok(Some(theirs)) => theirs,
        Ok(None) => return,
        Err(error) => {
            let text = format!(
                "the list of pictures that run {} was trained on cannot be read: {error}; if this run measures on some of them, \
                 its figures are better than they should be",
                from.run
            );
            reporter.note(Level::Warning, text);
            return;
        }
    };
    let leak = ours.learnt_by(&theirs);
    let parts = [
        (leak.validation, ours.validation.len(), "validation"),
        (leak.test, ours.test.len(), "test"),
    ];
    let leaked: Vec<String> = parts
        .into_iter()
        .filter(|(count, _, _)| *count > 0)
        .map(|(count, all, part)| format!("{count} of the {all} {part} pictures"))
        .collect();
    if !leaked.is_empty() {
        let text = format!(
            "run {}, from which this one starts, was trained on {}: the figures on them are better than they should be; give both \
             runs the same seed, shares and pictures",
            from.run,
            leaked.join(" and ")
        );
        reporter.note(Level::Warning, text);
    }
}

/// Reports how many images and classes there are, the steps of an epoch, the smallest and the largest class, and the fingerprints
/// of a folder's parts.
fn report_facts(
    reporter: &mut Reporter,
    experiment: &Experiment,
    splits: &Splits,
    sets: Option<&Sets>,
) -> Result<()> {
    let [train, validation, test] =
        [&splits.train, &splits.validation, &splits.test].map(|part| part.members.len());
    let (batch_size, accumulate) = (
        experiment.train.batch_size as usize,
        experiment.train.accumulate as usize,
    );
    let labels = &splits.labels;
    let classes = labels
        .shown()
        .into_iter()
        .zip(labels.names.iter().zip(&labels.train_images));
    let classes = classes.map(|(name, (exact, &images))| ClassFacts {
        exact: (*exact != name).then(|| exact.clone()),
        name,
        images,
    });
    reporter.emit(&Event::Dataset(DatasetFacts {
        name: experiment.dataset.name().as_str().to_owned(),
        train: u32::try_from(train)?,
        validation: u32::try_from(validation)?,
        test: u32::try_from(test)?,
        classes: u32::try_from(labels.names.len())?,
        steps_per_epoch: match experiment.kind() {
            RunKind::Train(_) => u32::try_from(steps_per_epoch(train, batch_size, accumulate))?,
            RunKind::Probe(_) => 1,
        },
        smallest: classes.clone().min_by_key(|class| class.images),
        largest: classes.max_by_key(|class| class.images),
        sets: sets.map(|sets| SetFacts {
            train: sets.fingerprint(Split::Train),
            validation: sets.fingerprint(Split::Validation),
            test: sets.fingerprint(Split::Test),
        }),
    }));
    Ok(())
}

/// Writes the class names into the run. An error if a resumed run finds other classes.
fn keep_labels(run: &RunDir, splits: &Splits) -> Result<()> {
    let names = &splits.labels.names;
    let before = run
        .labels()
        .with_context(doing("reading", run, "labels.json"))?;
    // Earlier versions kept the names that screens show.
    let shown = splits.labels.shown();
    if let Some(before) = before.filter(|before| before.names != *names && before.names != shown) {
        let missing = |from: &[String], to: &[String]| {
            from.iter()
                .filter(|name| !to.contains(name))
                .cloned()
                .collect::<Vec<String>>()
        };
        let (gone, new) = (missing(&before.names, names), missing(names, &before.names));
        if gone.is_empty() && new.is_empty() {
            return Err(UserError::input(
                "the classes are in another order than when the run began",
                "launch the experiment again",
            ));
        }
        let said = |classes: &[String]| {
            if classes.is_empty() {
                "none".to_owned()
            } else {
                listed(classes)
            }
        };
        let (gone, new) = (said(&gone), said(&new));
        let error =
            format!("the classes are not those that the run began with; gone: {gone}; new: {new}");
        return Err(UserError::input(
            error,
            "bring the folders back, or launch the experiment again",
        ));
    }
    run.write_labels(&splits.labels)
        .with_context(doing("writing", run, "labels.json"))
}

/// Weight of each class in the loss that is minimized, `[classes]`; none if the experiment does not ask for weights.
pub(super) fn class_weights(
    experiment: &Experiment,
    splits: &Splits,
    device: Device,
) -> Result<Option<Tensor>> {
    let weights = match experiment.train.class_weights {
        None => return Ok(None),
        Some(ClassWeights::Balanced) => policy::balanced_weights(&splits.labels.train_images),
    };
    Ok(Some(Tensor::f_from_slice(&weights)?.f_to_device(device)?))
}
