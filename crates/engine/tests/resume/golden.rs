//! Run folders of earlier versions. Each file in `data/golden` is a run folder as one version wrote it, named after its format.
//! Today's program must resume all of them. No version has been released yet: the first file has today's format.
//!
//! The weights are numbers that repeat, because random numbers do not compress. Everything else is as the worker wrote it.
//! `WARMSTART_BLESS=1` writes the file of today's format if it is missing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tch::Tensor;
use warmstart_engine::interrupt::Interrupt;
use warmstart_engine::weights;
use warmstart_runs::checkpoint;
use warmstart_runs::run::{self, RunDir};
use warmstart_runs::storage::Disk;
use warmstart_runs::survey;
use warmstart_schema::state::Outcome;

use super::support::{events, log, state};
use super::tiny::{alone, new_run, root, train};

/// What a golden run must contain.
#[derive(Debug, Deserialize, serde::Serialize, PartialEq)]
struct Expected {
    format: u32,
    /// Steps of the newest and the best checkpoint.
    step: u64,
    best_step: u64,
    /// Bits of the validation loss of each epoch.
    val_loss: Vec<u64>,
    /// SHA-256 of the newest checkpoint's files.
    model: String,
    optimizer: String,
    classes: Vec<String>,
    events: usize,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden")
}

fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn found(run: &RunDir) -> Expected {
    let content = checkpoint::newest(&Disk, run).unwrap().0.unwrap();
    let best = checkpoint::best(&Disk, run).unwrap().unwrap();
    Expected {
        format: run.info().unwrap().format,
        step: content.state.step,
        best_step: best.state.step,
        val_loss: state(run)
            .epochs
            .iter()
            .map(|epoch| epoch.val_loss.to_bits())
            .collect(),
        model: hash(&content.model),
        optimizer: hash(&content.optimizer),
        classes: run.labels().unwrap().unwrap().names,
        events: events(run).len(),
    }
}

/// A safetensors file with the same tensor names and shapes, and numbers that repeat.
fn repeating(bytes: &[u8]) -> Vec<u8> {
    let tensors: Vec<(String, Tensor)> = weights::parse(bytes)
        .unwrap()
        .into_iter()
        .map(|(name, entry)| {
            let tensor = entry.tensor().unwrap();
            // Integer tensors, such as the step count, keep their values. No number is negative, because a variance never is.
            let numbers = Tensor::arange(
                i64::try_from(tensor.numel()).unwrap(),
                (tensor.kind(), tch::Device::Cpu),
            )
            .remainder(13)
                / 64;
            let tensor = if tensor.kind() == tch::Kind::Float {
                numbers.view_as(&tensor)
            } else {
                tensor
            };
            (name, tensor.to_kind(entry.tensor().unwrap().kind()))
        })
        .collect();
    weights::write(&tensors).unwrap()
}

/// Stops a run in its second epoch, replaces its numbers, and packs it.
fn bless(target: &Path) {
    let root = root();
    let run = new_run(
        root.path(),
        &["train.epochs=3", "train.early_stopping=null"],
    );
    assert!(train(&run, &Interrupt::at_poll(13)).unwrap());
    for step in checkpoint::steps(&Disk, &run).unwrap() {
        let mut content = checkpoint::read(&Disk, &run.checkpoint(step)).unwrap();
        content.model = repeating(&content.model);
        content.optimizer = repeating(&content.optimizer);
        checkpoint::save(&Disk, &run, &content, 9).unwrap();
    }
    // The file must not contain the name of the machine that made it.
    let host = warmstart_runs::launcher::local::host();
    let told = fs::read_to_string(run.events())
        .unwrap()
        .replace(&format!("\"{host}\""), "\"golden\"");
    fs::write(run.events(), told).unwrap();
    let expected = serde_json::to_string_pretty(&found(&run)).unwrap() + "\n";
    let mut packed = tar::Builder::new(GzEncoder::new(
        File::create(target).unwrap(),
        Compression::best(),
    ));
    packed
        .append_dir_all(run.path().file_name().unwrap(), run.path())
        .unwrap();
    packed.into_inner().unwrap().finish().unwrap();
    fs::write(target.with_extension("").with_extension("json"), expected).unwrap();
}

#[test]
fn runs_of_every_format_resume() {
    let _alone = alone();
    let (folder, root) = (folder(), root());
    let today = folder.join(format!("format-{}.tar.gz", run::FORMAT));
    if std::env::var_os("WARMSTART_BLESS").is_some() && !today.exists() {
        fs::create_dir_all(&folder).unwrap();
        bless(&today);
    }
    assert!(
        today.exists(),
        "WARMSTART_BLESS=1 writes {}",
        today.display()
    );
    let packed: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "gz"))
        .collect();
    for path in &packed {
        let root = root.path().join(path.file_name().unwrap());
        tar::Archive::new(GzDecoder::new(File::open(path).unwrap()))
            .unpack(&root)
            .unwrap();
        let run = RunDir::of(&root, &survey::list(&root).unwrap()[0]);
        let beside = fs::read_to_string(path.with_extension("").with_extension("json")).unwrap();
        let expected: Expected = serde_json::from_str(&beside).unwrap();
        assert_eq!(found(&run), expected, "{}", path.display());
        assert_eq!(state(&run).outcome, Some(Outcome::Stopped));

        assert!(train(&run, &Interrupt::default()).unwrap(), "{}", log(&run));
        let done = state(&run);
        assert_eq!(
            done.outcome,
            Some(Outcome::Finished {
                stopped_early: false
            })
        );
        assert_eq!(done.attempt.unwrap().resumed_from, Some(expected.step));
        assert_eq!(done.epochs[0].val_loss.to_bits(), expected.val_loss[0]);
    }
    println!(
        "FIGURE A10\trun folders of all formats so far (none released yet), loaded to the bit and resumed\t{}\tall\tok",
        packed.len()
    );
}

#[test]
fn a_run_of_a_later_version_is_refused_with_both_versions() {
    let _alone = alone();
    let root = root();
    let run = new_run(
        root.path(),
        &["train.epochs=2", "train.early_stopping=null"],
    );
    let path = run.path().join("run.json");
    let later = fs::read_to_string(&path)
        .unwrap()
        .replace(&format!("\"format\": {}", run::FORMAT), "\"format\": 7");
    fs::write(&path, later).unwrap();
    let error = format!("{:#}", train(&run, &Interrupt::default()).unwrap_err());
    assert!(
        error.contains("format 7") && error.contains(&format!("up to {}", run::FORMAT)),
        "{error}"
    );
    assert!(!run.events().exists() && checkpoint::steps(&Disk, &run).unwrap().is_empty());
}
