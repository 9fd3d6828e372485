//! A probe, in place of training: what a frozen backbone's features tell about the classes.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forbidden::Finding;
use super::{
    BatchNorm, Experiment, Freeze, Groups, Head, OnNan, Optimizer, Precision, Role, Saving,
    Schedule, Train,
};

/// A probe in place of `train`: a linear classifier, and nearest neighbours, on the features of a frozen backbone. Features are
/// computed once. Needs `model.freeze: backbone` and no augmentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// How many values of C, the inverse strength of the L2 penalty, to try. They are evenly spaced in their logarithm from 1e-6 to
    /// 1e5. The one with the best validation accuracy is fitted again on training and validation images, and tested.
    #[serde(default = "default_strengths")]
    pub strengths: u32,
    /// The most nearest neighbours to try: this number, and those of 1, 5, 10, 20, 50, 100 and 200 below it. Validation accuracy
    /// decides; 0 for none.
    #[serde(default = "default_neighbours")]
    pub neighbours: u32,
    /// Images whose features are computed at once.
    #[serde(default = "default_batch_size")]
    pub batch_size: u32,
    /// The number format of the backbone. The classifier is fitted in float64.
    #[serde(default)]
    pub precision: Precision,
}

/// What a run of an experiment does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RunKind<'a> {
    Train(&'a Train),
    Probe(&'a Probe),
}

/// Numbers of neighbours that are tried if they are below `probe.neighbours`, which is tried too.
const NEIGHBOURS: [u32; 7] = [1, 5, 10, 20, 50, 100, 200];

impl Probe {
    /// The numbers of neighbours to try, in ascending order.
    pub fn neighbour_counts(&self) -> Vec<u32> {
        NEIGHBOURS
            .into_iter()
            .filter(|&count| count < self.neighbours)
            .chain((self.neighbours > 0).then_some(self.neighbours))
            .collect()
    }

    /// What takes the place of `train`, so that code for every kind of run finds epochs, batch size and precision there. No file
    /// holds it.
    fn train(&self) -> Train {
        Train {
            role: Role::OfProbe,
            epochs: self.strengths,
            batch_size: self.batch_size,
            precision: self.precision,
            ..Train::absent()
        }
    }
}

impl Train {
    /// The value of `train` in a file without it; [`Experiment::settle_kind`] refuses or replaces it.
    pub(super) fn absent() -> Self {
        Self {
            sampler: None,
            role: Role::Absent,
            epochs: 1,
            batch_size: 2,
            accumulate: super::default_accumulate(),
            devices: super::default_devices(),
            optimizer: Optimizer::Sgd {
                learning_rate: 1.0,
                momentum: 0.0,
                nesterov: false,
                weight_decay: 0.0,
            },
            groups: Groups::default(),
            schedule: Schedule::default(),
            early_stopping: None,
            precision: Precision::default(),
            class_weights: None,
            label_smoothing: 0.0,
            mixing: None,
            clip_norm: None,
            ema: None,
            cache_views: None,
            checkpoint: Saving::default(),
            on_nan: OnNan::default(),
            deterministic: false,
        }
    }

    pub(super) fn is_not_written(&self) -> bool {
        self.role != Role::Written
    }
}

impl Experiment {
    /// Whether a run trains or probes.
    pub fn kind(&self) -> RunKind<'_> {
        self.probe
            .as_ref()
            .map_or(RunKind::Train(&self.train), RunKind::Probe)
    }

    /// Width of the head's hidden layer; 0 for the linear classifier of a probe, which has none.
    pub fn head_width(&self) -> u32 {
        match self.kind() {
            RunKind::Train(_) => self.model.head.hidden,
            RunKind::Probe(_) => 0,
        }
    }

    /// Makes sure that the file says either `train` or `probe`.
    pub(super) fn settle_kind(&mut self) -> Result<(), Finding> {
        let finding = |field, message: &str, help: &str| {
            Err(Finding {
                field: Cow::Borrowed(field),
                message: message.to_owned(),
                help: Some(help.to_owned()),
            })
        };
        match (&self.probe, self.train.role) {
            (None, Role::Absent) => finding(
                "train",
                "is missing",
                "add `train: …`, or `probe: {}` to measure a frozen backbone",
            ),
            (Some(_), Role::Written) => finding(
                "probe",
                "expected `train` or `probe`, found both",
                "remove one of the two; an experiment does one thing",
            ),
            (Some(probe), _) => {
                self.train = probe.train();
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }
}

/// The fields that a probe does not take, as far as the experiment sets them. `validate::all` checks a probe's own numbers.
pub(super) fn misfits(experiment: &Experiment) -> Vec<Finding> {
    let model = &experiment.model;
    let rules = [
        (
            model.freeze != Freeze::Backbone,
            "model.freeze",
            "expected `backbone` for a probe, found another value",
            "a probe reads the features of a backbone that is frozen whole",
        ),
        (
            !model.unfreeze.is_empty(),
            "model.unfreeze",
            "expected no `unfreeze` for a probe",
            "nothing of the backbone trains; remove the field",
        ),
        (
            model.head != Head::default(),
            "model.head",
            "expected no `head` for a probe",
            "its classifier is linear and has no hidden layer; remove the field",
        ),
        (
            model.batch_norm != BatchNorm::default(),
            "model.batch_norm",
            "expected no `batch_norm` for a probe",
            "nothing of the backbone trains; remove the field",
        ),
        (
            !experiment.augment.is_identity(),
            "augment",
            "expected no augmentation for a probe",
            "features are computed once from unchanged images; remove the field",
        ),
        (
            model.drop_path != 0.0,
            "model.drop_path",
            "expected no `drop_path` for a probe",
            "nothing of the backbone trains; remove the field",
        ),
        (
            !experiment.input.progressive.is_empty(),
            "input.progressive",
            "expected no `progressive` for a probe",
            "features are computed once, at one size; remove the field",
        ),
        (
            !experiment.evaluate.is_plain(),
            "evaluate",
            "expected no `evaluate` for a probe",
            "a probe tests the features of the whole images; remove the field",
        ),
        (
            experiment.init.is_some(),
            "init",
            "expected no `init` for a probe",
            "`warmstart export` writes the other run's model; name that file as model.weights",
        ),
    ];
    rules
        .into_iter()
        .filter(|(is_wrong, ..)| *is_wrong)
        .map(|(_, field, message, help)| Finding {
            field: field.into(),
            message: message.to_owned(),
            help: Some(help.to_owned()),
        })
        .collect()
}

fn default_strengths() -> u32 {
    45
}

fn default_neighbours() -> u32 {
    20
}

fn default_batch_size() -> u32 {
    64
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const PROBE: &str = "name: x\ndataset: { name: emoji98 }\nmodel: { backbone: resnet18, weights: random, freeze: backbone }\n";

    #[test]
    fn a_probe_is_written_without_train_and_reads_back_the_same() {
        let experiment = parse(&format!("{PROBE}probe: {{ strengths: 7 }}\n"), "x").unwrap();
        assert!(matches!(experiment.kind(), RunKind::Probe(_)));
        let yaml = experiment.to_yaml().unwrap();
        assert!(
            !yaml.contains("train:") && yaml.contains("strengths: 7"),
            "{yaml}"
        );
        assert_eq!(parse(&yaml, "x").unwrap(), experiment);
    }

    #[test]
    fn an_experiment_either_trains_or_probes() {
        let both = "probe: {}\ntrain: { epochs: 1, batch_size: 32, optimizer: { name: adam, learning_rate: 0.1 } }\n";
        for (rest, field) in [("", "train"), (both, "probe")] {
            let problems = parse(&format!("{PROBE}{rest}"), "x").unwrap_err();
            assert_eq!((problems.len(), &*problems[0].field), (1, field));
        }
    }

    #[test]
    fn neighbours_are_tried_up_to_the_number_asked_for() {
        let counts = |neighbours| {
            let yaml = format!("{PROBE}probe: {{ neighbours: {neighbours} }}\n");
            parse(&yaml, "x").unwrap().probe.unwrap().neighbour_counts()
        };
        assert_eq!(counts(0), [0; 0]);
        assert_eq!(counts(1), [1]);
        assert_eq!(counts(20), [1, 5, 10, 20]);
        assert_eq!(counts(30), [1, 5, 10, 20, 30]);
    }
}
