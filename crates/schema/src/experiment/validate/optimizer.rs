//! Rules of `train.optimizer`, `train.groups` and `train.schedule`.

use super::range::{number, whole};
use crate::experiment::forbidden::Finding;
use crate::experiment::{Every, Experiment, Length, Optimizer, Shape};

pub(super) fn optimizer(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let optimizer = &experiment.train.optimizer;
    let rate = optimizer.learning_rate();
    number(
        findings,
        "train.optimizer.learning_rate",
        rate,
        |x| x > 0.0 && x <= 100.0,
        "a rate above 0 and up to 100",
    );
    if let Optimizer::Sgd {
        momentum, nesterov, ..
    } = *optimizer
    {
        number(
            findings,
            "train.optimizer.momentum",
            momentum,
            |x| (0.0..1.0).contains(&x),
            "a share from 0 to below 1",
        );
        if nesterov && momentum == 0.0 {
            let field = "train.optimizer.nesterov";
            findings.push(Finding::new(field, "it only with momentum", "momentum 0"));
        }
    }
    number(
        findings,
        "train.optimizer.weight_decay",
        optimizer.weight_decay(),
        |x| (0.0..=10.0).contains(&x),
        "0 to 10",
    );
}

pub(super) fn groups(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let groups = &experiment.train.groups;
    for (field, factor) in [
        ("train.groups.stem", groups.stem),
        ("train.groups.blocks", groups.blocks),
        ("train.groups.head", groups.head),
    ] {
        let expected = "a factor above 0 and up to 1000";
        number(
            findings,
            field,
            factor,
            |x| x > 0.0 && x <= 1000.0,
            expected,
        );
    }
    number(
        findings,
        "train.groups.layer_decay",
        groups.layer_decay,
        |x| x > 0.0 && x <= 1.0,
        "a factor above 0 and up to 1",
    );
}

pub(super) fn schedule(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let schedule = &experiment.train.schedule;
    let epochs = f64::from(experiment.train.epochs);
    match schedule.warmup {
        Length::Epochs(warmup) => {
            // Epochs of 0 are reported already.
            let most = if epochs > 0.0 { epochs } else { f64::MAX };
            let expected = "0 up to the number of epochs";
            let field = "train.schedule.warmup_epochs";
            number(
                findings,
                field,
                warmup,
                |x| (0.0..=most).contains(&x),
                expected,
            );
        }
        Length::Steps(steps) => whole(findings, "train.schedule.warmup_steps", steps),
    }
    let mut gamma = |gamma| {
        let expected = "a factor above 0 and up to 1";
        let field = "train.schedule.gamma";
        number(findings, field, gamma, |x| x > 0.0 && x <= 1.0, expected);
    };
    match schedule.shape {
        Shape::Constant | Shape::Cosine => {}
        Shape::Exponential { gamma: factor, .. } => gamma(factor),
        Shape::Step {
            count,
            unit,
            gamma: factor,
        } => {
            gamma(factor);
            let field = match unit {
                Every::Epoch => "train.schedule.step_epochs",
                Every::Step => "train.schedule.step_steps",
            };
            whole(findings, field, count);
        }
        Shape::OneCycle {
            rise,
            start_divisor,
            end_divisor,
        } => {
            number(
                findings,
                "train.schedule.rise",
                rise,
                |x| x > 0.0 && x < 1.0,
                "a share above 0 and below 1",
            );
            for (field, divisor) in [
                ("train.schedule.start_divisor", start_divisor),
                ("train.schedule.end_divisor", end_divisor),
            ] {
                let expected = "a number from 1 to 1000000000";
                number(
                    findings,
                    field,
                    divisor,
                    |x| (1.0..=1e9).contains(&x),
                    expected,
                );
            }
        }
        Shape::Plateau {
            gamma: factor,
            patience,
        } => {
            gamma(factor);
            whole(findings, "train.schedule.patience", patience);
        }
    }
}
