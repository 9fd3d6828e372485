//! Runs with missing or damaged checkpoints: a worker starts them from zero only after `--from-start`.

use std::fs;

use warmstart_engine::interrupt::Interrupt;
use warmstart_runs::change;
use warmstart_runs::run::RunDir;
use warmstart_schema::state::Outcome;

use super::support::{log, state};
use super::tiny::{alone, new_run, result, root, train};

fn refused(run: &RunDir) -> String {
    let before = state(run);
    assert!(!train(run, &Interrupt::default()).unwrap());
    let after = state(run);
    assert_eq!(
        (&after.epochs, &after.checkpoint),
        (&before.epochs, &before.checkpoint),
        "earlier results stay"
    );
    let Some(Outcome::Failed { error, help, .. }) = after.setback.or(after.outcome) else {
        unreachable!("{}", log(run))
    };
    assert!(help.contains("--from-start"), "{help}");
    error
}

#[test]
fn a_run_without_usable_checkpoints_is_refused_until_a_start_over_is_requested() {
    let _alone = alone();
    let root = root();
    let new = || {
        new_run(
            root.path(),
            &["train.early_stopping=null", "train.epochs=2"],
        )
    };
    let unbroken = new();
    assert!(
        train(&unbroken, &Interrupt::default()).unwrap(),
        "{}",
        log(&unbroken)
    );
    let expected = result(&unbroken).unwrap();

    for (what, sign) in [
        ("all", "gone"),
        ("empty", "holds none"),
        ("no names", "its log knows"),
        ("damaged", "is readable"),
    ] {
        let run = new();
        assert!(train(&run, &Interrupt::at_poll(11)).unwrap());
        let ckpt = run.checkpoints();
        match what {
            "all" => fs::remove_dir_all(&ckpt).unwrap(),
            "empty" => {
                fs::remove_dir_all(&ckpt).unwrap();
                fs::create_dir(&ckpt).unwrap();
            }
            "no names" => {
                fs::remove_dir_all(&ckpt).unwrap();
                fs::remove_file(run.path().join("names.json")).unwrap();
            }
            _ => {
                for folder in fs::read_dir(&ckpt).unwrap() {
                    fs::write(
                        folder.unwrap().path().join("model.safetensors"),
                        "no weights",
                    )
                    .unwrap();
                }
            }
        }
        for _ in 0..2 {
            let error = refused(&run);
            assert!(error.contains(sign), "{what}: {error}");
        }
        change::start_over(&run).unwrap();
        assert!(train(&run, &Interrupt::default()).unwrap(), "{}", log(&run));
        let ended = state(&run);
        assert_eq!(
            ended.outcome,
            Some(Outcome::Finished {
                stopped_early: false
            }),
            "{what}"
        );
        assert_eq!(
            ended
                .epochs
                .iter()
                .map(|epoch| epoch.epoch)
                .collect::<Vec<_>>(),
            [1, 2]
        );
        assert!(ended.attempt.unwrap().not_exact.is_empty());
        assert!(
            result(&run).unwrap() == expected,
            "{what}: from the beginning it is the unbroken run"
        );
        assert_eq!(
            run.path().join("ckpt.before-1").exists(),
            what == "damaged" || what == "empty",
            "{what}"
        );
        // `start_over` applies once: the next resume continues normally.
        assert!(train(&run, &Interrupt::default()).unwrap());
    }
}
