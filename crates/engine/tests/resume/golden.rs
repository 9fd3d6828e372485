//! A10: runs of earlier versions. Each file in `data/golden` is the folder of a run as a version wrote it, in the format after which
//! the file is called; today's program must take up every one of them. None was released yet: the first is of today's format.
//!
//! The weights in them are numbers that repeat, because random ones do not compress; everything else is as a worker left it.
//! `WARMSTART_BLESS=1` writes the file of today's format, if there is none.

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

/// What a golden run must be found to hold.
#[derive(Debug, Deserialize, serde::Serialize, PartialEq)]
struct Expected {
    format: u32,
    /// Where its newest and its best checkpoint stand.
    step: u64,
    best_step: u64,
    /// Bits of the losses of its epochs.
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

/// A safetensors file of the same tensors, with numbers that repeat.
fn repeating(bytes: &[u8]) -> Vec<u8> {
    let tensors: Vec<(String, Tensor)> = weights::parse(bytes)
        .unwrap()
        .into_iter()
        .map(|(name, entry)| {
            let tensor = entry.tensor().unwrap();
            // A step's number stays; a variance is never negative.
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

/// Stops a run in its second epoch, exchanges its numbers, and packs it.
fn bless(target: &Path) {
    let root = root();
    let run = new_run(
        root.path(),
        &["train.epochs=3", "train.early_stopping=null"],
    );
    assert!(train(&run, &Interrupt::at_look(13)).unwrap());
    for step in checkpoint::steps(&Disk, &run).unwrap() {
        let mut content = checkpoint::read(&Disk, &run.checkpoint(step)).unwrap();
        content.model = repeating(&content.model);
        content.optimizer = repeating(&content.optimizer);
        checkpoint::save(&Disk, &run, &content, 9).unwrap();
    }
    // Whose machine it was is nobody's business.
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
fn runs_of_every_version_are_taken_up() {
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
