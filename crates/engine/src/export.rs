//! A run's best checkpoint as a safetensors file that timm loads by name, with the class names beside it. The file says about
//! itself what a reader needs: backbone, normalization, size, and the lines of Python that load it.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use warmstart_schema::architecture::{Architecture, HeadSpec, TensorSpec};
use warmstart_schema::catalog::DatasetName;
use warmstart_schema::event::Failure;
use warmstart_schema::experiment::{Experiment, Interpolation};
use warmstart_schema::exported::{Answer, Exported};
use warmstart_schema::text;

use crate::best::Best;
use crate::failure::Blame;
use crate::initial::model_spec;
use crate::weights;

const EXTENSION: &str = "safetensors";
/// Lets everybody read what the user's mask does not forbid: it is made to be given away.
const MODE: u32 = 0o666;

/// Exports the run in `folder` to `output`: a file, a folder to put one into, or the current folder.
pub fn export(folder: &Path, output: Option<&Path>) -> Answer {
    answer(folder, output).map_or_else(
        |error| {
            let Blame { kind, error, help } = Blame::of(&error);
            Answer::Refused { kind, error, help }
        },
        Answer::Exported,
    )
}

fn answer(folder: &Path, output: Option<&Path>) -> Result<Exported> {
    let best = Best::of(folder)?;
    let file = place(output, &best)?;
    let labels = file.with_extension("labels.json");
    let mut names = serde_json::to_vec_pretty(&best.classes)?;
    names.push(b'\n');
    // An export that was killed leaves the names, which are written first.
    let is_file = labels.symlink_metadata().is_ok_and(|meta| meta.is_file());
    let has_labels = is_file && std::fs::read(&labels).is_ok_and(|found| found == names);
    for path in [&file, &labels] {
        if path.symlink_metadata().is_ok() && !(has_labels && path == &labels) {
            return Err(Blame::input(
                format!("{} is there already, and nothing is overwritten", shown(path)),
                "move it away, or name another file with --output",
            ));
        }
    }
    let load = python(&best, &file);
    let bytes = bytes(&best, &load)?;
    if !has_labels {
        write_new(&labels, &names)?;
    }
    write_new(&file, &bytes).inspect_err(|_| {
        // Labels of nothing would be in the way of the next try; the first error is the one to report.
        if !has_labels {
            let _ = std::fs::remove_file(&labels);
        }
    })?;
    let state = &best.content.state;
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    Ok(Exported {
        run: best.info.id,
        epoch: state.epoch,
        step: state.step,
        file,
        labels,
        bytes: bytes.len() as u64,
        sha256,
        load,
    })
}

/// The file to write. timm takes any other ending for a pickle.
fn place(output: Option<&Path>, best: &Best) -> Result<PathBuf> {
    // The experiment's file may be called anything at all.
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let stem: String = best.info.stem.chars().map(plain).collect();
    let name = format!("{}-{}.{EXTENSION}", stem.trim_start_matches(['.', '-']), best.info.id);
    match output {
        None => Ok(PathBuf::from(name)),
        Some(folder) if folder.is_dir() => Ok(folder.join(name)),
        Some(file) if file.extension().is_some_and(|extension| extension == EXTENSION) => Ok(file.to_path_buf()),
        Some(file) => Err(Blame::input(
            format!("{} does not end in .{EXTENSION}", shown(file)),
            format!(
                "name a file that does, or a folder; timm takes other endings for pickles. For example: --output {name}"
            ),
        )),
    }
}

/// The exported file's bytes: every tensor of the best checkpoint in its order, the head's in timm's place for a classifier.
pub fn bytes(best: &Best, load: &str) -> Result<Vec<u8>> {
    let Best { experiment, content, .. } = best;
    let backbone = experiment.model.backbone;
    let architecture = Architecture::new(backbone);
    let head = head(best);
    let head_tensors = head.tensors();
    let described: Vec<&TensorSpec> = architecture.tensors().chain(&head_tensors).collect();
    let entries = weights::parse_exactly(&content.model, backbone, &described)
        .with_context(|| format!("the best checkpoint of run {} cannot be exported", best.info.id))?;
    let classifier = backbone.classifier();
    let renamed = described.iter().map(|tensor| {
        let name = HeadSpec::sequential_name(&tensor.name, classifier).unwrap_or_else(|| tensor.name.clone());
        (name, &entries[tensor.name.as_str()])
    });
    weights::write_entries(&about(best, &head, load), &renamed.collect::<Vec<_>>())
}

/// What the file says about itself; where timm has a name for a thing it is that one. safetensors knows nothing but texts.
fn about(best: &Best, head: &HeadSpec, load: &str) -> BTreeMap<String, String> {
    let Best { info, experiment, content, .. } = best;
    let spec = model_spec(experiment, head.classes, 0);
    let side = experiment.pixels();
    let interpolation = match spec.interpolation {
        Interpolation::Nearest => "nearest",
        Interpolation::Bilinear => "bilinear",
    };
    [
        ("software", concat!("warmstart ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("run", info.id.to_string()),
        ("experiment", info.experiment.clone()),
        ("dataset", experiment.dataset.name.as_str().to_owned()),
        ("epoch", content.state.epoch.to_string()),
        ("step", content.state.step.to_string()),
        ("architecture", spec.backbone.to_string()),
        ("num_classes", head.classes.to_string()),
        ("num_features", head.features.to_string()),
        ("classifier", spec.backbone.classifier().to_owned()),
        ("head", sequential(head)),
        ("mean", format!("{:?}", spec.mean)),
        ("std", format!("{:?}", spec.std)),
        ("input_size", format!("[3, {side}, {side}]")),
        ("picture_size", picture_side(experiment).to_string()),
        ("interpolation", interpolation.to_owned()),
        ("crop_pct", "1.0".to_owned()),
        ("load", load.to_owned()),
    ]
    .map(|(key, text)| (key.to_owned(), text))
    .into()
}

/// Side in pixels that a picture has before the model resizes it: that of a published dataset, else the input's.
fn picture_side(experiment: &Experiment) -> u32 {
    match experiment.dataset.name {
        DatasetName::ImageFolder => experiment.pixels(),
        published => published.pixels(),
    }
}

fn head(best: &Best) -> HeadSpec {
    let model = &best.experiment.model;
    HeadSpec {
        features: Architecture::new(model.backbone).features,
        hidden: model.head.hidden as usize,
        classes: best.classes.len(),
        dropout: model.head.dropout,
    }
}

/// The head in `PyTorch`'s words.
fn sequential(head: &HeadSpec) -> String {
    let HeadSpec { features, hidden, classes, .. } = head;
    format!(
        "nn.Sequential(nn.Linear({features}, {hidden}), nn.ReLU(), nn.BatchNorm1d({hidden}), \
         nn.Linear({hidden}, {classes}))"
    )
}

/// Lines of Python that load `file` into timm's model, every tensor by its name.
fn python(best: &Best, file: &Path) -> String {
    let backbone = best.experiment.model.backbone;
    let name = text::line(&file.file_name().unwrap_or_default().to_string_lossy(), 300);
    // A name in JSON is one in Python.
    let name = serde_json::Value::from(name);
    format!(
        "import timm; from torch import nn; from safetensors.torch import load_file\n\
         model = timm.create_model(\"{backbone}\", num_classes=0)\n\
         model.{} = {}\n\
         model.load_state_dict(load_file({name})); model.eval()\n",
        backbone.classifier(),
        sequential(&head(best))
    )
}

/// Writes a file that was not there before: aside, synced, and put into its place as a whole.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let aside =
        || tempfile::Builder::new().prefix(".warmstart-").permissions(Permissions::from_mode(MODE)).tempfile_in(folder);
    let write = |mut file: NamedTempFile| {
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        std::fs::File::open(folder)?.sync_all()
    };
    aside().and_then(write).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> anyhow::Error {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "make its folder, or name another place with --output",
        io::ErrorKind::AlreadyExists => "move it away, or name another file with --output",
        _ => "make room or fix the permissions, or name another place with --output",
    };
    let error = format!("{} cannot be written: {error}", shown(path));
    Blame { kind: Failure::Disk, error, help: help.to_owned() }.into()
}

fn shown(path: &Path) -> String {
    text::line(&path.display().to_string(), 300)
}
