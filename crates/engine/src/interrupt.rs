//! Requests to stop, as signals. The handler only sets a flag; it is looked at after every batch.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use warmstart_runs::launcher;

/// Whether work came to its end.
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
    requested: Arc<AtomicBool>,
    interrupted: Arc<AtomicBool>,
    /// How often it was looked at, and the look from which on the answer is yes.
    looks: Arc<AtomicU64>,
    at_look: Option<u64>,
}

impl Interrupt {
    /// Listens: SIGTERM and SIGINT ask to save and leave; a second one, or SIGQUIT, ends the process where it is. SIGHUP is
    /// ignored, because a run outlives the terminal that it was started from.
    pub fn listen() -> io::Result<Self> {
        let this = Self::default();
        if launcher::current().job().is_some() {
            // Slurm sends SIGTERM twice within a moment, and again before it kills the worker.
            flag::register(SIGTERM, Arc::clone(&this.requested))?;
            flag::register(SIGINT, Arc::clone(&this.interrupted))?;
            return this.or_at_once();
        }
        for (signal, own, other) in [
            (SIGTERM, &this.requested, &this.interrupted),
            (SIGINT, &this.interrupted, &this.requested),
        ] {
            // A flag each, and the other's looked at last: two threads may receive one each at the same time, and with one
            // flag for both neither of them would see that it is the second.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(own))?;
            flag::register(signal, Arc::clone(own))?;
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(other))?;
        }
        this.or_at_once()
    }

    /// Listens to the other signals.
    fn or_at_once(self) -> io::Result<Self> {
        flag::register_conditional_shutdown(
            SIGQUIT,
            128 + SIGQUIT,
            Arc::new(AtomicBool::new(true)),
        )?;
        flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
        // A limit on the size of files then is an error of the write, which is reported.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        Ok(self)
    }

    /// Ignores what asks to stop or to end later: in a group of processes rank 0 decides for all, and a batch system signals each.
    pub(crate) fn deaf() -> io::Result<()> {
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            flag::register(signal, Arc::default())?;
        }
        Ok(())
    }

    /// Asks from the `look`-th look on (counted from 1), so that a stop comes at the same place each time.
    pub fn at_look(look: u64) -> Self {
        Self {
            at_look: Some(look),
            ..Self::default()
        }
    }

    /// How often somebody looked.
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    pub fn is_requested(&self) -> bool {
        let look = self.looks.fetch_add(1, Ordering::Relaxed) + 1;
        self.requested.load(Ordering::Relaxed)
            || self.interrupted.load(Ordering::Relaxed)
            || self.at_look.is_some_and(|at| look >= at)
    }

    /// Asks, as a signal would.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }
}
