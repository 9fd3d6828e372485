//! Why a fetch ends without its file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use warmstart_schema::event::Failure;

use crate::failure::UserError;

/// Why a file could not be fetched.
#[derive(Debug)]
pub(super) enum FetchError {
    /// Worth another try; a server may ask to wait first.
    Transient {
        why: String,
        after: Option<std::time::Duration>,
    },
    /// Trying again would not help.
    Permanent { why: String },
    /// A file here cannot be read or written.
    Disk { path: PathBuf, error: io::Error },
    /// The user or a signal stopped it.
    Stopped,
}

impl FetchError {
    pub(super) fn permanent(why: impl Into<String>) -> Self {
        Self::Permanent { why: why.into() }
    }

    pub(super) fn transient(why: impl Into<String>) -> Self {
        Self::Transient {
            why: why.into(),
            after: None,
        }
    }

    pub(super) fn disk(path: &Path, error: io::Error) -> Self {
        Self::Disk {
            path: path.to_path_buf(),
            error,
        }
    }

    /// The error for the user; [`Stopped`] where the fetch was stopped.
    pub(super) fn for_user(self, what: &str, help: impl Into<String>) -> anyhow::Error {
        match self {
            Self::Stopped => Stopped.into(),
            Self::Transient { why, .. } | Self::Permanent { why } => {
                UserError::input(format!("{what} cannot be fetched: {why}"), help)
            }
            Self::Disk { path, error } => UserError {
                kind: Failure::Disk,
                error: format!("{what} cannot be stored at {}: {error}", path.display()),
                help: "make room or fix the permissions, then try again; what is here is not fetched twice".to_owned(),
            }
            .into(),
        }
    }
}

/// The fetch was stopped; the part that is here stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the download was stopped; the next one resumes it")
    }
}

impl std::error::Error for Stopped {}
