//! Runs that resume with changed settings: more epochs, another learning rate, more patience.

use warmstart_engine::interrupt::Interrupt;
use warmstart_runs::change;
use warmstart_runs::run::RunDir;
use warmstart_schema::state::Outcome;

use super::support::{log, state};
use super::tiny::{alone, new_run, result, root, train};

fn change(run: &RunDir, changes: &[&str], is_done: bool) {
    let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
    assert!(!change::change(run, &changes, is_done).unwrap().is_empty());
}

#[test]
fn a_finished_run_extended_by_epochs_equals_a_run_planned_with_them() {
    let _alone = alone();
    let root = root();
    for (schedule, is_exact) in [("constant", true), ("cosine", false)] {
        let with = |epochs: u32| {
            let epochs = format!("train.epochs={epochs}");
            let schedule = format!("train.schedule.name={schedule}");
            new_run(
                root.path(),
                &[&epochs, &schedule, "train.early_stopping=null"],
            )
        };
        let (longer, run) = (with(4), with(2));
        for run in [&longer, &run] {
            assert!(train(run, &Interrupt::default()).unwrap(), "{}", log(run));
        }
        let first = state(&run);
        assert_eq!(
            first.outcome,
            Some(Outcome::Finished {
                stopped_early: false
            })
        );
        // Without a change, training again changes nothing.
        assert!(train(&run, &Interrupt::default()).unwrap());
        assert_eq!(state(&run), first);

        change(&run, &["train.epochs=4"], true);
        assert!(train(&run, &Interrupt::default()).unwrap(), "{}", log(&run));
        let extended = state(&run);
        let attempt = extended.attempt.as_ref().unwrap();
        assert_eq!(
            (attempt.number, attempt.epochs, attempt.resumed_from),
            (2, 4, Some(6))
        );
        assert_eq!(attempt.not_exact.is_empty(), is_exact, "{attempt:?}");
        assert_eq!(extended.resumes, [6]);
        assert_eq!(
            extended
                .epochs
                .iter()
                .map(|epoch| epoch.epoch)
                .collect::<Vec<_>>(),
            [1, 2, 3, 4]
        );
        assert!(
            extended
                .batches
                .is_sorted_by_key(|progress| progress.batch.step)
        );
        assert!(
            extended
                .notes
                .iter()
                .any(|note| note.text.contains("then tests again"))
        );
        let (mut planned, mut changed) = (result(&longer).unwrap(), result(&run).unwrap());
        for result in [&mut planned, &mut changed] {
            result.last.state.conditions.experiment.clear();
        }
        assert_eq!(changed == planned, is_exact, "{schedule}");

        // A run that was once inexact stays inexact.
        change(&run, &["train.epochs=5"], true);
        assert!(train(&run, &Interrupt::default()).unwrap());
        assert_eq!(state(&run).attempt.unwrap().not_exact.is_empty(), is_exact);
    }
}

#[test]
fn a_stopped_run_resumes_with_its_changed_learning_rate() {
    let _alone = alone();
    let root = root();
    let run = new_run(
        root.path(),
        &["train.epochs=2", "train.early_stopping=null"],
    );
    // Stops in the second epoch.
    assert!(train(&run, &Interrupt::at_poll(11)).unwrap());
    let stopped = state(&run);
    assert_eq!(stopped.outcome, Some(Outcome::Stopped));
    let step = stopped.batches.last().unwrap().batch.step;
    change(&run, &["train.optimizer.learning_rate=0.001"], false);
    assert!(train(&run, &Interrupt::default()).unwrap(), "{}", log(&run));
    let state = state(&run);
    for batch in state.batches.iter().map(|progress| &progress.batch) {
        let expected: f64 = if batch.step <= step { 0.01 } else { 0.001 };
        assert_eq!(
            batch.learning_rate.to_bits(),
            expected.to_bits(),
            "step {}",
            batch.step
        );
    }
    let not_exact = &state.attempt.as_ref().unwrap().not_exact;
    assert_eq!(
        *not_exact,
        [format!(
            "train.optimizer.learning_rate was 0.01 until step {step}, is 0.001"
        )]
    );
    assert_eq!(state.resumes, [step]);
}

#[test]
fn more_patience_resumes_a_run_that_early_stopping_ended() {
    let _alone = alone();
    let root = root();
    let (run, patient) = (
        new_run(root.path(), &[]),
        new_run(root.path(), &["train.early_stopping.patience=3"]),
    );
    for run in [&run, &patient] {
        assert!(train(run, &Interrupt::default()).unwrap());
    }
    assert_eq!(
        state(&run).outcome,
        Some(Outcome::Finished {
            stopped_early: true
        })
    );
    let too_little = change::change(&run, &["train.epochs=9".to_owned()], true)
        .unwrap_err()
        .to_string();
    assert!(
        too_little.contains("more train.early_stopping.patience"),
        "{too_little}"
    );
    change(&run, &["train.early_stopping.patience=3"], true);
    assert!(train(&run, &Interrupt::default()).unwrap());
    assert!(state(&run).attempt.unwrap().not_exact.is_empty());
    let (mut one, mut other) = (result(&run).unwrap(), result(&patient).unwrap());
    for result in [&mut one, &mut other] {
        result.last.state.conditions.experiment.clear();
    }
    assert!(one == other);
}
