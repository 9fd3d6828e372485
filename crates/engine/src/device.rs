//! Which device a run trains on. One worker serves machines with and without CUDA: libtorch's CUDA half is loaded when the
//! worker starts, where there is one, and a machine without a GPU is no error.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use anyhow::{Result, bail};
use tch::{Cuda, Device, Tensor};
use warmstart_schema::experiment::NumberFormat;

use crate::failure::UserError;
use crate::ffi;

const CUDA_LIBRARY: &str = "libtorch_cuda.so";

/// Whether libtorch's CUDA half is in the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CudaLibrary {
    Loaded,
    /// This libtorch came without it.
    NotInstalled {
        why: String,
    },
    /// It is there and does not load.
    Failed {
        why: String,
    },
}

/// Loads libtorch's CUDA half from beside its CPU half. It must be called before anything asks libtorch about CUDA, which
/// remembers the answer; later calls return what the first one found.
pub fn prepare_cuda() -> &'static CudaLibrary {
    static RESULT: OnceLock<CudaLibrary> = OnceLock::new();
    RESULT.get_or_init(|| match libraries() {
        None => CudaLibrary::NotInstalled {
            why: "the folder that libtorch was loaded from is unknown".to_owned(),
        },
        Some(folder) => load_cuda(&folder),
    })
}

/// The version of cuDNN that computes on this device, as `9.10.2`; none on a CPU, or where libtorch has no cuDNN.
pub fn cudnn(device: Device) -> Option<String> {
    if !device.is_cuda() || !Cuda::cudnn_is_available() {
        return None;
    }
    let number = tch::utils::version_cudnn();
    let (major, rest) = if number >= 90_000 {
        (number / 10_000, number % 10_000)
    } else {
        (number / 1_000, number % 1_000)
    };
    Some(format!("{major}.{}.{}", rest / 100, rest % 100))
}

/// Copies a tensor from the CPU to a device. A copy to a GPU goes through pinned memory, so that the processor does not wait for it.
pub(crate) fn upload(tensor: &Tensor, device: Device) -> Result<Tensor> {
    if device.is_cuda() {
        let pinned = tensor.f_pin_memory(device)?;
        return Ok(pinned.f_to_device_(device, tensor.kind(), true, false)?);
    }
    Ok(tensor.f_to_device(device)?)
}

/// The folder that libtorch's CPU half was loaded from.
pub fn libraries() -> Option<PathBuf> {
    // If it was loaded through a link, the other libraries may be beside the file that the link leads to.
    let library = ffi::torch_library()?;
    library
        .canonicalize()
        .unwrap_or(library)
        .parent()
        .map(Path::to_path_buf)
}

fn load_cuda(folder: &Path) -> CudaLibrary {
    let library = folder.join(CUDA_LIBRARY);
    if !library.exists() {
        return CudaLibrary::NotInstalled {
            why: format!("{} holds no {CUDA_LIBRARY}", folder.display()),
        };
    }
    match ffi::load_library(&library) {
        Ok(()) => CudaLibrary::Loaded,
        Err(error) => CudaLibrary::Failed {
            why: format!("{error:#}"),
        },
    }
}

/// What a user may ask for: `auto`, `cpu`, `cuda` or `cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceRequest {
    /// The first GPU where one works, else the CPU.
    #[default]
    Auto,
    Cpu,
    Cuda(usize),
}

impl FromStr for DeviceRequest {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once(':') {
            None if text == "auto" => Self::Auto,
            None if text == "cpu" => Self::Cpu,
            None if text == "cuda" => Self::Cuda(0),
            Some(("cuda", index)) if index.parse::<u16>().is_ok() => Self::Cuda(index.parse()?),
            _ => bail!("unknown device `{text}`, expected `auto`, `cpu`, `cuda` or `cuda:N`"),
        })
    }
}

impl fmt::Display for DeviceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// The device for a request, and a sentence that says why. What cannot be had becomes the CPU, never an error.
pub fn select(requested: DeviceRequest) -> (Device, String) {
    if requested == DeviceRequest::Cpu {
        return (Device::Cpu, "CPU, as asked for".to_owned());
    }
    let library = prepare_cuda();
    // Only a loaded library may be asked: without it the question itself settles that there is no CUDA.
    let count = if *library == CudaLibrary::Loaded {
        usize::try_from(Cuda::device_count()).unwrap_or(0)
    } else {
        0
    };
    decide(requested, library, count)
}

/// Selects the device that a `run.json` names. A name that this version does not know counts as `auto`, and the sentence says so.
pub(crate) fn select_named(name: &str) -> (Device, String) {
    match name.parse::<DeviceRequest>() {
        Ok(requested) => select(requested),
        Err(error) => {
            let (device, reason) = select(DeviceRequest::Auto);
            (device, format!("{reason}; {error}"))
        }
    }
}

fn decide(requested: DeviceRequest, library: &CudaLibrary, count: usize) -> (Device, String) {
    let index = if let DeviceRequest::Cuda(index) = requested {
        index
    } else {
        0
    };
    let why = match library {
        CudaLibrary::Loaded if index < count => {
            let reason = if requested == DeviceRequest::Auto {
                "the first GPU that libtorch sees"
            } else {
                "as asked for"
            };
            return (Device::Cuda(index), format!("cuda:{index}, {reason}"));
        }
        CudaLibrary::Loaded if count == 0 => {
            "libtorch's CUDA libraries are loaded but see no GPU or driver".to_owned()
        }
        CudaLibrary::Loaded => format!("there is no cuda:{index}, the last is cuda:{}", count - 1),
        CudaLibrary::NotInstalled { why } => format!("this libtorch is without CUDA ({why})"),
        CudaLibrary::Failed { why } => format!("libtorch's CUDA libraries do not load ({why})"),
    };
    let asked = if requested == DeviceRequest::Auto {
        String::new()
    } else {
        format!(" instead of {requested}")
    };
    (Device::Cpu, format!("CPU{asked}: {why}"))
}

/// An error where a run whose processes begin with this device has no GPU for each. The CPU has room for any number.
pub(crate) fn check_group(first: Device, devices: u32) -> Result<()> {
    let Device::Cuda(index) = first else {
        return Ok(());
    };
    let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
    match too_few(index, devices as usize, count) {
        Some(error) => Err(UserError::input(
            error,
            "lower train.devices (`warmstart resume RUN --set train.devices=1`), or train on the CPU with --device cpu",
        )),
        None => Ok(()),
    }
}

/// The error if the machine has fewer than `devices` GPUs from number `first` on.
fn too_few(first: usize, devices: usize, count: usize) -> Option<String> {
    let from = if first == 0 {
        String::new()
    } else {
        format!(" from cuda:{first} on")
    };
    let has = if count == 1 {
        "one GPU".to_owned()
    } else {
        format!("{count} GPUs")
    };
    (first + devices > count)
        .then(|| format!("train.devices: {devices}{from}, but this machine has {has}"))
}

/// Makes libtorch compute in a number format, for the whole process, and with deterministic algorithms only.
pub fn configure(device: Device, format: NumberFormat, deterministic: bool) -> anyhow::Result<()> {
    ffi::set_tf32(format == NumberFormat::Tf32)?;
    // A GPU has autocast instead, within each step.
    ffi::set_cpu_bfloat16(device == Device::Cpu && format == NumberFormat::Bfloat16)?;
    ffi::set_deterministic(device, deterministic)
}

/// While this guard lives, cuDNN measures its algorithms when a convolution first runs with some shape, and keeps the fastest one
/// for that shape. That costs seconds for a network. Without it, cuDNN chooses by rules.
#[derive(Debug)]
pub(crate) struct MeasuredConvolutions(());

impl MeasuredConvolutions {
    pub(crate) fn enter() -> Self {
        Cuda::cudnn_set_benchmark(true);
        Self(())
    }
}

impl Drop for MeasuredConvolutions {
    fn drop(&mut self) {
        Cuda::cudnn_set_benchmark(false);
    }
}

/// A device as libtorch names it.
pub fn name_of(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_parse_back_and_invalid_ones_are_reported() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3", "cuda:999"] {
            assert_eq!(text.parse::<DeviceRequest>().unwrap().to_string(), text);
        }
        assert_eq!(
            "cuda".parse::<DeviceRequest>().unwrap(),
            DeviceRequest::Cuda(0)
        );
        for text in ["gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", ""] {
            assert!(
                text.parse::<DeviceRequest>()
                    .unwrap_err()
                    .to_string()
                    .contains("cuda:N"),
                "{text}"
            );
        }
    }

    #[test]
    fn an_unknown_device_is_named_in_the_reason() {
        let (device, reason) = select_named("npu:0");
        assert_eq!(device, select(DeviceRequest::Auto).0);
        assert!(reason.contains("`npu:0`"), "{reason}");
    }

    #[test]
    fn a_group_needs_a_gpu_for_each_process() {
        assert_eq!(
            too_few(0, 2, 1).as_deref(),
            Some("train.devices: 2, but this machine has one GPU")
        );
        assert_eq!(
            too_few(1, 2, 2).as_deref(),
            Some("train.devices: 2 from cuda:1 on, but this machine has 2 GPUs")
        );
        assert_eq!((too_few(0, 1, 1), too_few(2, 2, 4)), (None, None));
        assert!(check_group(Device::Cpu, 64).is_ok());
    }

    #[test]
    fn without_a_usable_gpu_the_cpu_is_selected_with_the_reason() {
        let missing = CudaLibrary::NotInstalled {
            why: "no file".to_owned(),
        };
        let broken = CudaLibrary::Failed {
            why: "no symbol".to_owned(),
        };
        for (request, library, count, reason) in [
            (
                DeviceRequest::Auto,
                &missing,
                0,
                "CPU: this libtorch is without CUDA (no file)",
            ),
            (
                DeviceRequest::Auto,
                &broken,
                0,
                "CPU: libtorch's CUDA libraries do not load (no symbol)",
            ),
            (
                DeviceRequest::Cuda(1),
                &CudaLibrary::Loaded,
                1,
                "CPU instead of cuda:1: there is no cuda:1, the last is cuda:0",
            ),
        ] {
            assert_eq!(
                decide(request, library, count),
                (Device::Cpu, reason.to_owned())
            );
        }
        let (device, reason) = decide(DeviceRequest::Auto, &CudaLibrary::Loaded, 0);
        assert!(
            device == Device::Cpu && reason.contains("no GPU"),
            "{reason}"
        );
        assert_eq!(
            decide(DeviceRequest::Auto, &CudaLibrary::Loaded, 2).0,
            Device::Cuda(0)
        );
        assert_eq!(
            decide(DeviceRequest::Cuda(1), &CudaLibrary::Loaded, 2).0,
            Device::Cuda(1)
        );
    }
}
