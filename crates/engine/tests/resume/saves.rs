//! When the worker saves checkpoints, and which of them it keeps.

use std::fs;

use warmstart_engine::interrupt::Interrupt;
use warmstart_runs::checkpoint;
use warmstart_runs::run::RunDir;
use warmstart_runs::storage::Disk;
use warmstart_schema::event::Event;
use warmstart_schema::experiment::Saving;

use super::support::{events, log, state};
use super::tiny::{alone, new_run, result, root, train};

/// Step and epoch of each checkpoint event.
fn saves(run: &RunDir) -> Vec<(u64, u32)> {
    let saved = |event| {
        if let Event::Checkpoint(saved) = event {
            Some((saved.step, saved.epoch))
        } else {
            None
        }
    };
    events(run)
        .into_iter()
        .filter_map(|record| saved(record.event))
        .collect()
}

#[test]
fn checkpoints_are_saved_at_the_interval_and_after_every_epoch() {
    let five_minutes = std::time::Duration::from_mins(5);
    assert_eq!(
        (Saving::default().every(), Saving::default().keep),
        (five_minutes, 2)
    );
    let _alone = alone();
    let root = root();
    let [seldom, often] = [
        &["train.epochs=2"][..],
        &["train.epochs=2", "train.checkpoint.every_minutes=1e-9"],
    ]
    .map(|changes| new_run(root.path(), changes));
    for run in [&seldom, &often] {
        assert!(train(run, &Interrupt::default()).unwrap(), "{}", log(run));
    }
    // Three steps an epoch. `often` saves between every two steps, but never between the batches of one step.
    assert_eq!(saves(&seldom), [(3, 1), (6, 2)]);
    assert_eq!(
        saves(&often),
        [
            (0, 0),
            (1, 0),
            (2, 0),
            (3, 1),
            (3, 1),
            (4, 1),
            (5, 1),
            (6, 2)
        ]
    );
    let [mut seldom, mut often] = [&seldom, &often].map(|run| result(run).unwrap());
    for result in [&mut seldom, &mut often] {
        result.last.state.conditions.experiment.clear();
    }
    assert!(seldom == often, "checkpoints change what is learnt");
}

#[test]
fn a_run_killed_within_an_epoch_resumes_from_its_last_checkpoint() {
    let _alone = alone();
    let root = root();
    let changes = [
        "train.epochs=2",
        "train.checkpoint.every_minutes=1e-9",
        "train.checkpoint.keep=9",
    ];
    let (whole, run) = (
        new_run(root.path(), &changes),
        new_run(root.path(), &changes),
    );
    assert!(train(&whole, &Interrupt::default()).unwrap());
    assert!(train(&run, &Interrupt::default()).unwrap());
    // The files of a run that was killed after the fourth step.
    for step in checkpoint::steps(&Disk, &run)
        .unwrap()
        .into_iter()
        .filter(|step| *step > 4)
    {
        fs::remove_dir_all(run.checkpoint(step)).unwrap();
    }
    let text = fs::read_to_string(run.events()).unwrap();
    let is_later =
        |line: &&str| line.contains("\"event\":\"batch\"") && line.contains("\"step\":5");
    let cut = text.lines().position(|line| is_later(&line)).unwrap();
    let kept: Vec<&str> = text.lines().take(cut).collect();
    fs::write(run.events(), kept.join("\n") + "\n").unwrap();
    assert!(train(&run, &Interrupt::default()).unwrap());
    let resumed = state(&run).attempt.unwrap();
    assert_eq!(
        (resumed.resumed_from, resumed.not_exact),
        (Some(4), Vec::new())
    );
    assert!(result(&run).unwrap() == result(&whole).unwrap());
}

#[test]
fn the_newest_checkpoints_and_the_best_one_are_kept() {
    let _alone = alone();
    let root = root();
    for keep in [2, 3] {
        let keeps = format!("train.checkpoint.keep={keep}");
        // With this patience all epochs are trained.
        let run = new_run(
            root.path(),
            &["train.epochs=5", "train.early_stopping.patience=9", &keeps],
        );
        assert!(train(&run, &Interrupt::default()).unwrap(), "{}", log(&run));
        let newest: Vec<u64> = (1..=5).map(|epoch| 3 * epoch).skip(5 - keep).collect();
        let best = run.names(&Disk).unwrap().best.unwrap();
        let epochs = state(&run).epochs;
        let lowest = epochs
            .iter()
            .min_by(|a, b| a.val_loss.total_cmp(&b.val_loss));
        assert_eq!(best, lowest.unwrap().step);
        let mut expected = newest.clone();
        expected.extend(Some(best).filter(|best| !newest.contains(best)));
        expected.sort_unstable();
        assert_eq!(
            checkpoint::steps(&Disk, &run).unwrap(),
            expected,
            "keep {keep}, best {best}"
        );
        assert_eq!(
            checkpoint::best(&Disk, &run).unwrap().unwrap().state.step,
            best
        );
    }
}
