//! Weights in and out as safetensors. Loading checks every name, shape, kind and number first and copies afterwards, so a
//! refused file leaves the model as it was. tch's own loader does none of that, and libtorch's serializer aborts the
//! process when the disk is full.

mod format;
mod stated;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use tch::{Kind, Tensor};
use warmstart_schema::architecture::{Architecture, Backbone, HeadSpec, TensorSpec};
use warmstart_schema::text;

pub use format::{Dtype, Entries, Entry, metadata, parse, write, write_entries};
pub use stated::{Stated, stated};

use crate::model::{Model, NamedTensor};

/// More than any classifier here weighs, and less than fills a machine's memory.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// Classifiers that timm's pretrained files bring along; the study's head takes their place.
const FOREIGN_HEADS: [&str; 4] = ["classifier", "fc", "head", "head.fc"];

/// Which tensors a file must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadPolicy {
    /// The whole backbone. A head of the file's own and `num_batches_tracked` are left aside, the model keeps its head.
    Pretrained,
    /// Exactly the model's tensors.
    Exact,
}

/// Reads `path` and loads it into `model`.
pub fn load_into(model: &Model, path: &Path, policy: LoadPolicy) -> Result<()> {
    load_bytes(model, &read(path)?, policy).with_context(|| format!("cannot load {}", path.display()))
}

/// The bytes of a safetensors file; other formats are refused by name.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if ["pt", "pth", "ot", "bin", "ckpt", "pkl"].contains(&extension) {
        bail!(
            "{} is not loaded: a `.{extension}` file is a pickle, and opening a pickle runs whatever code is in it. \
             Convert it once, where you trust it: in Python, `safetensors.torch.save_file(state_dict, \
             \"weights.safetensors\")`, then name that file",
            path.display()
        );
    }
    let context = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(context)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).with_context(context)?;
    ensure!(bytes.len() as u64 <= MAX_FILE_BYTES, "{} is larger than {MAX_FILE_BYTES} bytes", path.display());
    Ok(bytes)
}

/// Loads the bytes of a safetensors file into `model`; on error the model is as it was.
pub fn load_bytes(model: &Model, bytes: &[u8], policy: LoadPolicy) -> Result<()> {
    let entries = parse(bytes)?;
    let wanted: Vec<&NamedTensor> = model.tensors().iter().filter(|t| policy.wants(&t.name)).collect();
    let names: Vec<&str> = wanted.iter().map(|t| t.name.as_str()).collect();
    check_names(model.spec().backbone, &entries, &names, policy)?;
    let mut fresh = Vec::with_capacity(wanted.len());
    for target in &wanted {
        let entry = &entries[target.name.as_str()];
        check_entry(&target.name, &target.tensor.size(), entry)?;
        let tensor = Tensor::f_from_data_size(entry.data, &entry.shape, Kind::Float)?;
        fresh.push(tensor.f_to_device(target.tensor.device())?);
    }
    tch::no_grad(|| {
        for (target, fresh) in wanted.iter().zip(&fresh) {
            target.tensor.shallow_clone().f_copy_(fresh)?;
        }
        Ok(())
    })
}

/// Whether `path` is a safetensors file that holds a whole backbone, and nothing that is not a finite float32.
pub fn check_pretrained(path: &Path, backbone: Backbone) -> Result<()> {
    let bytes = read(path)?;
    let entries = parse(&bytes)?;
    let architecture = Architecture::new(backbone);
    let names: Vec<&str> = architecture.tensors().map(|t| t.name.as_str()).collect();
    check_names(backbone, &entries, &names, LoadPolicy::Pretrained)?;
    architecture.tensors().try_for_each(|t| check_entry(&t.name, &t.shape, &entries[t.name.as_str()]))
}

/// The tensors of a checkpoint, which must be exactly the described ones.
pub fn parse_exactly<'a>(bytes: &'a [u8], backbone: Backbone, described: &[&TensorSpec]) -> Result<Entries<'a>> {
    let entries = parse(bytes)?;
    let names: Vec<&str> = described.iter().map(|tensor| tensor.name.as_str()).collect();
    check_names(backbone, &entries, &names, LoadPolicy::Exact)?;
    described.iter().try_for_each(|tensor| check_entry(&tensor.name, &tensor.shape, &entries[tensor.name.as_str()]))?;
    Ok(entries)
}

impl LoadPolicy {
    fn wants(self, name: &str) -> bool {
        self == Self::Exact || !HeadSpec::owns(name)
    }

    fn ignores(self, name: &str) -> bool {
        let layer = name.rsplit_once('.').map_or("", |(layer, _)| layer);
        // A head that warmstart exported, or anybody's `Sequential`, has numbered layers.
        let whole = layer.rsplit_once('.').filter(|(_, place)| place.bytes().all(|byte| byte.is_ascii_digit()));
        let is_foreign = FOREIGN_HEADS.contains(&whole.map_or(layer, |(whole, _)| whole));
        self == Self::Pretrained && (is_foreign || HeadSpec::owns(name) || name.ends_with(".num_batches_tracked"))
    }
}

fn check_names(backbone: Backbone, entries: &Entries<'_>, wanted: &[&str], policy: LoadPolicy) -> Result<()> {
    let expected: BTreeSet<_> = wanted.iter().copied().collect();
    let missing: Vec<_> = wanted.iter().copied().filter(|name| !entries.contains_key(*name)).collect();
    let extra: Vec<_> =
        entries.keys().map(String::as_str).filter(|name| !expected.contains(name) && !policy.ignores(name)).collect();
    if missing.is_empty() && extra.is_empty() {
        return Ok(());
    }
    let problem = match guess(entries) {
        Some(found) if found != backbone => format!("this file holds {found}, the experiment says {backbone}"),
        _ => format!("this file does not hold the tensors of {backbone}"),
    };
    let count = |what: &str, names: &[&str]| {
        names
            .first()
            .map(|first| format!("; {} {what}, first `{}`", names.len(), text::line(first, 120)))
            .unwrap_or_default()
    };
    let (missing, extra) = (count("missing", &missing), count("unexpected", &extra));
    bail!("{problem}{missing}{extra}. Name the backbone that the file was made for, or another file")
}

/// The backbone whose tensors the file has, by name and shape.
fn guess(entries: &Entries<'_>) -> Option<Backbone> {
    Backbone::ALL.into_iter().find(|&backbone| {
        Architecture::new(backbone).tensors().all(|t| entries.get(&t.name).is_some_and(|e| e.shape == t.shape))
    })
}

fn check_entry(name: &str, expected: &[i64], entry: &Entry<'_>) -> Result<()> {
    ensure!(
        entry.dtype == Dtype::F32,
        "tensor `{name}`: expected F32, found {:?}; convert the file to float32 first",
        entry.dtype
    );
    ensure!(
        entry.shape == expected,
        "tensor `{name}`: expected shape {expected:?}, found {}",
        format::sides(&entry.shape)
    );
    let finite = |number: &[u8]| number.try_into().is_ok_and(|bytes| f32::from_le_bytes(bytes).is_finite());
    if let Some(at) = entry.data.chunks_exact(4).position(|number| !finite(number)) {
        bail!("tensor `{name}`: number {at} is infinite or not a number; the file is damaged or its training diverged");
    }
    Ok(())
}
