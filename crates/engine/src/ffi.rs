#![expect(
    unsafe_code,
    reason = "the one place where the shim's C functions are called"
)]
//! What libtorch has and tch does not expose, through `shim.cpp`: memory layout, autocast's precision, determinism, TF32,
//! fused optimizer steps, device memory, and loading libtorch's CUDA half.

use std::ffi::{CStr, CString, OsString, c_char, c_int};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn ws_free(message: *mut c_char);
    fn ws_channels_last(tensor: *const C_tensor, out: *mut *mut C_tensor) -> *mut c_char;
    fn ws_autocast(
        cuda: c_int,
        enabled: c_int,
        dtype: c_int,
        was_enabled: *mut c_int,
        was_dtype: *mut c_int,
    ) -> *mut c_char;
    fn ws_deterministic(cuda: c_int, on: c_int) -> *mut c_char;
    fn ws_tf32(on: c_int) -> *mut c_char;
    fn ws_cpu_bfloat16(on: c_int) -> *mut c_char;
    fn ws_cuda_memory(
        device: c_int,
        free: *mut u64,
        total: *mut u64,
        peak: *mut u64,
    ) -> *mut c_char;
    fn ws_adam(
        decoupled: c_int,
        count: usize,
        params: *const *const C_tensor,
        exp_avgs: *const *const C_tensor,
        exp_avg_sqs: *const *const C_tensor,
        steps: *const *const C_tensor,
        lr: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        eps: f64,
    ) -> *mut c_char;
    fn ws_sgd(
        count: usize,
        params: *const *const C_tensor,
        buffers: *const *const C_tensor,
        buffer_count: usize,
        lr: f64,
        momentum: f64,
        nesterov: c_int,
        weight_decay: f64,
    ) -> *mut c_char;
    fn ws_remove_gradients(count: usize, params: *const *const C_tensor) -> *mut c_char;
    fn ws_gradient_norm(
        count: usize,
        params: *const *const C_tensor,
        clip: f64,
        norm: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn ws_load_library(path: *const c_char) -> *mut c_char;
    fn ws_torch_library() -> *mut c_char;
    fn ws_torch_version() -> *mut c_char;
}

/// Takes ownership of a string that C++ made; `None` for a null pointer.
pub(crate) fn take(message: *mut c_char) -> Option<CString> {
    if message.is_null() {
        return None;
    }
    // SAFETY: a non-null pointer from C++ is a NUL-terminated string that is ours until `ws_free`, called once.
    unsafe {
        let text = CStr::from_ptr(message).to_owned();
        ws_free(message);
        Some(text)
    }
}

/// The error that a function of the shim returned; a null pointer is success.
fn check(message: *mut c_char) -> Result<()> {
    match take(message) {
        None => Ok(()),
        Some(text) => bail!("libtorch: {}", text.to_string_lossy()),
    }
}

fn pointers(tensors: &[Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(Tensor::as_ptr).collect()
}

/// The new tensor that a function of the shim writes to the pointer it is given.
pub(crate) fn new_tensor(call: impl FnOnce(*mut *mut C_tensor) -> *mut c_char) -> Result<Tensor> {
    let mut out = std::ptr::null_mut();
    check(call(&raw mut out))?;
    // SAFETY: on success `out` holds a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(out) })
}

/// The tensor in channels-last memory order; it must have four dimensions.
pub fn channels_last(tensor: &Tensor) -> Result<Tensor> {
    // SAFETY: `tensor` outlives the call, and there is a place for a new tensor.
    new_tensor(|out| unsafe { ws_channels_last(tensor.as_ptr(), out) })
}

/// While it lives, operations of this thread that gain from it run in a lower precision.
#[derive(Debug)]
#[must_use = "autocast ends when the guard is dropped"]
pub struct Autocast {
    cuda: c_int,
    was_enabled: c_int,
    was_dtype: c_int,
    // Autocast is a property of the thread, so the guard must not leave it.
    not_send: PhantomData<*const ()>,
}

impl Autocast {
    /// Casts to `dtype` (`Kind::BFloat16` or `Kind::Half`) on `device` until the guard is dropped.
    pub fn enter(device: Device, dtype: Kind) -> Result<Self> {
        // The numbers of c10::ScalarType, which tch keeps to itself.
        let number = match dtype {
            Kind::Half => 5,
            Kind::BFloat16 => 15,
            other => bail!("autocast goes to Half or BFloat16, not {other:?}"),
        };
        let (cuda, mut was_enabled, mut was_dtype) = (c_int::from(device.is_cuda()), 0, 0);
        // SAFETY: both pointers are to places of this frame.
        check(unsafe { ws_autocast(cuda, 1, number, &raw mut was_enabled, &raw mut was_dtype) })?;
        Ok(Self {
            cuda,
            was_enabled,
            was_dtype,
            not_send: PhantomData,
        })
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        let (mut enabled, mut dtype) = (0, 0);
        // SAFETY: both pointers are to places of this frame.
        let message = unsafe {
            ws_autocast(
                self.cuda,
                self.was_enabled,
                self.was_dtype,
                &raw mut enabled,
                &raw mut dtype,
            )
        };
        // Putting back what was there a moment ago has no way to fail that a destructor could act on.
        drop(take(message));
    }
}

/// Asks for deterministic algorithms. On CUDA, cuBLAS also needs `CUBLAS_WORKSPACE_CONFIG`,
/// which a launcher sets.
pub fn set_deterministic(device: Device, on: bool) -> Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { ws_deterministic(c_int::from(device.is_cuda()), c_int::from(on)) })
}

/// Allows CUDA's matrix products and convolutions to round their float32 inputs to TF32.
pub fn set_tf32(on: bool) -> Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { ws_tf32(c_int::from(on)) })
}

/// Lets oneDNN round the float32 inputs of convolutions and matrix products to bfloat16 on the CPU. Sums and results stay
/// float32. A CPU without instructions for bfloat16 ignores it.
pub fn set_cpu_bfloat16(on: bool) -> Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { ws_cpu_bfloat16(c_int::from(on)) })
}

/// Memory of a CUDA device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CudaMemory {
    /// Free, as the driver sees it.
    pub free: u64,
    pub total: u64,
    /// The most that this process ever reserved.
    pub peak: u64,
}

/// Memory of the CUDA device numbered `index`; an error where CUDA is not loaded.
pub fn cuda_memory(index: usize) -> Result<CudaMemory> {
    let mut memory = CudaMemory {
        free: 0,
        total: 0,
        peak: 0,
    };
    let index = c_int::try_from(index)?;
    // SAFETY: the three pointers are to fields of this frame.
    check(unsafe {
        ws_cuda_memory(
            index,
            &raw mut memory.free,
            &raw mut memory.total,
            &raw mut memory.peak,
        )
    })?;
    Ok(memory)
}

/// The settings of a step of Adam.
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    /// `AdamW`: weight decay apart from the gradient.
    pub decoupled: bool,
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub weight_decay: f64,
    pub eps: f64,
}

/// The moments of Adam: for each parameter one tensor of its shape.
#[derive(Debug)]
pub struct AdamMoments {
    pub exp_avgs: Vec<Tensor>,
    pub exp_avg_sqs: Vec<Tensor>,
}

/// Moves all `params` by their gradients, in one fused kernel. Every parameter needs a gradient. `steps` is a float scalar on their
/// device that counts the steps, the coming one included.
pub fn adam(
    params: &[Tensor],
    moments: &AdamMoments,
    steps: &Tensor,
    settings: AdamStep,
) -> Result<()> {
    let count = params.len();
    if moments.exp_avgs.len() != count || moments.exp_avg_sqs.len() != count {
        bail!("the optimizer's state does not have one entry for each of {count} parameters");
    }
    let [params, exp_avgs, exp_avg_sqs] =
        [params, &moments.exp_avgs, &moments.exp_avg_sqs].map(pointers);
    // The kernel wants a count for each parameter, and only reads it: one will do for all.
    let steps = vec![steps.as_ptr(); count];
    // SAFETY: four lists of `count` live tensors each, read during the call only.
    check(unsafe {
        ws_adam(
            c_int::from(settings.decoupled),
            count,
            params.as_ptr(),
            exp_avgs.as_ptr(),
            exp_avg_sqs.as_ptr(),
            steps.as_ptr(),
            settings.lr,
            settings.beta1,
            settings.beta2,
            settings.weight_decay,
            settings.eps,
        )
    })
}

/// The settings of a step of SGD.
#[derive(Debug, Clone, Copy)]
pub struct SgdStep {
    pub lr: f64,
    pub momentum: f64,
    pub nesterov: bool,
    /// Added to the gradient.
    pub weight_decay: f64,
}

/// Moves all `params` by their gradients, in one fused kernel. Every parameter needs a gradient. `buffers` is empty without momentum;
/// else it has one tensor for each parameter, at first zeros.
pub fn sgd(params: &[Tensor], buffers: &[Tensor], settings: SgdStep) -> Result<()> {
    if !buffers.is_empty() && buffers.len() != params.len() {
        bail!(
            "{} momentum buffers for {} parameters",
            buffers.len(),
            params.len()
        );
    }
    let (params, buffers) = (pointers(params), pointers(buffers));
    // SAFETY: two lists of live tensors with their lengths, read during the call only.
    check(unsafe {
        ws_sgd(
            params.len(),
            params.as_ptr(),
            buffers.as_ptr(),
            buffers.len(),
            settings.lr,
            settings.momentum,
            c_int::from(settings.nesterov),
            settings.weight_decay,
        )
    })
}

/// Removes all gradients, so that the next ones are kept as they come, instead of being added to zeros.
pub fn remove_gradients(params: &[Tensor]) -> Result<()> {
    let params = pointers(params);
    // SAFETY: a list of live tensors with its length.
    check(unsafe { ws_remove_gradients(params.len(), params.as_ptr()) })
}

/// The L2 norm over all gradients before clipping, a scalar on their device. Where it exceeds `clip`, which is above 0, the gradients are
/// scaled down to it.
pub fn gradient_norm(params: &[Tensor], clip: Option<f64>) -> Result<Tensor> {
    let (params, clip) = (pointers(params), clip.unwrap_or(0.0));
    // SAFETY: a list of live tensors with its length, and a place for a new tensor.
    new_tensor(|norm| unsafe { ws_gradient_norm(params.len(), params.as_ptr(), clip, norm) })
}

/// Loads a shared library into the whole process.
pub fn load_library(path: &Path) -> Result<()> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    // SAFETY: a NUL-terminated path, read during the call only.
    check(unsafe { ws_load_library(path.as_ptr()) })
}

/// The file that libtorch's CPU half was loaded from; `None` if the loader does not know it.
pub fn torch_library() -> Option<PathBuf> {
    // SAFETY: takes no pointers and returns a string that `take` frees.
    let path = take(unsafe { ws_torch_library() })?;
    Some(OsString::from_vec(path.into_bytes()).into())
}

/// The version of libtorch that this program was compiled against, such as `2.13.0`.
pub fn version() -> String {
    // SAFETY: takes no pointers and returns a string that `take` frees.
    let version = take(unsafe { ws_torch_version() }).unwrap_or_default();
    version.to_string_lossy().into_owned()
}
