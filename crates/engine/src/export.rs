//! A run's best checkpoint as a safetensors file that timm loads by name, with the class names and timm's configuration beside it. The file says about
//! itself what a reader needs: backbone, normalization, size, and the lines of Python that load it.

mod python;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use warmstart_runs::storage;
use warmstart_schema::architecture::{HeadSpec, InputSize, Stem, TensorSpec};
use warmstart_schema::event::FailureKind;
use warmstart_schema::experiment::{DatasetKind, Experiment, Interpolation};
use warmstart_schema::exported::{Answer, Exported};
use warmstart_schema::preparation::{Order, Preparation};
use warmstart_schema::text;

use self::python::{python, sequential};
use crate::best::BestCheckpoint;
use crate::failure::UserError;
use crate::weights;

const EXTENSION: &str = "safetensors";

/// Exports the run in `folder` to `output`: a file, a folder to put one into, or the current folder.
pub fn export(folder: &Path, output: Option<&Path>) -> Answer {
    answer(folder, output).map_or_else(
        |error| {
            let UserError { kind, error, help } = UserError::of(&error);
            Answer::Refused { kind, error, help }
        },
        Answer::Exported,
    )
}

fn answer(folder: &Path, output: Option<&Path>) -> Result<Exported> {
    let best = BestCheckpoint::load(folder)?;
    let file = place(output, &best)?;
    refuse_unless_text(&file)?;
    let labels = Companion::new(file.with_extension("labels.json"), &best.classes)?;
    let config = Companion::new(config_beside(&file), &config(&best))?;
    let missing: Vec<&Companion> = [&labels, &config]
        .into_iter()
        .filter(|companion| !companion.is_written())
        .collect();
    refuse_to_overwrite(
        std::iter::once(&*file).chain(missing.iter().map(|companion| &*companion.path)),
    )?;
    let load = python(&best, &file);
    let bytes = bytes(&best, &load)?;
    write((&file, &bytes), &missing)?;
    let state = &best.content.state;
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    Ok(Exported {
        run: best.info.id,
        epoch: state.epoch,
        step: state.step,
        file,
        labels: labels.path,
        config: Some(config.path),
        bytes: bytes.len() as u64,
        sha256,
        load,
    })
}

/// A JSON file beside the exported model.
struct Companion {
    path: PathBuf,
    text: Vec<u8>,
}

impl Companion {
    fn new(path: PathBuf, value: &impl serde::Serialize) -> Result<Self> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        Ok(Self { path, text })
    }

    /// Whether the file is there with the same content: an export that was killed may have left it.
    fn is_written(&self) -> bool {
        let is_file = self
            .path
            .symlink_metadata()
            .is_ok_and(|meta| meta.is_file());
        is_file && std::fs::read(&self.path).is_ok_and(|found| found == self.text)
    }
}

/// The answer and the lines of Python name the file, and both are text.
fn refuse_unless_text(file: &Path) -> Result<()> {
    if file.to_str().is_some() {
        return Ok(());
    }
    Err(UserError::input(
        format!("this path is not text (UTF-8): {}", shown(file)),
        "name another file with --output",
    ))
}

fn refuse_to_overwrite<'a>(mut paths: impl Iterator<Item = &'a Path>) -> Result<()> {
    match paths.find(|path| path.symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(path) => Err(UserError::input(
            format!(
                "{} is there already, and nothing is overwritten",
                shown(path)
            ),
            "move it away, or name another file with --output",
        )),
    }
}

/// Writes the companions, then the model. After an error, none of them is left: without the model they would block the next export.
fn write((file, bytes): (&Path, &[u8]), companions: &[&Companion]) -> Result<()> {
    let mut fresh: Vec<&Path> = Vec::new();
    let mut write_all = || {
        for Companion { path, text } in companions {
            storage::create(path, text).map_err(|error| cannot_write(path, &error))?;
            fresh.push(path);
        }
        storage::create(file, bytes).map_err(|error| cannot_write(file, &error))
    };
    write_all().inspect_err(|_| {
        // The first error is the one to report.
        for path in &fresh {
            let _ = std::fs::remove_file(path);
        }
    })
}

/// The path of the configuration: the hub's name next to `model.safetensors`, else the file's name.
fn config_beside(file: &Path) -> PathBuf {
    if file
        .file_name()
        .is_some_and(|name| name == "model.safetensors")
    {
        file.with_file_name("config.json")
    } else {
        file.with_extension("config.json")
    }
}

/// The file to write.
fn place(output: Option<&Path>, best: &BestCheckpoint) -> Result<PathBuf> {
    // The experiment's file may be called anything at all.
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let stem: String = best.info.stem.chars().map(plain).collect();
    let name = format!(
        "{}-{}.{EXTENSION}",
        stem.trim_start_matches(['.', '-']),
        best.info.id
    );
    match output {
        None => Ok(PathBuf::from(name)),
        Some(folder) if folder.is_dir() => Ok(folder.join(name)),
        Some(file)
            if file
                .extension()
                .is_some_and(|extension| extension == EXTENSION) =>
        {
            Ok(file.to_path_buf())
        }
        // timm takes any other ending for a pickle.
        Some(file) => Err(UserError::input(
            format!(
                "{} is no folder, and does not end in .{EXTENSION}",
                shown(file)
            ),
            format!("make the folder first, or name a file such as {name}"),
        )),
    }
}

/// The exported file's bytes: every tensor of the best checkpoint in its order, the head's in timm's place for a classifier.
pub fn bytes(best: &BestCheckpoint, load: &str) -> Result<Vec<u8>> {
    let BestCheckpoint {
        experiment,
        content,
        ..
    } = best;
    let backbone = experiment.model.backbone;
    let architecture = experiment.model.architecture();
    let head = head(best);
    let head_tensors = head.tensors();
    let described: Vec<&TensorSpec> = architecture.tensors().chain(&head_tensors).collect();
    let entries =
        weights::parse_exactly(&content.model, backbone, &described).with_context(|| {
            format!(
                "the best checkpoint of run {} cannot be exported",
                best.info.id
            )
        })?;
    let classifier = backbone.classifier();
    let renamed = described.iter().map(|tensor| {
        let name = if head.is_linear() {
            HeadSpec::linear_name(&tensor.name, classifier)
        } else {
            HeadSpec::sequential_name(&tensor.name, classifier)
        };
        let name = name.unwrap_or_else(|| tensor.name.clone());
        (name, &entries[tensor.name.as_str()])
    });
    weights::write_entries(&metadata(best, &head, load), &renamed.collect::<Vec<_>>())
}

/// The metadata of the safetensors file, which allows only texts. Keys are timm's where timm has one.
fn metadata(best: &BestCheckpoint, head: &HeadSpec, load: &str) -> BTreeMap<String, String> {
    let BestCheckpoint {
        info,
        experiment,
        content,
        ..
    } = best;
    let backbone = experiment.model.backbone;
    let preparation = best.preparation();
    let Preparation {
        side,
        mean,
        std,
        crop_pct,
        interpolation,
        ..
    } = &preparation;
    let mut facts: BTreeMap<String, String> = [
        (
            "software",
            concat!("warmstart ", env!("CARGO_PKG_VERSION")).to_owned(),
        ),
        ("run", info.id.to_string()),
        ("experiment", info.experiment.clone()),
        ("dataset", experiment.dataset.name().as_str().to_owned()),
        ("epoch", content.state.epoch.to_string()),
        ("step", content.state.step.to_string()),
        ("architecture", backbone.to_string()),
        ("num_classes", head.classes.to_string()),
        ("num_features", head.features.to_string()),
        ("classifier", backbone.classifier().to_owned()),
        ("head", sequential(head)),
        ("mean", format!("{mean:?}")),
        ("std", format!("{std:?}")),
        ("input_size", format!("[3, {side}, {side}]")),
        (
            "picture_size",
            picture_side(experiment, &preparation).to_string(),
        ),
        ("interpolation", interpolation.as_str().to_owned()),
        ("crop_pct", format!("{crop_pct:?}")),
        ("crop_mode", "center".to_owned()),
        (
            "antialias",
            is_antialiased(experiment, &preparation).to_string(),
        ),
        ("exif", "transposed".to_owned()),
        ("background", "white".to_owned()),
        ("load", load.to_owned()),
    ]
    .map(|(key, text)| (key.to_owned(), text))
    .into();
    if experiment.model.stem != Stem::Original {
        facts.insert("stem".to_owned(), experiment.model.stem.to_string());
    }
    if experiment.evaluate.views() > 1 {
        // The run's test averaged these views; the file holds the model alone.
        facts.insert("test_views".to_owned(), experiment.evaluate.to_string());
    }
    if let Some(note) = beyond_timm(experiment, &preparation) {
        facts.insert("preparation".to_owned(), note.to_owned());
    }
    facts
}

/// The same in the form of timm's `config.json`, which `resolve_data_config` reads.
pub fn config(best: &BestCheckpoint) -> Value {
    let head = head(best);
    let Preparation {
        side,
        mean,
        std,
        crop_pct,
        interpolation,
        ..
    } = best.preparation();
    let backbone = best.experiment.model.backbone;
    // A float32 in decimal, not the float64 next to it.
    let decimal =
        |values: [f32; 3]| values.map(|value| value.to_string().parse::<f64>().unwrap_or_default());
    json!({
        "architecture": backbone.as_str(),
        "num_classes": head.classes,
        "num_features": head.features,
        "label_names": best.classes,
        "pretrained_cfg": {
            "input_size": [3, side, side],
            "fixed_input_size": backbone.input_size() != InputSize::Any,
            "interpolation": interpolation.as_str(),
            "crop_pct": crop_pct,
            "crop_mode": "center",
            "mean": decimal(mean),
            "std": decimal(std),
            "num_classes": head.classes,
            "classifier": backbone.classifier(),
        },
        "warmstart": {
            "antialias": is_antialiased(&best.experiment, &best.preparation()),
            "exif": "transposed",
            "background": "white",
            "picture_size": picture_side(&best.experiment, &best.preparation()),
            "preparation": beyond_timm(&best.experiment, &best.preparation()),
        },
    })
}

/// Side in pixels that a picture has before the model resizes it: that of a published dataset, else the input's.
fn picture_side(experiment: &Experiment, preparation: &Preparation) -> u32 {
    match experiment.dataset.kind {
        DatasetKind::ImageFolder(_) => preparation.side,
        DatasetKind::Emoji98 { .. }
        | DatasetKind::Cifar100 { .. }
        | DatasetKind::Cifar10 { .. } => experiment.dataset.name().pixels(),
    }
}

fn is_antialiased(experiment: &Experiment, preparation: &Preparation) -> bool {
    let own = experiment.dataset.folder().is_some();
    match preparation.interpolation {
        Interpolation::Nearest => false,
        Interpolation::Bilinear => own,
        Interpolation::Bicubic => true,
    }
}

/// How pictures are prepared where timm's transform alone, made of the other facts, would prepare them otherwise.
fn beyond_timm(experiment: &Experiment, preparation: &Preparation) -> Option<&'static str> {
    let (from, to) = (picture_side(experiment, preparation), preparation.side);
    match experiment.dataset.kind {
        DatasetKind::ImageFolder(_) => match preparation.order {
            Order::ResizeFirst => None,
            Order::CropFirst => Some(
                "the largest centred square is cut out before it is resized; of pictures that are not square, timm's transform \
                 keeps up to half a pixel more to one side. The lines in `load` do it exactly",
            ),
        },
        DatasetKind::Emoji98 { .. }
        | DatasetKind::Cifar100 { .. }
        | DatasetKind::Cifar10 { .. } => match preparation.interpolation {
            Interpolation::Nearest if to % from != 0 => Some(
                "resized by torch.nn.functional.interpolate, which takes other pixels than Pillow does. The lines in `load` do it exactly",
            ),
            Interpolation::Nearest | Interpolation::Bilinear | Interpolation::Bicubic => None,
        },
    }
}

fn head(best: &BestCheckpoint) -> HeadSpec {
    let model = &best.experiment.model;
    HeadSpec {
        features: model.architecture().features,
        hidden: best.experiment.head_width() as usize,
        classes: best.classes.len(),
        dropout: model.head.dropout,
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> anyhow::Error {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "make its folder, or name another place with --output",
        io::ErrorKind::AlreadyExists => "move it away, or name another file with --output",
        _ => "make room or fix the permissions, or name another place with --output",
    };
    let error = format!("{} cannot be written: {error}", shown(path));
    UserError {
        kind: FailureKind::Disk,
        error,
        help: help.to_owned(),
    }
    .into()
}

fn shown(path: &Path) -> String {
    text::line(&path.display().to_string(), 300)
}
