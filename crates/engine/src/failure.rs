//! Errors that say what kind they are and what to do next.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use warmstart_schema::event::FailureKind;

/// An error with its kind and a next step, for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserError {
    pub kind: FailureKind,
    pub error: String,
    pub help: String,
}

impl UserError {
    /// The experiment, its data or its weights cannot be used.
    pub fn input(error: impl Into<String>, help: impl Into<String>) -> anyhow::Error {
        Self {
            kind: FailureKind::Input,
            error: error.into(),
            help: help.into(),
        }
        .into()
    }

    /// Finds the kind of any error: its own if it has one, else by what lies beneath it.
    pub fn of(error: &anyhow::Error) -> Self {
        let text = format!("{error:#}");
        if let Some(blame) = error.chain().find_map(|cause| cause.downcast_ref::<Self>()) {
            return Self {
                error: text,
                ..blame.clone()
            };
        }
        let (kind, help) = if error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(is_disk)
        {
            (
                FailureKind::Disk,
                "make room or fix the permissions, then resume the run",
            )
        } else if [
            "out of memory",
            "not enough memory",
            "can't allocate memory",
            // As the system says it, for example where a file is mapped.
            "cannot allocate memory",
            // cuBLAS and cuDNN say it so where the GPU has no room for them.
            "status_alloc_failed",
        ]
        .iter()
        .any(|sign| text.to_lowercase().contains(sign))
        {
            (
                FailureKind::OutOfMemory,
                "lower train.batch_size or input.resize, or free the device, then launch again",
            )
        } else if ["cuda error", "cudnn error", "cublas_status", "cudnn_status"]
            .iter()
            .any(|sign| text.to_lowercase().contains(sign))
        {
            (
                FailureKind::Device,
                "the GPU refuses this process from now on; resume the run, which starts a new one from the last checkpoint; \
                 if it happens again, run `warmstart selftest` and look for `Xid` in the system's log (`dmesg`)",
            )
        } else {
            (
                FailureKind::Internal,
                "worker.log in the run folder holds the details; resuming continues from the last checkpoint",
            )
        };
        Self {
            kind,
            error: text,
            help: help.to_owned(),
        }
    }
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

fn is_disk(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::StorageFull
            | Kind::QuotaExceeded
            | Kind::ReadOnlyFilesystem
            | Kind::PermissionDenied
            | Kind::FileTooLarge
    )
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for UserError {}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn the_kind_survives_context() {
        let error = Err::<(), _>(UserError::input("no such file", "name another"))
            .context("loading")
            .unwrap_err();
        let blame = UserError::of(&error);
        assert_eq!(
            (blame.kind, blame.error.as_str(), blame.help.as_str()),
            (FailureKind::Input, "loading: no such file", "name another")
        );
    }

    #[test]
    fn a_full_disk_and_full_memory_are_distinguished() {
        let disk =
            anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull)).context("saving");
        assert_eq!(UserError::of(&disk).kind, FailureKind::Disk);
        let mapping = anyhow::Error::from(io::Error::from(Errno::ENOMEM)).context("mapping");
        assert_eq!(UserError::of(&mapping).kind, FailureKind::OutOfMemory);
        for (text, kind) in [
            (
                "CUDA out of memory. Tried to allocate 2 GiB",
                FailureKind::OutOfMemory,
            ),
            (
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
                FailureKind::OutOfMemory,
            ),
            (
                "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
                FailureKind::OutOfMemory,
            ),
            (
                "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`",
                FailureKind::Device,
            ),
        ] {
            assert_eq!(UserError::of(&anyhow::anyhow!(text)).kind, kind, "{text}");
        }
        assert_eq!(
            UserError::of(&anyhow::anyhow!("index out of range")).kind,
            FailureKind::Internal
        );
    }
}
