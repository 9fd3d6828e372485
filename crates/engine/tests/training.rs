//! The real worker and training loop with a small model: what a run writes, that it repeats and resumes to the same bits, and
//! that bad input fails with an explanation.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[path = "training/feature_cache.rs"]
mod feature_cache;
#[path = "training/own_pictures.rs"]
mod own_pictures;
#[path = "support/pictures.rs"]
mod pictures;
#[path = "training/probe.rs"]
mod probe;
mod support;

use std::collections::BTreeMap;
use std::fs;

use support::{events, failure, finish, last, log, new_run, start, state, wait_for};
use warmstart_engine::best::BestCheckpoint;
use warmstart_engine::weights;
use warmstart_runs::checkpoint;
use warmstart_runs::run::RunDir;
use warmstart_runs::storage::Disk;
use warmstart_schema::event::{Epoch, Event, FailureKind};
use warmstart_schema::state::Outcome;

/// An epoch's figures, without the measured times.
fn figures(run: &RunDir) -> Vec<(u32, u64, [u64; 5], bool)> {
    let exact = |epoch: &Epoch| {
        let bits = [
            epoch.train_loss,
            epoch.train_acc,
            epoch.val_loss,
            epoch.val_acc,
            epoch.learning_rate,
        ]
        .map(f64::to_bits);
        (epoch.epoch, epoch.step, bits, epoch.best)
    };
    state(run).epochs.iter().map(exact).collect()
}

#[test]
fn a_run_reports_everything_and_repeats_bit_for_bit() {
    let root = tempfile::tempdir().unwrap();
    let runs = [0, 1].map(|_| new_run(root.path(), &[]).0);
    assert!(runs.iter().all(finish), "{}", log(&runs[0]));
    assert_eq!(last(&runs[0]), last(&runs[1]));
    assert_eq!(figures(&runs[0]), figures(&runs[1]));

    let state = state(&runs[0]);
    assert_eq!(
        state.outcome,
        Some(Outcome::Finished {
            stopped_early: false
        })
    );
    assert_eq!(
        state
            .epochs
            .iter()
            .map(|epoch| (epoch.epoch, epoch.step))
            .collect::<Vec<_>>(),
        [(1, 5), (2, 10)]
    );
    let dataset = state.dataset.unwrap();
    assert_eq!(
        (
            dataset.train,
            dataset.validation,
            dataset.test,
            dataset.classes
        ),
        (140, 60, 200, 9)
    );
    let counts = state.model.unwrap().counts.total;
    // resnet18 (11,176,512 + 9,600) and a head of 512 → 16 → 9 with 16 normalized features.
    assert_eq!(
        (counts.trainable, counts.statistics),
        (11_176_512 + 512 * 16 + 16 + 32 + 16 * 9 + 9, 9_600 + 32)
    );
    let test = state.test.unwrap();
    assert!(test.accuracy > 0.0 && test.accuracy < 1.0 && test.loss.is_finite());
    assert!(
        state.epochs[1].train_time > state.epochs[0].train_time && state.epochs[0].train_time > 0.0
    );
    assert_eq!(
        state.epochs[0].learning_rate.to_bits(),
        figures(&runs[0])[0].2[4]
    );

    // Another seed gives other figures.
    let other = new_run(root.path(), &["seed=8", "train.epochs=1"]).0;
    assert!(finish(&other));
    assert_ne!(figures(&other)[0].2, figures(&runs[0])[0].2);
}

#[test]
fn a_stopped_or_killed_run_ends_with_the_bits_of_an_uninterrupted_run() {
    let root = tempfile::tempdir().unwrap();
    let changes = [
        "train.epochs=3",
        "train.early_stopping={monitor: val_acc, patience: 5}",
    ];
    let straight = new_run(root.path(), &changes).0;
    assert!(finish(&straight), "{}", log(&straight));

    let broken = new_run(root.path(), &changes).0;
    // Stops the run in the first epoch, kills it after the first epoch's checkpoint, and kills it again when it reports the
    // second epoch.
    let mut child = start(&broken);
    wait_for(
        &broken,
        &mut child,
        |event| matches!(event, Event::Batch(batch) if batch.step > 0),
    );
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()),
        nix::sys::signal::SIGTERM,
    )
    .unwrap();
    assert!(child.wait().unwrap().success(), "{}", log(&broken));
    assert_eq!(state(&broken).outcome, Some(Outcome::Stopped));
    let stopped_at = last(&broken).state;
    assert!(
        stopped_at.step > 0 && stopped_at.epoch == 0 && stopped_at.sums.images > 0,
        "{stopped_at:?}"
    );

    let mut child = start(&broken);
    wait_for(
        &broken,
        &mut child,
        |event| matches!(event, Event::Checkpoint(saved) if saved.epoch == 1),
    );
    child.kill().unwrap();
    child.wait().unwrap();
    let mut child = start(&broken);
    wait_for(
        &broken,
        &mut child,
        |event| matches!(event, Event::Epoch(epoch) if epoch.epoch == 2),
    );
    child.kill().unwrap();
    child.wait().unwrap();

    assert!(finish(&broken), "{}", log(&broken));
    let attempts: Vec<_> = events(&broken)
        .into_iter()
        .filter_map(|record| {
            if let Event::Attempt(attempt) = record.event {
                Some((attempt.number, attempt.resumed_from, attempt.not_exact))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(attempts.len(), 4);
    assert_eq!(
        (attempts[0].1, attempts[1].1),
        (None, Some(stopped_at.step))
    );
    assert!(
        attempts
            .iter()
            .all(|(_, _, not_exact)| not_exact.is_empty()),
        "{attempts:?}"
    );
    assert_eq!(last(&broken), last(&straight));
    assert_eq!(figures(&broken), figures(&straight));
    assert_eq!(
        state(&broken).test.unwrap().loss.to_bits(),
        state(&straight).test.unwrap().loss.to_bits()
    );
}

#[test]
fn training_changes_every_tensor_except_frozen_ones() {
    let root = tempfile::tempdir().unwrap();
    for (freeze, frozen_tensors, prefixes) in [
        ("backbone", 100, &["conv1", "bn1", "layer"][..]),
        ("2", 25, &["conv1", "bn1", "layer1"]),
    ] {
        let run = new_run(root.path(), &[&format!("model.freeze={freeze}")]).0;
        assert!(finish(&run), "{}", log(&run));
        let proof = state(&run).frozen.unwrap();
        assert!(proof.unchanged(), "{proof:?}");
        assert_eq!(proof.tensors, frozen_tensors);
        // The two newest checkpoints are one epoch apart.
        let saved: Vec<Vec<u8>> = checkpoint::steps(&Disk, &run)
            .unwrap()
            .iter()
            .map(|&step| {
                checkpoint::read(&Disk, &run.checkpoint(step))
                    .unwrap()
                    .model
            })
            .collect();
        let [first, second] = [0, 1].map(|i| weights::parse(&saved[i]).unwrap());
        for (name, entry) in &first {
            let is_frozen = prefixes.iter().any(|prefix| name.starts_with(prefix));
            assert_eq!(
                entry.data == second[name].data,
                is_frozen,
                "{name} with freeze: {freeze}"
            );
        }
    }
}

#[test]
fn blocks_begin_to_train_in_their_epoch_and_the_log_says_so() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(
        root.path(),
        &[
            "train.epochs=3",
            "augment={}",
            "model.freeze=backbone",
            "model.unfreeze=[{ from_epoch: 2, freeze: 2 }, { from_epoch: 3, freeze: none }]",
            "train.checkpoint.keep=9",
        ],
    )
    .0;
    assert!(finish(&run), "{}", log(&run));
    let all: Vec<Event> = events(&run)
        .into_iter()
        .map(|record| record.event)
        .collect();
    let trains: Vec<_> = all
        .iter()
        .filter_map(|event| match event {
            Event::Model(facts) => Some((0, facts.counts.total.trainable, facts.cached_features)),
            Event::Unfrozen(stage) => Some((stage.epoch, stage.counts.total.trainable, false)),
            _ => None,
        })
        .collect();
    // The head; with resnet18 behind its first stage; with all of it.
    let head = 512 * 16 + 16 + 32 + 16 * 9 + 9;
    let stem_and_first = 9408 + 128 + 4 * (36_864 + 128);
    assert_eq!(
        trains,
        [
            (0, head, true),
            (2, head + 11_176_512 - stem_and_first, false),
            (3, head + 11_176_512, false)
        ]
    );
    let frozen: Vec<_> = all
        .iter()
        .filter_map(|event| match event {
            Event::Frozen {
                tensors,
                before,
                after,
            } => Some((*tensors, before == after)),
            _ => None,
        })
        .collect();
    assert_eq!(frozen, [(100, true), (25, true)]);
    let state = state(&run);
    assert_eq!(
        state.model.unwrap().counts.total.trainable,
        head + 11_176_512
    );
    assert!(
        state.notes.iter().any(|note| note
            .text
            .contains("from epoch 2 on 2 of 5 blocks are frozen")),
        "{:?}",
        state.notes
    );
    // What moved in each epoch: the head's first layer always, the others from their epoch on.
    let saved: Vec<_> = checkpoint::steps(&Disk, &run)
        .unwrap()
        .iter()
        .map(|&step| {
            checkpoint::read(&Disk, &run.checkpoint(step))
                .unwrap()
                .model
        })
        .collect();
    let saved: Vec<_> = saved
        .iter()
        .map(|model| weights::parse(model).unwrap())
        .collect();
    assert_eq!(saved.len(), 3);
    for (name, moves) in [
        ("head.fc1.weight", [true, true]),
        ("layer4.1.conv2.weight", [true, true]),
        ("layer2.0.bn1.running_mean", [true, true]),
        ("conv1.weight", [false, true]),
        ("layer1.1.bn2.running_var", [false, true]),
    ] {
        let moved = [0, 1].map(|at| saved[at][name].data != saved[at + 1][name].data);
        assert_eq!(moved, moves, "{name}");
    }
}

#[test]
fn fine_tuning_starts_from_the_best_checkpoint_and_keeps_its_statistics() {
    let root = tempfile::tempdir().unwrap();
    let first = new_run(root.path(), &["model.freeze=backbone"]).0;
    assert!(finish(&first));
    let second = new_run(
        root.path(),
        &[
            "init={from: small}",
            "model.batch_norm=inference",
            "train.epochs=1",
        ],
    )
    .0;
    assert!(finish(&second), "{}", log(&second));
    let begun = state(&second);
    assert!(
        begun
            .model
            .unwrap()
            .weights
            .contains("best checkpoint of small")
    );
    assert_eq!(begun.started_from.unwrap().run, first.info().unwrap().id);
    let [before, after] = [last(&first).model, last(&second).model];
    let [before, after] = [
        weights::parse(&before).unwrap(),
        weights::parse(&after).unwrap(),
    ];
    let moved = |name: &str| before[name].data != after[name].data;
    assert!(
        moved("layer1.0.conv1.weight")
            && moved("layer1.0.bn1.weight")
            && moved("head.bn.running_mean")
    );
    assert!(!moved("layer1.0.bn1.running_mean") && !moved("layer4.1.bn2.running_var"));
}

#[test]
fn fine_tuning_on_another_split_warns_that_validation_is_optimistic() {
    let root = tempfile::tempdir().unwrap();
    assert!(finish(&new_run(root.path(), &["train.epochs=1"]).0));
    let told = |changes: &[&str]| {
        let run = new_run(
            root.path(),
            &[&["init={from: small}", "train.epochs=1"], changes].concat(),
        )
        .0;
        assert!(finish(&run), "{}", log(&run));
        let told = |event: &Event| matches!(event, Event::Note { text, .. } if text.contains("another way"));
        events(&run)
            .iter()
            .filter(|record| told(&record.event))
            .count()
    };
    assert_eq!(
        [
            told(&[]),
            told(&["seed=8"]),
            told(&["dataset.validation=0.2"])
        ],
        [0, 1, 1]
    );
}

#[test]
fn early_stopping_ends_a_run_that_does_not_improve() {
    let root = tempfile::tempdir().unwrap();
    let rule = "train.early_stopping={monitor: val_acc, patience: 2, min_delta: 1.0}";
    let run = new_run(
        root.path(),
        &["train.epochs=9", rule, "model.freeze=backbone"],
    )
    .0;
    assert!(finish(&run), "{}", log(&run));
    let state = state(&run);
    assert_eq!(
        (state.outcome, state.epochs.len()),
        (
            Some(Outcome::Finished {
                stopped_early: true
            }),
            3
        )
    );
}

#[test]
fn a_damaged_newest_checkpoint_is_skipped_and_reported() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path(), &[]).0;
    let straight = new_run(root.path(), &[]).0;
    assert!(finish(&straight));
    let mut child = start(&run);
    wait_for(
        &run,
        &mut child,
        |event| matches!(event, Event::Checkpoint(saved) if saved.epoch == 2),
    );
    child.kill().unwrap();
    child.wait().unwrap();
    let newest = run.checkpoint(10).join(checkpoint::MODEL);
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).unwrap();
    assert!(finish(&run), "{}", log(&run));
    let state = state(&run);
    assert_eq!(state.attempt.as_ref().unwrap().resumed_from, Some(5));
    assert!(
        state
            .notes
            .iter()
            .any(|note| note.text.contains("step-00000010 is damaged")),
        "{:?}",
        state.notes
    );
    assert_eq!(last(&run), last(&straight));
}

/// Starts a worker that cannot save, whatever the user's rights: a file is in the place of the checkpoint folder.
fn start_with_failing_saves(run: &RunDir) -> std::process::Child {
    let mut child = start(run);
    wait_for(run, &mut child, |event| matches!(event, Event::Dataset(_)));
    fs::write(run.checkpoints(), b"").unwrap();
    child
}

#[test]
fn a_best_checkpoint_that_could_not_be_saved_is_saved_later() {
    let root = tempfile::tempdir().unwrap();
    // The rate is so high that the second epoch is worse, and early stopping follows: no better checkpoint replaces the unsaved
    // one.
    let changes = [
        "train.epochs=3",
        "train.optimizer={name: adam, learning_rate: 0.2}",
        "train.early_stopping={monitor: val_acc, patience: 1}",
    ];
    let straight = new_run(root.path(), &changes).0;
    assert!(finish(&straight));
    assert_eq!(
        state(&straight)
            .epochs
            .iter()
            .map(|epoch| epoch.best)
            .collect::<Vec<_>>(),
        [true, false]
    );
    let run = new_run(root.path(), &changes).0;
    let mut child = start_with_failing_saves(&run);
    wait_for(&run, &mut child, |event| {
        matches!(event, Event::CheckpointFailed { .. })
    });
    fs::remove_file(run.checkpoints()).unwrap();
    assert!(child.wait().unwrap().success(), "{}", log(&run));
    assert_eq!(
        (last(&run), figures(&run)),
        (last(&straight), figures(&straight))
    );
    assert_eq!(
        state(&run).test.unwrap().loss.to_bits(),
        state(&straight).test.unwrap().loss.to_bits()
    );
}

#[test]
fn a_run_that_can_never_save_fails_with_the_reason_and_can_be_resumed() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path(), &["train.epochs=1"]).0;
    assert!(!start_with_failing_saves(&run).wait().unwrap().success());
    let (_, error, help) = failure(&run);
    assert!(
        error.contains("saving checkpoint") && error.contains("ckpt") && !help.is_empty(),
        "{error} / {help}"
    );
    fs::remove_file(run.checkpoints()).unwrap();
    assert!(finish(&run), "{}", log(&run));
}

#[test]
fn the_failed_save_that_ends_a_run_is_not_logged_as_one_that_training_survives() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path(), &["train.epochs=5"]).0;
    assert!(!start_with_failing_saves(&run).wait().unwrap().success());
    let events = events(&run);
    let survived = events
        .iter()
        .filter(|record| matches!(record.event, Event::CheckpointFailed { .. }));
    let epochs = events
        .iter()
        .filter(|record| matches!(record.event, Event::Epoch(_)));
    assert_eq!(survived.count(), epochs.count() - 1);
    let (_, error, _) = failure(&run);
    assert!(error.contains("ckpt"), "{error}");
}

#[test]
fn a_run_of_a_newer_version_is_not_called_another_folder() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path(), &[]).0;
    fs::write(run.path().join("run.json"), r#"{"format":4000000}"#).unwrap();
    let error = BestCheckpoint::load(run.path()).unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("use a newer warmstart") && !error.contains("not a run folder"),
        "{error}"
    );
}

#[test]
fn a_second_worker_on_a_run_is_refused_with_the_reason() {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path(), &["train.epochs=1"]).0;
    let mut first = start(&run);
    wait_for(&run, &mut first, |event| matches!(event, Event::Attempt(_)));
    assert!(!finish(&run));
    assert!(
        log(&run).contains("another worker is training run"),
        "{}",
        log(&run)
    );
    assert!(first.wait().unwrap().success());
    assert_eq!(
        state(&run).outcome,
        Some(Outcome::Finished {
            stopped_early: false
        })
    );
}

#[test]
fn bad_input_is_reported_with_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let garbage = root.path().join("garbage.safetensors");
    fs::write(&garbage, b"\x08\0\0\0\0\0\0\0{\"a\":1}").unwrap();
    let other = root.path().join("other.safetensors");
    fs::write(
        &other,
        weights::write(&[(
            "conv_stem.weight".to_owned(),
            tch::Tensor::zeros([2, 2], (tch::Kind::Float, tch::Device::Cpu)),
        )])
        .unwrap(),
    )
    .unwrap();
    let cifar = root.path().join("cifar");
    fs::create_dir(&cifar).unwrap();
    fs::write(cifar.join("train.bin"), vec![0; 3074]).unwrap();
    let cases = BTreeMap::from([
        (
            format!("model.weights={}", garbage.display()),
            "garbage.safetensors",
        ),
        (format!("model.weights={}", other.display()), "conv1.weight"),
        (
            format!("model.weights={}/none.safetensors", root.path().display()),
            "none.safetensors",
        ),
        (
            format!("dataset={{name: cifar100, path: {}}}", cifar.display()),
            "train.bin",
        ),
        (
            "dataset={name: cifar10, path: /nowhere}".to_owned(),
            "cifar10",
        ),
        (
            "init={from: nothing}".to_owned(),
            "no finished run of `nothing`",
        ),
    ]);
    for (change, sign) in cases {
        let run = new_run(root.path(), &["dataset.labels=fine", &change]).0;
        assert!(!finish(&run), "{change}");
        let (kind, error, help) = failure(&run);
        assert_eq!(kind, FailureKind::Input, "{change}: {error}");
        assert!(
            error.contains(sign) && !help.is_empty(),
            "{change}: {error} / {help}"
        );
        assert!(checkpoint::steps(&Disk, &run).unwrap().is_empty());
    }
}

#[test]
fn doctor_reports_libtorch_and_cuda() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_warmstart-worker"))
        .arg("doctor")
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let version = report["libtorch"].as_str().unwrap();
    // Absent where the user's own libtorch is used.
    let set_up =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.libtorch/build-version");
    if let Ok(wanted) = fs::read_to_string(set_up) {
        assert_eq!(version, wanted.trim(), "{report}");
    }
    let loaded = report["cuda"]["library"] == "loaded";
    // If libtorch loaded its CUDA library, it reports the version, with or without a GPU.
    assert_eq!(
        report["cuda"]["version"]
            .as_i64()
            .is_some_and(|version| version >= 13_000),
        loaded,
        "{report}"
    );
    assert!(!report["reason"].as_str().unwrap().is_empty());
}

#[test]
fn views_change_the_test_alone_and_say_how_many_they_are() {
    let root = tempfile::tempdir().unwrap();
    let run = |changes: &[&str]| {
        let run = new_run(root.path(), &[&["train.epochs=1"], changes].concat()).0;
        assert!(finish(&run), "{}", log(&run));
        run
    };
    let plain = run(&[]);
    let views = run(&["evaluate={ flip: true, five_crops: 0.8 }"]);
    assert_eq!(figures(&plain), figures(&views));
    let tests = [&plain, &views].map(|run| state(run).test.unwrap());
    assert_eq!(tests.clone().map(|test| test.views), [None, Some(10)]);
    assert_ne!(tests[0].loss.to_bits(), tests[1].loss.to_bits());
}

#[test]
fn a_sampler_draws_from_kept_features_and_keeps_the_length_of_an_epoch() {
    let root = tempfile::tempdir().unwrap();
    let frozen = ["model.freeze=backbone", "augment={}", "train.epochs=2"];
    let run = |changes: &[&str]| {
        let run = new_run(root.path(), &[&frozen, changes].concat()).0;
        assert!(finish(&run), "{}", log(&run));
        run
    };
    let (plain, kept) = (run(&[]), run(&["train.sampler=balanced"]));
    assert!(state(&kept).model.unwrap().cached_features);
    let steps = |run: &RunDir| {
        state(run)
            .epochs
            .iter()
            .map(|epoch| epoch.step)
            .collect::<Vec<_>>()
    };
    assert_eq!(steps(&plain), steps(&kept));
    assert_ne!(figures(&plain), figures(&kept));
}
