//! Weights in and out as safetensors. Loading checks every name, shape, kind and number first and copies afterwards, so a
//! refused file leaves the model as it was. tch's own loader does none of that, and libtorch's serializer aborts the
//! process when the disk is full.

mod format;
mod kind;
mod stated;
mod stem;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use tch::{Kind, Tensor};
use warmstart_schema::architecture::{Architecture, Backbone, HeadSpec, Stem, TensorSpec};
use warmstart_schema::text;

pub use format::{Dtype, Entries, Entry, metadata, parse, write, write_entries};
pub use stated::{SaidOf, stated, stated_preparation};

use crate::model::Model;

/// More than any classifier here weighs, and less than fills a machine's memory.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// The classifiers in timm's pretrained files. The model keeps its own head instead.
const CLASSIFIERS: [&str; 4] = ["classifier", "fc", "head", "head.fc"];

/// Which tensors a file must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadPolicy {
    /// The whole backbone. The file's head and `num_batches_tracked` are left out, and the model keeps its head.
    Pretrained,
    /// Exactly the model's tensors.
    Exact,
}

/// The bytes of a file of weights, at most 4 GiB. Refuses what is no file, and what its content shows to be of another format.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let context = || format!("cannot read {}", path.display());
    // Opening a pipe would wait for its writer.
    let is_file = std::fs::metadata(path).with_context(context)?.is_file();
    ensure!(
        is_file,
        "the weights are a folder, a pipe or a device, not a file: {}",
        path.display()
    );
    let file = File::open(path).with_context(context)?;
    let length = file.metadata().with_context(context)?.len();
    ensure!(
        length <= MAX_FILE_BYTES,
        "the file of weights has more than {} GiB: {}",
        MAX_FILE_BYTES >> 30,
        path.display()
    );
    let mut bytes = Vec::new();
    file.take(length)
        .read_to_end(&mut bytes)
        .with_context(context)?;
    kind::refuse_others(path, &bytes)?;
    Ok(bytes)
}

/// A backbone's tensors in a file, under the backbone's own names.
#[derive(Debug)]
pub struct Fitted<'a> {
    pub entries: Entries<'a>,
    /// The changes that make them fit.
    pub notes: Vec<String>,
    /// Names of tensors whose shape another `model.stem` changes: the model keeps its random ones.
    pub not_loaded: Vec<String>,
}

/// Prefixes that `DataParallel`, `torch.compile` and trainers put before the names of tensors, with a dot after each, in any order.
const WRAPPERS: [&str; 8] = [
    "module",
    "model",
    "_orig_mod",
    "backbone",
    "encoder",
    "net",
    "network",
    "state_dict",
];

/// The tensors of a whole backbone in the bytes of a safetensors file, without the prefixes of wrappers. An error where a name, a shape
/// or a number format differs, or a number is not finite.
pub fn fitted(bytes: &[u8], backbone: Backbone, stem: Stem) -> Result<Fitted<'_>> {
    let architecture = Architecture::with_stem(backbone, stem);
    let replaced = stem::replaced(backbone, stem);
    let described: Vec<&TensorSpec> = architecture.tensors().collect();
    let names: Vec<&str> = described
        .iter()
        .map(|tensor| tensor.name.as_str())
        .collect();
    let (entries, mut notes) = unwrapped(parse(bytes)?, &names)?;
    check_names(backbone, &entries, &names, LoadPolicy::Pretrained)?;
    let (mut formats, mut not_loaded) = (BTreeSet::new(), Vec::new());
    for tensor in described {
        let entry = &entries[tensor.name.as_str()];
        if stem::is_replaced(&replaced, &tensor.name, entry) {
            notes.push(format!(
                "model.stem: {stem}: `{}` begins with random weights, because those of {backbone} are {}, not {}",
                tensor.name,
                format::sides(&entry.shape),
                format::sides(&tensor.shape)
            ));
            not_loaded.push(tensor.name.clone());
            continue;
        }
        check_shape(&tensor.name, &tensor.shape, entry)?;
        drop(float32(&tensor.name, entry)?);
        if let Some((_, words)) = float_format(entry.dtype).filter(|(kind, _)| *kind != Kind::Float)
        {
            formats.insert(words);
        }
    }
    if !formats.is_empty() {
        let formats: Vec<&str> = formats.into_iter().collect();
        notes.push(format!(
            "the weights are {}; they are used as float32",
            formats.join(" and ")
        ));
    }
    Ok(Fitted {
        entries,
        notes,
        not_loaded,
    })
}

/// Removes the wrappers' prefix from the names of tensors, and leaves out those without it; also notes that say so. An error where all
/// wanted tensors are below two prefixes.
fn unwrapped<'a>(entries: Entries<'a>, wanted: &[&str]) -> Result<(Entries<'a>, Vec<String>)> {
    let is_whole = |prefix: &str| {
        wanted
            .iter()
            .all(|name| entries.contains_key(&format!("{prefix}{name}")))
    };
    let Some(&first) = wanted.first() else {
        return Ok((entries, Vec::new()));
    };
    let is_wrapping = |prefix: &str| {
        prefix
            .strip_suffix('.')
            .is_some_and(|words| words.split('.').all(|word| WRAPPERS.contains(&word)))
    };
    let prefixes: Vec<String> = entries
        .keys()
        .filter_map(|name| name.strip_suffix(first))
        .filter(|prefix| is_wrapping(prefix))
        .map(str::to_owned)
        .collect();
    let whole: Vec<&String> = prefixes.iter().filter(|prefix| is_whole(prefix)).collect();
    let prefix = match (&prefixes[..], &whole[..]) {
        _ if is_whole("") => return Ok((entries, Vec::new())),
        (_, [one]) => (*one).clone(),
        // Something is missing: report it under the names that the model expects.
        ([one], []) => one.clone(),
        (_, []) => return Ok((entries, Vec::new())),
        (_, [one, other, ..]) => {
            bail!(
                "the file holds the backbone twice, below `{one}` and below `{other}`; keep one of them"
            )
        }
    };
    let (mut inside, mut outside) = (Entries::new(), Vec::new());
    for (name, entry) in entries {
        match name.strip_prefix(&prefix) {
            Some(rest) => {
                inside.insert(rest.to_owned(), entry);
            }
            None => outside.push(name),
        }
    }
    let mut notes = vec![format!(
        "the names of the weights begin with `{prefix}`, which is taken off"
    )];
    if let Some(first) = outside.first() {
        let (count, first) = (outside.len(), text::line(first, 120));
        notes.push(format!(
            "tensors outside of `{prefix}` are left aside: {count}, first `{first}`"
        ));
    }
    Ok((inside, notes))
}

/// A floating-point format as libtorch's kind and in words; `None` for other formats.
fn float_format(dtype: Dtype) -> Option<(Kind, &'static str)> {
    match dtype {
        Dtype::F16 => Some((Kind::Half, "float16")),
        Dtype::Bf16 => Some((Kind::BFloat16, "bfloat16")),
        Dtype::F32 => Some((Kind::Float, "float32")),
        Dtype::F64 => Some((Kind::Double, "float64")),
        _ => None,
    }
}

/// An entry's numbers as float32 on the CPU, all of them finite.
fn float32(name: &str, entry: &Entry<'_>) -> Result<Tensor> {
    let (kind, _) = float_format(entry.dtype).with_context(|| {
        format!(
            "tensor `{name}`: expected floating-point numbers (F16, BF16, F32 or F64), found {:?}",
            entry.dtype
        )
    })?;
    if entry.dtype == Dtype::F32 {
        check_finite(name, entry)?;
    }
    let tensor =
        Tensor::f_from_data_size(entry.data, &entry.shape, kind)?.f_to_kind(Kind::Float)?;
    if entry.dtype != Dtype::F32 {
        let finite = i64::try_from(&tensor.f_isfinite()?.f_all()?)?;
        ensure!(
            finite == 1,
            "tensor `{name}`: a number is infinite or not a number as float32; the file is damaged or its training diverged"
        );
    }
    Ok(tensor)
}

/// Loads a backbone from the bytes of a safetensors file into `model`, whose head stays; on error the model is as it was. Returns
/// [`Fitted::notes`].
pub fn load_fitted(model: &Model, bytes: &[u8]) -> Result<Vec<String>> {
    let spec = model.spec();
    let fitted = fitted(bytes, spec.backbone, spec.stem)?;
    fitted.load_into(model)?;
    Ok(fitted.notes)
}

impl Fitted<'_> {
    /// Copies the tensors into `model`, which must have the backbone and the stem of [`fitted`]. Its head stays.
    pub fn load_into(&self, model: &Model) -> Result<()> {
        let wanted = model.tensors().iter().filter(|tensor| {
            !HeadSpec::owns(&tensor.name) && !self.not_loaded.contains(&tensor.name)
        });
        tch::no_grad(|| {
            for target in wanted {
                let fresh = float32(&target.name, &self.entries[target.name.as_str()])?;
                target.tensor.shallow_clone().f_copy_(&fresh)?;
            }
            Ok(())
        })
    }
}

/// Loads the bytes of a safetensors file into `model`; on error the model is as it was.
pub fn load_bytes(model: &Model, bytes: &[u8], policy: LoadPolicy) -> Result<()> {
    if policy == LoadPolicy::Pretrained {
        return load_fitted(model, bytes).map(drop);
    }
    let entries = parse(bytes)?;
    let wanted = model.tensors();
    let names: Vec<&str> = wanted.iter().map(|t| t.name.as_str()).collect();
    check_names(model.spec().backbone, &entries, &names, policy)?;
    let mut fresh = Vec::with_capacity(wanted.len());
    for target in wanted {
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

/// An error unless `path` is a safetensors file with the whole backbone, all of its numbers finite.
pub fn check_pretrained(path: &Path, backbone: Backbone) -> Result<()> {
    fitted(&read(path)?, backbone, Stem::Original).map(drop)
}

/// The tensors of a checkpoint; an error unless they are exactly those that are described, in finite float32.
pub fn parse_exactly<'a>(
    bytes: &'a [u8],
    backbone: Backbone,
    described: &[&TensorSpec],
) -> Result<Entries<'a>> {
    let entries = parse(bytes)?;
    let names: Vec<&str> = described
        .iter()
        .map(|tensor| tensor.name.as_str())
        .collect();
    check_names(backbone, &entries, &names, LoadPolicy::Exact)?;
    described.iter().try_for_each(|tensor| {
        check_entry(&tensor.name, &tensor.shape, &entries[tensor.name.as_str()])
    })?;
    Ok(entries)
}

impl LoadPolicy {
    /// Whether a file may have a tensor of this name besides those of the model.
    fn ignores(self, name: &str) -> bool {
        let layer = name.rsplit_once('.').map_or("", |(layer, _)| layer);
        // A head that warmstart exported, or any other `Sequential`, has numbered layers.
        let whole = layer
            .rsplit_once('.')
            .filter(|(_, place)| place.bytes().all(|byte| byte.is_ascii_digit()));
        let is_foreign = CLASSIFIERS.contains(&whole.map_or(layer, |(whole, _)| whole));
        self == Self::Pretrained
            && (is_foreign || HeadSpec::owns(name) || name.ends_with(".num_batches_tracked"))
    }
}

fn check_names(
    backbone: Backbone,
    entries: &Entries<'_>,
    wanted: &[&str],
    policy: LoadPolicy,
) -> Result<()> {
    let expected: BTreeSet<_> = wanted.iter().copied().collect();
    let missing: Vec<_> = wanted
        .iter()
        .copied()
        .filter(|name| !entries.contains_key(*name))
        .collect();
    let extra: Vec<_> = entries
        .keys()
        .map(String::as_str)
        .filter(|name| !expected.contains(name) && !policy.ignores(name))
        .collect();
    if missing.is_empty() && extra.is_empty() {
        return Ok(());
    }
    let found = recognized(entries);
    let problem = if !found.is_empty() && !found.contains(&backbone) {
        let found: Vec<&str> = found.into_iter().map(Backbone::as_str).collect();
        let found = found.join(" or ");
        format!("this file holds {found}, the experiment says {backbone}")
    } else if missing.is_empty() {
        format!("this file holds more than the tensors of {backbone}")
    } else {
        format!("this file does not hold the tensors of {backbone}")
    };
    let count = |what: &str, names: &[&str]| {
        names
            .first()
            .map(|first| {
                format!(
                    "; {} {what}, first `{}`",
                    names.len(),
                    text::line(first, 120)
                )
            })
            .unwrap_or_default()
    };
    let (missing, extra) = (count("missing", &missing), count("unexpected", &extra));
    bail!(
        "{problem}{missing}{extra}. Name the backbone that the file was made for, or another file"
    )
}

/// The backbones whose tensors the file has, by name and shape, whatever prefix the names have. A larger one may contain a smaller one,
/// which is left out. Twins that differ only by padding have the same tensors, so both are in the list.
fn recognized(entries: &Entries<'_>) -> Vec<Backbone> {
    let bare = |name: &str| {
        let wrapped = name
            .split_inclusive('.')
            .take_while(|word| WRAPPERS.contains(&word.trim_end_matches('.')));
        name[wrapped.map(str::len).sum()..].to_owned()
    };
    let shapes: BTreeMap<String, &[i64]> = entries
        .iter()
        .map(|(name, entry)| (bare(name), &*entry.shape))
        .collect();
    let with_count = |backbone: Backbone| {
        let architecture = Architecture::new(backbone);
        let is_held = architecture
            .tensors()
            .all(|t| shapes.get(&t.name).is_some_and(|shape| *shape == t.shape));
        is_held.then(|| (backbone, architecture.tensors().count()))
    };
    let held: Vec<(Backbone, usize)> = Backbone::ALL.into_iter().filter_map(with_count).collect();
    let most = held.iter().map(|(_, tensors)| *tensors).max();
    held.into_iter()
        .filter(|(_, tensors)| Some(*tensors) == most)
        .map(|(backbone, _)| backbone)
        .collect()
}

fn check_entry(name: &str, expected: &[i64], entry: &Entry<'_>) -> Result<()> {
    ensure!(
        entry.dtype == Dtype::F32,
        "tensor `{name}`: expected F32, found {:?}; convert the file to float32 first",
        entry.dtype
    );
    check_shape(name, expected, entry)?;
    check_finite(name, entry)
}

fn check_shape(name: &str, expected: &[i64], entry: &Entry<'_>) -> Result<()> {
    ensure!(
        entry.shape == expected,
        "tensor `{name}`: expected shape {expected:?}, found {}",
        format::sides(&entry.shape)
    );
    Ok(())
}

fn check_finite(name: &str, entry: &Entry<'_>) -> Result<()> {
    let finite = |number: &[u8]| {
        number
            .try_into()
            .is_ok_and(|bytes| f32::from_le_bytes(bytes).is_finite())
    };
    if let Some(at) = entry
        .data
        .chunks_exact(4)
        .position(|number| !finite(number))
    {
        bail!(
            "tensor `{name}`: number {at} is infinite or not a number; the file is damaged or its training diverged"
        );
    }
    Ok(())
}
