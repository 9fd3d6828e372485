//! Compares the free space of a disk with what the checkpoints of an experiment need.

use std::path::Path;

use warmstart_schema::architecture::ParamCounts;
use warmstart_schema::experiment::{Experiment, Optimizer, Train};

use crate::checkpoint;
use crate::params;
use crate::storage::{Disk, Storage as _};

/// Whether the disk has room for a run's checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    Enough,
    /// For one checkpoint, but not for all that the run keeps.
    Scarce(String),
    /// Not even for one.
    None(String),
}

/// Compares the free disk space below `root` with the size of the experiment's checkpoints. Unknown sizes count as enough.
pub fn room(root: &Path, experiment: &Experiment) -> Room {
    // The classes of a folder of pictures are not counted here; they add little to a model.
    let counts = params::counts_with(experiment, experiment.classes().unwrap_or(1)).total;
    let there = root
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("."));
    let Ok(free) = Disk.free(there) else {
        return Room::Enough;
    };
    let one = checkpoint_bytes(&counts, &experiment.train);
    // The newest, the best, and the new one, which is written before an old one is removed.
    let all = one * (u64::from(experiment.train.checkpoint.keep) + 2);
    let megabytes = |bytes: u64| format!("{} MB", bytes.div_ceil(1_000_000));
    let (needs, has) = (megabytes(one + checkpoint::HEADROOM), megabytes(free));
    let root = root.display();
    if free < one + checkpoint::HEADROOM {
        Room::None(format!(
            "the disk will not hold its first checkpoint: that needs {needs}, {has} are free in {root}"
        ))
    } else if free < all + checkpoint::HEADROOM {
        let all = megabytes(all + checkpoint::HEADROOM);
        Room::Scarce(format!(
            "the disk may not hold its checkpoints: those that it keeps need {all}, {has} are free in {root}"
        ))
    } else {
        Room::Enough
    }
}

/// Bytes of a checkpoint: float32 weights, and the optimizer's state and the average of each trainable one.
fn checkpoint_bytes(counts: &ParamCounts, train: &Train) -> u64 {
    let moments = match train.optimizer {
        Optimizer::Sgd { momentum: 0.0, .. } => 0,
        Optimizer::Sgd { .. } | Optimizer::Rmsprop { .. } => 1,
        Optimizer::Adam { .. } | Optimizer::Adamw { .. } => 2,
    };
    let copies = moments + u64::from(train.ema.is_some());
    4 * (counts.total + copies * counts.trainable)
}
