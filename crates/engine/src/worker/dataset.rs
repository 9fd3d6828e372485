//! What a run learns from: told, its classes kept, and weighed where that was asked for.

use anyhow::{Context, Result};
use tch::{Device, Tensor};
use warmstart_schema::event::{ClassFacts, DatasetFacts, Event, Level};
use warmstart_schema::experiment::{ClassWeights, Experiment};
use warmstart_schema::pictures::listed;
use warmstart_schema::run::RunDir;

use super::doing;
use crate::data::{self, Parts};
use crate::failure::Blame;
use crate::report::Reporter;
use crate::train::steps_per_epoch;

/// Tells what there is to learn from and what is odd about it, and keeps the classes' names.
pub fn tell(reporter: &mut Reporter, run: &RunDir, experiment: &Experiment, parts: &Parts) -> Result<()> {
    keep_labels(run, parts)?;
    for note in &parts.notes {
        reporter.note(Level::Warning, note);
    }
    if let Some(limit) = experiment.dataset.limit {
        reporter.note(
            Level::Warning,
            format!("dataset.limit: only {limit} images are used, the figures compare with no other run's"),
        );
    }
    tell_facts(reporter, experiment, parts)
}

/// Tells what there is to learn from, unless it is too little.
fn tell_facts(reporter: &mut Reporter, experiment: &Experiment, parts: &Parts) -> Result<()> {
    let [train, validation, test] = [&parts.train, &parts.validation, &parts.test].map(|part| part.members.len());
    let (batch_size, accumulate) = (experiment.train.batch_size as usize, experiment.train.accumulate as usize);
    let steps = steps_per_epoch(train, batch_size, accumulate);
    if steps == 0 || validation == 0 || test == 0 {
        let error = format!("{train} training, {validation} validation and {test} test images are too few");
        return Err(Blame::input(error, "change dataset.validation, or bring more images"));
    }
    let labels = &parts.labels;
    let classes = labels.shown().into_iter().zip(&labels.train_images);
    let classes = classes.map(|(name, &images)| ClassFacts { name, images });
    reporter.tell(&Event::Dataset(DatasetFacts {
        name: experiment.dataset.name.as_str().to_owned(),
        train: u32::try_from(train)?,
        validation: u32::try_from(validation)?,
        test: u32::try_from(test)?,
        classes: u32::try_from(labels.names.len())?,
        steps_per_epoch: u32::try_from(steps)?,
        smallest: classes.clone().min_by_key(|class| class.images),
        largest: classes.max_by_key(|class| class.images),
    }));
    Ok(())
}

/// Keeps the class names for whoever reads the model's outputs. A resumed run must find the classes that it knows.
fn keep_labels(run: &RunDir, parts: &Parts) -> Result<()> {
    let names = &parts.labels.names;
    let before = run.labels().with_context(doing("reading", run, "labels.json"))?;
    // Earlier versions kept the names that screens show.
    let shown = parts.labels.shown();
    if let Some(before) = before.filter(|before| before.names != *names && before.names != shown) {
        let differs = |from: &[String], to: &[String]| {
            let missing: Vec<String> = from.iter().filter(|name| !to.contains(name)).cloned().collect();
            if missing.is_empty() { "none".to_owned() } else { listed(&missing) }
        };
        let (gone, new) = (differs(&before.names, names), differs(names, &before.names));
        let error = format!("the classes are not those that the run began with; gone: {gone}; new: {new}");
        return Err(Blame::input(error, "bring the folders back, or launch the experiment anew"));
    }
    run.write_labels(&parts.labels).with_context(doing("writing", run, "labels.json"))
}

/// How much each class weighs in what is minimized, `[classes]`; none where all weigh the same.
pub fn class_weights(experiment: &Experiment, parts: &Parts, device: Device) -> Result<Option<Tensor>> {
    let weights = experiment.train.class_weights;
    let weights = weights.map(|ClassWeights::Balanced| data::balanced_weights(&parts.labels.train_images));
    weights.map(|weights| Ok(Tensor::f_from_slice(&weights)?.f_to_device(device)?)).transpose()
}
