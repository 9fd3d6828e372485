//! What this installation can do, for `warmstart doctor`.

use serde_json::{Value, json};
use tch::Device;

use crate::device::{self, CudaLibrary, DeviceRequest};
use crate::ffi;
use crate::usage::cpu_name;

/// Versions and devices as JSON.
pub fn report() -> Value {
    let library = device::prepare_cuda();
    let (device, reason) = device::select(DeviceRequest::Auto);
    let loaded = *library == CudaLibrary::Loaded;
    let (cuda, cudnn) = if loaded {
        (
            Some(tch::utils::version_cudart()),
            Some(tch::utils::version_cudnn()),
        )
    } else {
        (None, None)
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "libtorch": ffi::version(),
        "libraries": device::libraries(),
        "cpu": cpu_name(),
        "threads": tch::get_num_threads(),
        "device": device::name_of(device),
        "reason": reason,
        "cuda": {
            "library": match library {
                CudaLibrary::Loaded => "loaded".to_owned(),
                CudaLibrary::NotInstalled { why } => format!("not installed: {why}"),
                CudaLibrary::Failed { why } => format!("does not load: {why}"),
            },
            "version": cuda,
            "cudnn": cudnn,
            "available": matches!(device, Device::Cuda(_)),
            "devices": if loaded { tch::Cuda::device_count() } else { 0 },
        },
    })
}
