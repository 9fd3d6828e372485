//! Blocks that begin to train later than the others.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forbidden::Finding;
use super::{Experiment, Freeze, Model};
use crate::architecture::Architecture;

const FIELD: &str = "model.unfreeze";

/// What is frozen from an epoch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreezeFrom {
    /// The first epoch with this part frozen.
    pub from_epoch: u32,
    /// What stays frozen: `none`, or how many of the first blocks.
    pub freeze: Freeze,
}

impl fmt::Display for FreezeFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "freeze {} from epoch {}", self.freeze, self.from_epoch)
    }
}

impl Model {
    /// How many steps of `unfreeze` have begun by an epoch. The first epoch is 1.
    pub fn stage(&self, epoch: u32) -> usize {
        let begun = |stage: &&FreezeFrom| stage.from_epoch <= epoch;
        self.unfreeze.iter().filter(begun).count()
    }

    /// What is frozen after this many steps of `unfreeze`.
    pub fn frozen_in(&self, stage: usize) -> Freeze {
        let step = stage.checked_sub(1).and_then(|at| self.unfreeze.get(at));
        step.map_or(self.freeze, |step| step.freeze)
    }

    /// What is frozen when all steps of `unfreeze` are done.
    pub fn frozen_at_last(&self) -> Freeze {
        self.frozen_in(self.unfreeze.len())
    }
}

pub(super) fn validate(experiment: &Experiment, findings: &mut Vec<Finding>) {
    let model = &experiment.model;
    let blocks = Architecture::new(model.backbone).blocks.len();
    let (mut epoch, mut frozen) = (1, model.freeze.frozen_blocks(blocks));
    if frozen == 0 && !model.unfreeze.is_empty() {
        let help = "write `freeze: backbone` above it, so that training begins with the head";
        findings
            .push(Finding::new(FIELD, "it only with `model.freeze`", "nothing frozen").help(help));
        return;
    }
    for step in &model.unfreeze {
        let FreezeFrom { from_epoch, freeze } = *step;
        if from_epoch <= epoch {
            let expected = format!("`from_epoch` above {epoch}, so that the epochs rise");
            findings.push(Finding::new(FIELD, &expected, from_epoch));
        }
        let left = freeze.frozen_blocks(blocks);
        if left >= frozen {
            let finding = if frozen == 0 {
                Finding::new(FIELD, "no step after the one that trains all blocks", step)
            } else {
                let expected = format!("fewer than {frozen} frozen blocks in epoch {from_epoch}");
                Finding::new(FIELD, &expected, freeze)
            };
            let help = "each step trains more blocks than the one before; none freezes again";
            findings.push(finding.help(help));
        }
        (epoch, frozen) = (epoch.max(from_epoch), frozen.min(left));
    }
    let epochs = experiment.train.epochs;
    if epoch > epochs && epochs > 0 {
        let expected = format!("its last `from_epoch` within the {epochs} epochs");
        findings.push(Finding::new(FIELD, &expected, epoch));
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn a_stage_lasts_until_the_next_one_begins() {
        let yaml = "name: x\ndataset: { name: emoji98 }\n\
            model: { backbone: resnet18, freeze: backbone, unfreeze: [{ from_epoch: 3, freeze: 4 }, { from_epoch: 5, freeze: none }] }\n\
            train: { epochs: 9, batch_size: 32, optimizer: { name: adam, learning_rate: 0.1 } }\n";
        let model = parse(yaml, "x").unwrap().model;
        let frozen = |epoch| {
            let stage = model.stage(epoch);
            (stage, model.frozen_in(stage).frozen_blocks(5))
        };
        assert_eq!(
            [1, 2, 3, 4, 5, 9].map(frozen),
            [(0, 5), (0, 5), (1, 4), (1, 4), (2, 0), (2, 0)]
        );
        assert_eq!(model.frozen_at_last().frozen_blocks(5), 0);
    }

    #[test]
    fn nothing_can_follow_the_step_that_trains_all_blocks() {
        let yaml = "name: x\ndataset: { name: emoji98 }\n\
            model: { backbone: resnet18, freeze: backbone, unfreeze: [{ from_epoch: 3, freeze: none }, { from_epoch: 5, freeze: none }] }\n\
            train: { epochs: 9, batch_size: 32, optimizer: { name: adam, learning_rate: 0.1 } }\n";
        let problems = parse(yaml, "x").unwrap_err();
        let said = problems[0].to_string();
        assert!(
            said.contains("expected no step after") && said.contains("from epoch 5"),
            "{said}"
        );
    }
}
