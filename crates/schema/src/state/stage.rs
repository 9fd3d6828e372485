//! Parts of a run, in each of which more blocks train.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::RunState;
use crate::architecture::BlockCounts;
use crate::event::Unfrozen;

/// A part of a run in which fewer blocks are frozen than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Its first epoch, and the steps done before it.
    pub epoch: u32,
    pub step: u64,
    /// Blocks of the backbone that are still frozen.
    pub frozen_blocks: usize,
}

impl Stage {
    /// What trains, in words.
    pub fn name(&self) -> String {
        match self.frozen_blocks {
            0 => "all trains".to_owned(),
            blocks => format!("{blocks} frozen"),
        }
    }
}

impl RunState {
    /// The model is as before, except for what trains.
    pub(super) fn unfreeze(
        &mut self,
        Unfrozen {
            epoch,
            step,
            counts,
        }: Unfrozen,
    ) {
        self.takes_over();
        let counts = counts.sanitized();
        let is_frozen = |block: &&BlockCounts| block.name != "head" && block.counts.trainable == 0;
        let frozen_blocks = counts.blocks.iter().filter(is_frozen).count();
        if let Some(model) = &mut self.model {
            let model = Arc::make_mut(model);
            (model.counts, model.cached_features) = (counts, false);
        }
        // It was of the blocks that were frozen before; that some of them moved stays known.
        self.frozen = self.frozen.take().filter(|proof| !proof.unchanged());
        self.stages.retain(|stage| stage.epoch < epoch);
        self.stages.push(Stage {
            epoch,
            step,
            frozen_blocks,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Record;

    fn state_after(lines: &[&str]) -> RunState {
        let records = lines
            .iter()
            .map(|line| Record::parse(line.as_bytes()).unwrap());
        RunState::fold(records)
    }

    #[test]
    fn a_stage_changes_the_counts_and_a_resume_before_it_takes_its_mark_away() {
        let attempt = |number: u32, from: &str| {
            format!(
                r#"{{"t":1.0,"event":"attempt","number":{number},"worker":{{"boot_id":"b","pid":1,"start_ticks":0}},"host":"h","device":"cpu","device_name":"c","device_reason":"r","threads":1,"libtorch":"2","epochs":9,"resumed_from":{from}}}"#
            )
        };
        let counts = |frozen: u32, trains: u32| {
            format!(
                r#"{{"blocks":[{{"name":"stem","total":7,"trainable":0,"frozen":7,"statistics":0}},{{"name":"body","total":9,"trainable":{trains},"frozen":{frozen},"statistics":0}},{{"name":"head","total":1,"trainable":1,"frozen":0,"statistics":0}}],"total":{{"total":17,"trainable":{},"frozen":{},"statistics":0}}}}"#,
                trains + 1,
                frozen + 7
            )
        };
        let model = format!(
            r#"{{"t":1.0,"event":"model","backbone":"b","pixels":32,"weights":"w","counts":{},"cached_features":true}}"#,
            counts(9, 0)
        );
        let training = r#"{"t":2.0,"event":"phase","phase":"training"}"#;
        let unfrozen = format!(
            r#"{{"t":3.0,"event":"unfrozen","epoch":3,"step":20,"counts":{}}}"#,
            counts(0, 9)
        );
        let first = attempt(1, "null");
        let begun = [&*first, &*model, training, &*unfrozen];
        let state = state_after(&begun);
        let facts = state.model.clone().unwrap();
        assert_eq!(
            (facts.counts.total.trainable, facts.cached_features),
            (10, false)
        );
        let stage = Stage {
            epoch: 3,
            step: 20,
            frozen_blocks: 1,
        };
        assert_eq!(state.stages, std::slice::from_ref(&stage));
        let resumed = |from: &str| {
            let second = attempt(2, from);
            state_after(&[&begun[..], &[&*second, training]].concat()).stages
        };
        assert_eq!(resumed("25"), [stage]);
        assert_eq!(resumed("10"), []);
    }
}
