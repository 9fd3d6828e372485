//! The key of features in the cache: a SHA-256 over everything that may change one of their bits. What is not known to be without
//! effect is part of it, because a miss costs minutes and a wrong hit costs the experiment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tch::Device;
use warmstart_runs::checkpoint::Conditions;
use warmstart_schema::experiment::{Experiment, NumberFormat};

use crate::ffi;
use crate::model::Model;
use crate::train::{Examples, Views};

/// Raise it when the files or the meaning of a key change.
const FORMAT: u32 = 1;

/// Environment variables that choose kernels or how they round begin with one of these.
const LIBRARIES: [&str; 14] = [
    "ATEN_",
    "CUBLAS",
    "CUDA_",
    "CUDNN_",
    "DNNL_",
    "GOTO_",
    "KMP_",
    "MKL",
    "NVIDIA_TF32",
    "OMP_",
    "ONEDNN_",
    "OPENBLAS_",
    "PYTORCH_",
    "TORCH_",
];

/// A key, and what it is made of in words.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// 64 hexadecimal digits.
    pub hash: String,
    pub facts: BTreeMap<String, String>,
}

/// The keys of one model on one machine.
#[derive(Debug)]
pub(super) struct Keys {
    /// Everything besides the pictures.
    base: Vec<String>,
    facts: BTreeMap<String, String>,
}

impl Keys {
    /// For batches of `batch_size`: kernels may sum in another order for another number of images.
    pub(super) fn new(
        experiment: &Experiment,
        model: &Model,
        conditions: &Conditions,
        batch_size: usize,
    ) -> Result<Self> {
        let (spec, train) = (model.spec(), &experiment.train);
        let format = conditions.precision.unwrap_or(NumberFormat::Float32);
        let mut base = vec![
            format!("format {FORMAT}"),
            format!("program {}", program()?),
            format!("libtorch {} {}", ffi::version(), library()),
            format!("processor {}", processor()),
            format!("threads {}", tch::get_num_threads()),
            format!("backbone {}, stem {}", spec.backbone, spec.stem),
            format!("weights {}", model.frozen_fingerprint()?),
            format!("input {:?} {:?}", spec.input_size, spec.interpolation),
            // Bits, not digits.
            format!(
                "normalization {:?} {:?}",
                spec.mean.map(f32::to_bits),
                spec.std.map(f32::to_bits)
            ),
            format!("precision {format}"),
            format!("deterministic {}", train.deterministic),
            format!("batch {batch_size}"),
        ];
        base.extend(device_lines(conditions));
        base.extend(environment());
        let pixels = experiment.pixels();
        let dataset = experiment.dataset.folder().map_or_else(
            || experiment.dataset.name().as_str().to_owned(),
            |folder| folder.path.display().to_string(),
        );
        let device = match model.device() {
            Device::Cpu => format!("{}, {} threads", conditions.device, conditions.threads),
            _ => conditions.device_name.clone(),
        };
        let facts = [
            ("backbone", spec.backbone.to_string()),
            ("dataset", dataset),
            ("pixels", pixels.to_string()),
            ("precision", format.to_string()),
            ("device", device),
        ];
        Ok(Self {
            base,
            facts: facts
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        })
    }

    /// The key of the features of these pictures in these views.
    pub(super) fn of(&self, identity: &str, examples: &Examples, views: &Views) -> Result<Key> {
        let mut hash = Sha256::new();
        let views = views.described()?;
        let base = self.base.iter().map(String::as_str);
        for line in base.chain([identity]).chain(views.as_deref()) {
            hash.update((line.len() as u64).to_le_bytes());
            hash.update(line);
        }
        let mut facts = self.facts.clone();
        facts.insert("images".to_owned(), examples.len().to_string());
        facts.insert("part".to_owned(), examples.part().adjective().to_owned());
        Ok(Key {
            hash: format!("{:x}", hash.finalize()),
            facts,
        })
    }
}

/// The device and the library that computes on it. cuDNN is a package of its own: libtorch's file does not tell its version.
fn device_lines(conditions: &Conditions) -> [String; 2] {
    [
        format!("device {} {}", conditions.device, conditions.device_name),
        format!("cudnn {}", conditions.cudnn.as_deref().unwrap_or("none")),
    ]
}

/// SHA-256 of the running program, which holds the layers and their kernels.
fn program() -> Result<&'static str> {
    static HASH: OnceLock<Result<String, String>> = OnceLock::new();
    let hash = || -> io::Result<String> {
        let path = std::env::current_exe()?;
        let mut hash = Sha256::new();
        io::copy(&mut File::open(path)?, &mut hash)?;
        Ok(format!("{:x}", hash.finalize()))
    };
    let hash = HASH.get_or_init(|| hash().map_err(|error| error.to_string()));
    hash.as_deref()
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("reading the worker's program")
}

/// The file of libtorch that is loaded, which may be another build than that compiled against.
fn library() -> String {
    let stamp = |path: &Path| {
        let meta = path.metadata().ok()?;
        Some(format!(
            "{} {}.{:09}",
            meta.len(),
            meta.mtime(),
            meta.mtime_nsec()
        ))
    };
    ffi::torch_library()
        .and_then(|path| stamp(&path))
        .unwrap_or_default()
}

fn processor() -> String {
    described(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
}

/// What libraries choose their kernels and the sizes of their blocks by, from the text of `/proc/cpuinfo`.
fn described(info: &str) -> String {
    const NAMES: [&str; 12] = [
        "vendor_id",
        "model name",
        "cpu family",
        "model",
        "cache size",
        "flags",
        // ARM has no name of its model; these numbers tell one from another.
        "Features",
        "CPU implementer",
        "CPU architecture",
        "CPU variant",
        "CPU part",
        "CPU revision",
    ];
    let first = info.lines().take_while(|line| !line.trim().is_empty());
    let chosen = first.filter(|line| {
        line.split_once(':')
            .is_some_and(|(name, _)| NAMES.contains(&name.trim()))
    });
    chosen.collect::<Vec<_>>().join("\n")
}

/// The variables of [`LIBRARIES`] that are set, in the order of their names.
fn environment() -> Vec<String> {
    of_libraries(std::env::vars_os())
}

fn of_libraries(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<String> {
    let mut set: Vec<String> = variables
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .filter(|set| LIBRARIES.iter().any(|library| set.starts_with(library)))
        .collect();
    set.sort_unstable();
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_cudnn_is_another_device() {
        let with = |cudnn: Option<&str>| {
            device_lines(&Conditions {
                device: "cuda:0".to_owned(),
                device_name: "NVIDIA H200".to_owned(),
                cudnn: cudnn.map(str::to_owned),
                ..Conditions::default()
            })
        };
        assert_eq!(with(Some("9.10.2")), with(Some("9.10.2")));
        assert_ne!(with(Some("9.10.2")), with(Some("9.13.0")));
        assert_ne!(with(Some("9.10.2")), with(None));
    }

    #[test]
    fn processors_of_another_part_or_vendor_have_another_description() {
        let arm = |part: &str| {
            format!(
                "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: {part}\n\nprocessor\t: 1\n"
            )
        };
        assert_ne!(described(&arm("0xd0c")), described(&arm("0xd40")));
        let virtual_one = |vendor: &str| {
            format!("vendor_id\t: {vendor}\nmodel name\t: QEMU Virtual CPU\nflags\t\t: fpu sse2\n")
        };
        assert_ne!(
            described(&virtual_one("GenuineIntel")),
            described(&virtual_one("AuthenticAMD"))
        );
        // Its speed at this moment makes no other processor.
        let at = |speed: &str| format!("cpu MHz\t\t: {speed}\nmodel\t\t: 143\n");
        assert_eq!(described(&at("2000.1")), described(&at("3100.7")));
    }

    #[test]
    fn variables_that_choose_kernels_are_part_of_the_key() {
        let variables = [
            ("OPENBLAS_CORETYPE", "NEOVERSEN1"),
            ("OMP_DYNAMIC", "true"),
            ("HOME", "/root"),
            ("MKL_CBWR", "AVX2"),
        ];
        let variables =
            variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        assert_eq!(
            of_libraries(variables.into_iter()),
            [
                "MKL_CBWR=AVX2",
                "OMP_DYNAMIC=true",
                "OPENBLAS_CORETYPE=NEOVERSEN1"
            ]
        );
    }
}
