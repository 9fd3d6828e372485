//! Requests to stop, as signals. The handler only sets a flag, which is polled after every batch.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use warmstart_runs::launcher;

/// How a piece of work ended that a request to stop may interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    Done,
    /// A stop was requested first.
    Interrupted,
}

/// Whether this process was asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    /// SIGTERM came, or [`Self::request`] was called.
    terminated: Arc<AtomicBool>,
    /// SIGINT came.
    interrupted: Arc<AtomicBool>,
    /// How often [`Self::is_requested`] was called.
    polls: Arc<AtomicU64>,
    /// The poll from which on the answer is yes, for tests.
    at_poll: Option<u64>,
}

impl Interrupt {
    /// Listens: SIGTERM and SIGINT ask to save and leave. A second one ends the process where it is, except in a job of Slurm;
    /// SIGQUIT does so always. SIGHUP is ignored, because a run outlives the terminal that it was started from.
    pub fn listen() -> io::Result<Self> {
        let this = Self::default();
        if launcher::current().job().is_some() {
            // Slurm sends SIGTERM twice within a moment, and again before it kills the worker.
            flag::register(SIGTERM, Arc::clone(&this.terminated))?;
            flag::register(SIGINT, Arc::clone(&this.interrupted))?;
            return this.and_other_signals();
        }
        for (signal, own, other) in [
            (SIGTERM, &this.terminated, &this.interrupted),
            (SIGINT, &this.interrupted, &this.terminated),
        ] {
            // A flag each, and the other's looked at last: two threads may receive one each at the same time, and with one
            // flag for both neither of them would see that it is the second.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(own))?;
            flag::register(signal, Arc::clone(own))?;
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(other))?;
        }
        this.and_other_signals()
    }

    /// Also handles SIGQUIT, SIGHUP and SIGXFSZ.
    fn and_other_signals(self) -> io::Result<Self> {
        flag::register_conditional_shutdown(
            SIGQUIT,
            128 + SIGQUIT,
            Arc::new(AtomicBool::new(true)),
        )?;
        flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
        // With this ignored, a write beyond a limit on the size of files fails, which is reported.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        Ok(self)
    }

    /// Ignores SIGTERM, SIGINT and SIGHUP in this process: rank 0 decides for all ranks, and a batch system signals each.
    pub(crate) fn ignore() -> io::Result<()> {
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            flag::register(signal, Arc::default())?;
        }
        Ok(())
    }

    /// Asks from the `poll`-th poll on (counted from 1), so that a test stops at the same place each time.
    pub fn at_poll(poll: u64) -> Self {
        Self {
            at_poll: Some(poll),
            ..Self::default()
        }
    }

    /// How often [`Self::is_requested`] was called.
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    pub fn is_requested(&self) -> bool {
        let poll = self.polls.fetch_add(1, Ordering::Relaxed) + 1;
        self.terminated.load(Ordering::Relaxed)
            || self.interrupted.load(Ordering::Relaxed)
            || self.at_poll.is_some_and(|at| poll >= at)
    }

    /// Asks, as a signal would.
    pub fn request(&self) {
        self.terminated.store(true, Ordering::Relaxed);
    }
}
