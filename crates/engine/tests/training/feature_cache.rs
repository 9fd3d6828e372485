//! Features of frozen backbones that one run keeps and another reads.

use std::fs;
use std::path::{Path, PathBuf};

use super::{events, last, log, new_run};
use crate::support::{SMALL, command};
use warmstart_engine::model::Model;
use warmstart_engine::{initial, weights};
use warmstart_runs::run::RunDir;
use warmstart_schema::event::Event;
use warmstart_schema::experiment;

const FROZEN: [&str; 2] = ["model.freeze=backbone", "augment={}"];

/// A run to its end with this cache folder, and what it says about features.
fn run(root: &Path, changes: &[&str], cache: &Path, limit: &str) -> (RunDir, Vec<String>) {
    let run = new_run(root, &[&FROZEN, changes].concat()).0;
    let mut command = command(&run);
    command
        .env("XDG_CACHE_HOME", cache)
        .env("WARMSTART_FEATURE_CACHE", limit);
    assert!(command.status().unwrap().success(), "{}", log(&run));
    let said = about_features(&run);
    (run, said)
}

fn about_features(run: &RunDir) -> Vec<String> {
    let notes = events(run)
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Note { text, .. } => Some(text),
            _ => None,
        });
    notes.filter(|text| text.contains("features")).collect()
}

fn files(cache: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(cache.join("warmstart/features"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|ending| ending == "safetensors")
        })
        .collect();
    files.sort();
    files
}

fn bits(run: &RunDir) -> (Vec<u8>, Vec<u8>) {
    let content = last(run);
    (content.model, content.optimizer)
}

const READ: [&str; 2] = [
    "features read from the cache: 60 validation images",
    "features read from the cache: 140 training images",
];

#[test]
fn a_run_that_reads_features_ends_with_the_bits_of_one_that_computes_them() {
    let root = tempfile::tempdir().unwrap();
    let cache = root.path().join("cache");
    let (computed, said) = run(root.path(), &[], &cache, "");
    assert_eq!(said, [""; 0]);
    assert_eq!(files(&cache).len(), 2);
    let (read, said) = run(root.path(), &[], &cache, "");
    assert_eq!(said, READ);
    assert_eq!(bits(&read), bits(&computed));
    let (off, said) = run(root.path(), &[], &cache, "off");
    assert_eq!((said.len(), bits(&off)), (0, bits(&computed)));
    // More training from the same features.
    let (_, said) = run(root.path(), &["train.epochs=3"], &cache, "");
    assert_eq!(said, READ);
}

#[test]
fn a_change_that_may_change_features_finds_none_in_the_cache() {
    let root = tempfile::tempdir().unwrap();
    let cache = root.path().join("cache");
    run(root.path(), &[], &cache, "");
    for change in [
        "train.batch_size=16",
        "seed=8",
        "input.resize=48",
        "train.precision=bfloat16",
        "dataset.limit=150",
        "dataset.labels=fine",
    ] {
        let (_, said) = run(root.path(), &[change, "train.epochs=1"], &cache, "");
        assert_eq!(said, [""; 0], "{change}");
    }
}

/// A whole `ResNet18` with random weights, as a file of published weights.
fn published(seed: u64) -> Vec<u8> {
    let small = experiment::parse(SMALL, "small.yaml").unwrap();
    let spec = initial::model_spec(&small, 9, 5);
    let model = Model::new(&spec, seed, tch::Device::Cpu).unwrap();
    let backbone = model
        .tensors()
        .iter()
        .filter(|named| !named.name.starts_with("head."));
    let tensors: Vec<_> = backbone
        .map(|named| (named.name.clone(), named.tensor.detach()))
        .collect();
    weights::write(&tensors).unwrap()
}

#[test]
fn weights_of_another_tag_have_features_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    let (folder, cache) = (root.path().join("weights"), root.path().join("cache"));
    fs::create_dir(&folder).unwrap();
    for (seed, tag) in [(1, "a1_in1k"), (2, "tv_in1k")] {
        let file = folder.join(format!("resnet18.{tag}.safetensors"));
        fs::write(file, published(seed)).unwrap();
    }
    let said = |weights: &str| {
        let chosen = format!("model.weights={weights}");
        let changes = ["train.epochs=1", chosen.as_str()];
        let run = new_run(root.path(), &[FROZEN, changes].concat()).0;
        let mut command = command(&run);
        command
            .env("XDG_CACHE_HOME", &cache)
            .env("WARMSTART_FEATURE_CACHE", "")
            .env("WARMSTART_WEIGHTS", &folder);
        assert!(command.status().unwrap().success(), "{}", log(&run));
        about_features(&run)
    };
    assert_eq!(said("imagenet"), [""; 0]);
    assert_eq!(said("tv_in1k"), [""; 0]);
    assert_eq!(files(&cache).len(), 4);
    // The same weights by their tag.
    assert_eq!(said("a1_in1k"), READ);
}

#[test]
fn a_damaged_file_is_reported_and_computed_again() {
    let root = tempfile::tempdir().unwrap();
    let cache = root.path().join("cache");
    let (computed, _) = run(root.path(), &[], &cache, "");
    for file in files(&cache) {
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
        fs::write(&file, bytes).unwrap();
    }
    let (again, said) = run(root.path(), &[], &cache, "");
    assert_eq!(said.len(), 2);
    assert!(
        said.iter().all(|text| text.contains("is damaged")),
        "{said:?}"
    );
    assert_eq!(bits(&again), bits(&computed));
    assert_eq!(run(root.path(), &[], &cache, "").1, READ);
}

#[test]
fn a_cache_that_cannot_be_written_or_is_too_small_costs_only_the_cache() {
    let root = tempfile::tempdir().unwrap();
    // A file where a folder is expected.
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    for (cache, limit) in [(&file, ""), (&root.path().join("cache"), "1kB")] {
        let (_, said) = run(root.path(), &["train.epochs=1"], cache, limit);
        let told = said
            .iter()
            .filter(|text| text.contains("features are not kept for other runs"));
        assert_eq!(told.count(), 2, "{said:?}");
    }
    let (_, said) = run(
        root.path(),
        &["train.epochs=1"],
        &root.path().join("cache"),
        "5 apples",
    );
    assert!(
        said.len() == 1 && said[0].contains("found 5 apples"),
        "{said:?}"
    );
}

#[test]
fn two_workers_at_once_leave_whole_files_and_equal_weights() {
    let root = tempfile::tempdir().unwrap();
    let cache = root.path().join("cache");
    let runs = [(); 2].map(|()| new_run(root.path(), &FROZEN).0);
    let workers: Vec<_> = runs
        .iter()
        .map(|run| command(run).env("XDG_CACHE_HOME", &cache).spawn().unwrap())
        .collect();
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    assert_eq!(bits(&runs[0]), bits(&runs[1]));
    assert_eq!(run(root.path(), &[], &cache, "").1, READ);
}
