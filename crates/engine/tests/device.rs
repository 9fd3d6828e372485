//! The CUDA part of libtorch is loaded when the process starts, or the reason is given. This test has a process to itself,
//! because only the first query to libtorch counts.

use tch::Device;
use warmstart_engine::device::{self, CudaLibrary, DeviceRequest};

#[test]
fn cuda_is_loaded_where_it_is_installed_and_its_absence_is_explained() {
    let folder = device::libraries().unwrap();
    assert!(
        folder.join("libtorch_cpu.so").exists() || folder.join("libtorch_cpu.dylib").exists(),
        "{}",
        folder.display()
    );
    let installed = folder.join("libtorch_cuda.so").exists();
    match device::prepare_cuda() {
        // libtorch knows its CUDA version without a GPU: the major version times 1,000, plus ten times the minor one.
        CudaLibrary::Loaded => assert!(installed && tch::utils::version_cudart() >= 12_000),
        CudaLibrary::NotInstalled { why } => {
            assert!(!installed && why.contains("libtorch_cuda.so"), "{why}");
        }
        CudaLibrary::Failed { why } => panic!("{why}"),
    }
    assert_eq!(*device::prepare_cuda() == CudaLibrary::Loaded, installed);

    let (chosen, reason) = device::select(DeviceRequest::Auto);
    match chosen {
        Device::Cpu => assert!(reason.starts_with("CPU: "), "{reason}"),
        _ => assert!(installed && reason.starts_with("cuda:0"), "{reason}"),
    }
    assert_eq!(
        warmstart_engine::ffi::cuda_memory(0).is_ok(),
        chosen.is_cuda()
    );
    assert_eq!(device::select(DeviceRequest::Cpu).0, Device::Cpu);
    let (chosen, reason) = device::select(DeviceRequest::Cuda(200));
    assert!(
        chosen == Device::Cpu && reason.contains("instead of cuda:200"),
        "{reason}"
    );
}
