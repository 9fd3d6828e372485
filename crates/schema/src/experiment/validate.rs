//! Rules that types cannot express: ranges, and fields that only make sense together. One function a rule, one file a section of
//! the experiment file; here are those of the sections with few rules.

mod augment;
mod data;
mod model;
mod optimizer;
mod range;
mod train;

pub(super) use self::range::whole_number;
use self::range::{number, whole};
use super::forbidden::Finding;
use super::{Experiment, RunKind, cache_views, probe, unfreeze};

/// What the values of an experiment break, in the order of the rules.
pub(super) fn all(experiment: &Experiment) -> Vec<Finding> {
    let rules: [fn(&Experiment, &mut Vec<Finding>); 14] = [
        texts,
        data::dataset,
        data::input,
        data::progressive,
        augment::numbers,
        augment::crops,
        augment::rand_augment,
        augment::colors,
        model::weights,
        model::stem,
        model::freeze,
        model::drop_path,
        model::head,
        slurm,
    ];
    let training: [fn(&Experiment, &mut Vec<Finding>); 15] = [
        train::length,
        train::devices,
        unfreeze::validate,
        optimizer::optimizer,
        optimizer::groups,
        optimizer::schedule,
        train::early_stopping,
        train::step,
        train::sampler,
        train::mix,
        train::ema,
        cache_views::validate,
        train::saving,
        evaluate,
        reference,
    ];
    let mut findings = Vec::new();
    for rule in rules {
        rule(experiment, &mut findings);
    }
    match experiment.kind() {
        RunKind::Train(_) => {
            for rule in training {
                rule(experiment, &mut findings);
            }
        }
        RunKind::Probe(probe) => {
            whole(&mut findings, "probe.strengths", probe.strengths);
            whole(&mut findings, "probe.neighbours", probe.neighbours);
            whole(&mut findings, "probe.batch_size", probe.batch_size);
            findings.extend(probe::misfits(experiment));
            reference(experiment, &mut findings);
        }
    }
    findings
}

fn texts(experiment: &Experiment, findings: &mut Vec<Finding>) {
    for (field, text) in [("name", &experiment.name), ("group", &experiment.group)] {
        if crate::text::line(text, 80).is_empty() {
            findings.push(Finding::new(field, "a visible text", format!("{text:?}")));
        }
    }
    if experiment
        .init
        .as_ref()
        .is_some_and(|init| init.from.trim().is_empty())
    {
        findings.push(Finding::new(
            "init.from",
            "the file stem of another experiment",
            "nothing",
        ));
    }
}

fn slurm(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let mistakes = experiment.slurm.clone().take_mistakes();
    findings.extend(mistakes.into_iter().map(|mistake| Finding {
        field: format!("slurm.{}", mistake.field).into(),
        message: mistake.message,
        help: Some(mistake.help),
    }));
}

fn evaluate(experiment: &Experiment, findings: &mut Vec<Finding>) {
    if let Some(share) = experiment.evaluate.five_crops {
        number(
            findings,
            "evaluate.five_crops",
            share,
            |x| (0.25..=1.0).contains(&x),
            "a share of the side from 0.25 to 1",
        );
    }
}

fn reference(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let Some(reference) = &experiment.reference else {
        return;
    };
    let figures = [
        ("reference.train_time", reference.train_time, f64::MAX),
        ("reference.train_acc", reference.train_acc, 1.0),
        ("reference.val_acc", reference.val_acc, 1.0),
        ("reference.train_loss", reference.train_loss, f64::MAX),
        ("reference.val_loss", reference.val_loss, f64::MAX),
        ("reference.test_acc", reference.test_acc, 1.0),
    ];
    for (field, figure, most) in figures {
        if let Some(figure) = figure {
            let expected = if most > 1.0 {
                "0 or more"
            } else {
                "an accuracy from 0 to 1"
            };
            number(
                findings,
                field,
                figure,
                |x| (0.0..=most).contains(&x),
                expected,
            );
        }
    }
    if !reference.doubtful.is_empty() && reference.note.is_none() {
        let help = "say in `reference.note` what is wrong with the figure";
        findings.push(
            Finding::new("reference.doubtful", "it only beside a `note`", "no note").help(help),
        );
    }
}
