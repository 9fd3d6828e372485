//! An error that a user can act on: the cause, the remedy, and the exit code.

use std::fmt;
use std::io;

/// The kind of an error; each has an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request is not possible as given.
    Input,
    /// Nothing has that name, or the folder does not exist.
    NotFound,
    /// The run's checkpoints are not in its folder.
    CheckpointsGone,
    /// The worker is missing or does not start.
    Worker,
    /// A file or folder cannot be read or written, or the disk is full.
    Disk,
    /// A run failed, or ended where it was not to end.
    RunFailed,
}

/// The cause of an error, and what the user can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: Kind,
    pub what: String,
    pub help: Option<String>,
}

impl Failure {
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            help: None,
        }
    }

    /// The failure that an I/O error carries, if it carries one.
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.help.iter().try_for_each(|help| write!(f, "; {help}"))
    }
}

impl std::error::Error for Failure {}
