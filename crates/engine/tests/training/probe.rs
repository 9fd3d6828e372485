//! Runs that probe a frozen backbone instead of training a head.

use std::fs;
use std::path::Path;

use super::pictures::folder;
use super::{events, last, log, state};
use crate::support::command;
use warmstart_engine::best::BestCheckpoint;
use warmstart_engine::{export, predict};
use warmstart_runs::run::{Launch, RunDir};
use warmstart_schema::event::{Epoch, Event};
use warmstart_schema::experiment;
use warmstart_schema::state::Outcome;

const PROBE: &str = "
name: probe
seed: 7
dataset: { name: emoji98, validation: 0.3, labels: coarse, limit: 200 }
model: { backbone: resnet18, weights: random, freeze: backbone }
probe: { strengths: 6, neighbours: 7, batch_size: 32 }
";

/// Creates a run of [`PROBE`], with these `FIELD=VALUE` changes.
fn new_probe(root: &Path, changes: &[&str]) -> RunDir {
    let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
    let experiment = experiment::parse_with(PROBE, "probe.yaml", &changes).unwrap();
    let launch = Launch {
        experiment: &experiment,
        source: Path::new("probe.yaml"),
        device: "cpu",
    };
    RunDir::create(root, &launch).unwrap().0
}

/// Runs the worker with a cache folder of its own and these further arguments.
fn work(run: &RunDir, cache: &Path, arguments: &[&str]) {
    let mut command = command(run);
    command.args(arguments).env("XDG_CACHE_HOME", cache);
    assert!(command.status().unwrap().success(), "{}", log(run));
}

fn figures(run: &RunDir) -> Vec<(u64, u64)> {
    let bits = |epoch: &Epoch| (epoch.val_acc.to_bits(), epoch.train_loss.to_bits());
    state(run).epochs.iter().map(bits).collect()
}

#[test]
fn a_probe_tries_all_strengths_tests_the_best_and_can_be_used() {
    let root = tempfile::tempdir().unwrap();
    let cache = root.path().join("cache");
    let run = new_probe(root.path(), &[]);
    work(&run, &cache, &[]);
    let state = state(&run);
    assert!(matches!(state.outcome, Some(Outcome::Finished { .. })));
    let strengths: Vec<f64> = state.epochs.iter().filter_map(Epoch::strength).collect();
    assert_eq!(strengths.len(), 6);
    assert!((strengths[0] / 1e-6 - 1.0).abs() < 1e-9 && (strengths[5] / 1e5 - 1.0).abs() < 1e-9);
    // A weaker penalty fits the training images better.
    assert!(state.epochs[5].train_loss < state.epochs[0].train_loss);
    let best = state.best_epoch().unwrap();
    let most = state
        .epochs
        .iter()
        .map(|epoch| epoch.val_acc)
        .fold(0.0, f64::max);
    assert_eq!(best.val_acc.to_bits(), most.to_bits());
    let reached = state.neighbours.unwrap();
    // Of the usual numbers of neighbours, those below the 7 of the experiment are tried, and 7 itself.
    assert!([1, 5, 7].contains(&reached.k), "{reached:?}");
    assert!(state.frozen.unwrap().unchanged());
    let classes = u64::from(state.dataset.unwrap().classes);
    assert_eq!(
        state.model.unwrap().counts.total.trainable,
        classes * (512 + 1)
    );
    assert!(state.test.unwrap().loss.is_finite());

    // Predictions and the exported file are of the last fit, on training and validation images. It is one step after the six
    // strengths.
    let best = BestCheckpoint::load(run.path()).unwrap();
    assert_eq!(best.content.state.step, 7);
    let subject = predict::Subject::OfDataset {
        part: "test",
        number: "0",
    };
    let predicted = serde_json::to_string(&predict::predict(run.path(), &subject, false)).unwrap();
    assert!(predicted.contains("\"probability\""), "{predicted}");
    let file = root.path().join("model.safetensors");
    let exported = serde_json::to_string(&export::export(run.path(), Some(&file))).unwrap();
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{error}: {exported}"));
    let entries = warmstart_engine::weights::parse(&bytes).unwrap();
    assert_eq!(
        entries["fc.weight"].shape,
        [i64::try_from(classes).unwrap(), 512]
    );
}

#[test]
fn a_probe_that_stops_and_resumes_ends_with_the_bits_of_one_that_does_not() {
    let root = tempfile::tempdir().unwrap();
    let cache = root.path().join("cache");
    let straight = new_probe(root.path(), &[]);
    work(&straight, &cache, &[]);
    let broken = new_probe(root.path(), &[]);
    work(&broken, &cache, &["--stop-after", "3"]);
    assert_eq!(state(&broken).epochs.len(), 3);
    work(&broken, &cache, &[]);
    let attempt = state(&broken).attempt.unwrap();
    assert_eq!(
        (attempt.resumed_from, attempt.not_exact.len()),
        (Some(3), 0)
    );
    assert_eq!(figures(&broken), figures(&straight));
    let [one, other] = [last(&broken), last(&straight)];
    assert!(one.model == other.model && one.optimizer == other.optimizer);
    let [one, other] = [&broken, &straight].map(|run| state(run).test.unwrap());
    assert_eq!(one.loss.to_bits(), other.loss.to_bits());
    // The unbroken run computed the features. Both attempts of the broken one read them, each for training, validation and test.
    let read = events(&broken)
        .into_iter()
        .filter(|record| {
            matches!(&record.event, Event::Note { text, .. } if text.starts_with("features read from the cache"))
        });
    assert_eq!(read.count(), 2 * 3);
}

#[test]
fn a_picture_that_becomes_unreadable_is_left_out_with_a_note() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    folder(&data, &[""]);
    let dataset = format!("dataset={{name: image_folder, path: {}}}", data.display());
    let run = new_probe(root.path(), &[&dataset, "input.resize=32"]);
    work(&run, &root.path().join("cache"), &["--stop-after", "1"]);
    // With the size and time that the first attempt saw, the second does not check it before it computes features.
    let picture = data.join(&run.pictures().unwrap().unwrap().train[0].name);
    let before = fs::metadata(&picture).unwrap();
    fs::write(&picture, vec![0_u8; before.len().try_into().unwrap()]).unwrap();
    let file = fs::File::options().write(true).open(&picture).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    // The first attempt keeps its features in another cache.
    work(&run, &root.path().join("empty cache"), &[]);
    let expected = format!(
        "left out 1 picture that cannot be read: {}",
        picture.display()
    );
    let notes = state(&run).notes;
    assert!(
        notes.iter().any(|note| note.text.starts_with(&expected)),
        "{notes:?}"
    );
}
