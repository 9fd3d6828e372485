//! Why a download ends without its file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use warmstart_schema::event::FailureKind;

use crate::failure::UserError;

/// Why a file could not be downloaded.
#[derive(Debug)]
pub(super) enum FetchError {
    /// Worth another try, after the time that the server asks for.
    Transient {
        why: String,
        retry_after: Option<std::time::Duration>,
    },
    /// Trying again would not help.
    Permanent { why: String },
    /// A file here cannot be read.
    Read { path: PathBuf, error: io::Error },
    /// A file here cannot be written.
    Write { path: PathBuf, error: io::Error },
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
            retry_after: None,
        }
    }

    pub(super) fn read(path: &Path, error: io::Error) -> Self {
        Self::Read {
            path: path.to_path_buf(),
            error,
        }
    }

    pub(super) fn write(path: &Path, error: io::Error) -> Self {
        Self::Write {
            path: path.to_path_buf(),
            error,
        }
    }

    /// The error for the user; [`Stopped`] if the download was stopped.
    pub(super) fn for_user(self, what: &str, help: impl Into<String>) -> anyhow::Error {
        match self {
            Self::Stopped => Stopped.into(),
            Self::Transient { why, .. } | Self::Permanent { why } => {
                UserError::input(format!("{what} cannot be downloaded: {why}"), help)
            }
            Self::Read { path, error } => UserError {
                kind: FailureKind::Disk,
                error: format!("{what} cannot be read: {error}: {}", path.display()),
                help: format!("check the permissions; or {}", help.into()),
            }
            .into(),
            Self::Write { path, error } => UserError {
                kind: FailureKind::Disk,
                error: format!("{what} cannot be stored: {error}: {}", path.display()),
                help: "make room or fix the permissions, then try again; what is here is not downloaded twice".to_owned(),
            }
            .into(),
        }
    }
}

/// The download was stopped; the part that is here stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the download was stopped; the next one resumes it")
    }
}

impl std::error::Error for Stopped {}
