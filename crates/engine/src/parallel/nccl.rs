#![expect(
    unsafe_code,
    reason = "the one place where the C functions of `nccl.cpp` are called"
)]
//! Sums on GPUs by NVIDIA's NCCL, from GPU to GPU. Untested on GPUs.

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tch::{Kind, Tensor};
use torch_sys::C_tensor;

use crate::ffi;

/// The library as `PyTorch` names it.
const LIBRARY: &str = "libnccl.so.2";
/// Another library, or `off` to exchange through the machine's memory.
const CHOICE: &str = "WARMSTART_NCCL";
/// How often the watch looks whether it is needed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A sum is given to the GPU in far less; after this long the call hangs.
const CALL: Duration = Duration::from_secs(2);
/// Bytes of the unique id by which ranks find each other.
const ID: usize = 128;

unsafe extern "C" {
    fn ws_nccl_open(path: *const c_char) -> *mut c_char;
    fn ws_nccl_id(id: *mut c_char) -> *mut c_char;
    fn ws_nccl_join(
        id: *const c_char,
        size: c_int,
        rank: c_int,
        gpu: c_int,
        communicator: *mut *mut c_void,
    ) -> *mut c_char;
    fn ws_nccl_sum(communicator: *mut c_void, tensor: *const C_tensor) -> *mut c_char;
    fn ws_nccl_abort(communicator: *mut c_void);
    fn ws_nccl_leave(communicator: *mut c_void);
}

fn checked(message: *mut c_char) -> Result<()> {
    match ffi::take(message) {
        None => Ok(()),
        Some(text) => bail!("{}", text.to_string_lossy()),
    }
}

/// The library is loaded in this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Library(());

#[expect(
    clippy::unused_self,
    reason = "the value proves that the library is loaded"
)]
impl Library {
    /// Finds the library; an error says why gradients go through the machine's memory.
    pub(crate) fn find() -> Result<Self> {
        match std::env::var(CHOICE) {
            Ok(choice) if choice == "off" => bail!("{CHOICE} is off"),
            Ok(path) if !path.is_empty() => Self::open(&path),
            _ => Self::open(LIBRARY),
        }
    }

    fn open(path: &str) -> Result<Self> {
        let name = CString::new(path)?;
        // SAFETY: the name outlives the call.
        checked(unsafe { ws_nccl_open(name.as_ptr()) })
            .with_context(|| format!("cannot load {path}"))?;
        Ok(Self(()))
    }

    /// A new unique id, by which ranks find each other.
    pub(crate) fn unique_id(self) -> Result<Vec<u8>> {
        let mut id = vec![0_u8; ID];
        // SAFETY: the library is loaded, and there is room for 128 bytes.
        checked(unsafe { ws_nccl_id(id.as_mut_ptr().cast()) })?;
        Ok(id)
    }

    /// Waits until all ranks have joined under a unique id. `gpu` is the device of this rank.
    pub(super) fn join(
        self,
        id: &[u8],
        size: usize,
        rank: usize,
        gpu: Option<usize>,
    ) -> Result<Communicator> {
        ensure!(
            id.len() == ID,
            "expected an id of {ID} bytes, found {}",
            id.len()
        );
        let mut communicator = null_mut();
        let gpu = gpu.map_or(Ok(-1), c_int::try_from)?;
        // SAFETY: the library is loaded, the id has 128 bytes, and `communicator` is written before the call ends.
        checked(unsafe {
            ws_nccl_join(
                id.as_ptr().cast(),
                c_int::try_from(size)?,
                c_int::try_from(rank)?,
                gpu,
                &raw mut communicator,
            )
        })?;
        Ok(Communicator {
            pointer: AtomicPtr::new(communicator),
            in_use: Mutex::new(()),
        })
    }
}

/// A rank's end of the connection of all GPUs.
#[derive(Debug)]
pub(super) struct Communicator {
    /// Null after [`Self::abort`].
    pointer: AtomicPtr<c_void>,
    /// Held while a sum uses the pointer.
    in_use: Mutex<()>,
}

impl Communicator {
    /// Replaces float32 numbers `[n]` by their sums over all ranks. The GPU may still compute when this returns.
    fn sum(&self, floats: &Tensor) -> Result<()> {
        ensure!(
            floats.kind() == Kind::Float && floats.is_contiguous(),
            "cannot sum {:?}",
            floats.kind()
        );
        let _in_use = self.in_use.lock();
        let communicator = self.pointer.load(Ordering::Acquire);
        ensure!(!communicator.is_null(), "another rank has ended");
        // SAFETY: the communicator is alive: `drop` needs it alone, and `abort` waits, unless this call hangs. NCCL allows an abort
        // during a call that hangs.
        checked(unsafe { ws_nccl_sum(communicator, floats.as_ptr()) })
    }

    /// Ends what waits for other ranks, from any thread. A sum that is about to be given to the GPU is given first; one that hangs,
    /// because NCCL itself waits for another rank, is not waited for.
    pub(super) fn abort(&self) {
        let began = Instant::now();
        let _in_use = loop {
            match self.in_use.try_lock() {
                Err(TryLockError::WouldBlock) if began.elapsed() < CALL => {
                    std::thread::sleep(LOOK_AGAIN);
                }
                held => break held,
            }
        };
        let communicator = self.pointer.swap(null_mut(), Ordering::AcqRel);
        if !communicator.is_null() {
            // SAFETY: it was alive, and nobody else gets it any more.
            unsafe { ws_nccl_abort(communicator) };
        }
    }
}

impl Drop for Communicator {
    fn drop(&mut self) {
        let communicator = self.pointer.swap(null_mut(), Ordering::AcqRel);
        if !communicator.is_null() {
            // SAFETY: it was alive, and nobody else gets it any more.
            unsafe { ws_nccl_leave(communicator) };
        }
    }
}

/// Sums over all ranks. Where another rank ends, a GPU would wait for it without end: rank 0 watches the others, and the others end
/// with rank 0.
#[derive(Debug)]
pub(super) struct Nccl {
    communicator: Arc<Communicator>,
    watch: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Nccl {
    /// `others` are closed at their other end when a rank ends.
    pub(super) fn new(communicator: Communicator, others: Vec<OwnedFd>) -> Self {
        let communicator = Arc::new(communicator);
        let watch = (!others.is_empty()).then(|| {
            let is_over = Arc::new(AtomicBool::new(false));
            let (stop, watched) = (Arc::clone(&is_over), Arc::clone(&communicator));
            let thread = std::thread::spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    if first_closed(&others, LOOK_AGAIN).is_some() {
                        return watched.abort();
                    }
                }
            });
            (is_over, thread)
        });
        Self {
            communicator,
            watch,
        }
    }

    pub(super) fn sum(&self, floats: &Tensor) -> Result<()> {
        self.communicator.sum(floats)
    }

    /// From here on, another rank may end.
    pub(super) fn stop_watching(&mut self) {
        if let Some((is_over, thread)) = self.watch.take() {
            is_over.store(true, Ordering::Release);
            // It has nothing to say.
            let _ = thread.join();
        }
    }

    /// NCCL waits until all ranks leave.
    pub(super) fn leave(self) {
        drop(self);
    }

    /// Ends without the others.
    pub(super) fn abort(self) {
        self.communicator.abort();
    }
}

impl Drop for Nccl {
    fn drop(&mut self) {
        self.stop_watching();
    }
}

/// The first of these sockets whose other end is closed, or closes within some time.
pub(super) fn first_closed(sockets: &[OwnedFd], within: Duration) -> Option<usize> {
    let mut polled: Vec<PollFd> = sockets
        .iter()
        .map(|socket| PollFd::new(socket.as_fd(), PollFlags::empty()))
        .collect();
    // A closed end is reported without being asked for.
    let within = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
    let _ = poll(&mut polled, within);
    let closed = PollFlags::POLLHUP | PollFlags::POLLERR;
    polled.iter().position(|one| {
        one.revents()
            .is_some_and(|events| events.intersects(closed))
    })
}

#[cfg(test)]
mod tests;
