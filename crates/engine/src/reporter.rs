//! Writes events: progress a few times a second at most, everything else at once.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use warmstart_runs::event_log::EventWriter;
use warmstart_runs::launcher::slurm::Claim;
use warmstart_schema::event::{Event, Level, Phase};

use crate::heartbeat;
use crate::usage::Usage;
use crate::worker_log;

/// The usual least time between two progress events; `Options::progress_every` of the worker sets another.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(400);
/// The least time between two samples of the machine's use.
const USAGE_EVERY: Duration = Duration::from_secs(2);

/// Writes a run's events.
#[derive(Debug)]
pub struct Reporter {
    /// None where another process writes them.
    log: Option<Log>,
    progress_every: Duration,
    last_progress: Option<Instant>,
    last_usage: Option<Instant>,
    /// The worker's right to write, if another worker could take it.
    claim: Option<Claim>,
    /// Whether the last write failed. Only the first failure in a row is logged.
    failing: bool,
}

/// The log, and what is sampled for it.
#[derive(Debug)]
struct Log {
    writer: EventWriter,
    usage: Usage,
}

impl Reporter {
    /// Opens a run's log to append to it. Progress is due once per `progress_every`.
    pub fn open(path: &Path, usage: Usage, progress_every: Duration) -> Result<Self> {
        let writer = EventWriter::open(path)?;
        Ok(Self {
            log: Some(Log { writer, usage }),
            progress_every,
            ..Self::silent()
        })
    }

    /// Writes nothing.
    pub fn silent() -> Self {
        Self {
            log: None,
            progress_every: Duration::MAX,
            last_progress: None,
            last_usage: None,
            claim: None,
            failing: false,
        }
    }

    /// Writes from now on only while this worker has the run; ends the process otherwise.
    pub(crate) fn guard(&mut self, claim: Option<Claim>) {
        self.claim = claim;
    }

    /// Writes an event. A log that cannot be written keeps the line for later and never stops training.
    pub fn emit(&mut self, event: &Event) {
        // A save follows, so an older look is not enough.
        let is_saving = matches!(
            event,
            Event::Phase {
                phase: Phase::Saving
            }
        );
        heartbeat::keep(self.claim.as_mut(), is_saving);
        let Some(log) = &mut self.log else {
            return;
        };
        let failed = log.writer.write(event).err();
        if let (Some(error), false) = (&failed, self.failing) {
            worker_log::line(&format!(
                "events.jsonl cannot be written, trying again with each event: {error}"
            ));
        }
        self.failing = failed.is_some();
    }

    /// Writes that a phase begins. The next progress is due after `progress_every`.
    pub fn phase(&mut self, phase: Phase) {
        self.last_progress = Some(Instant::now());
        self.emit(&Event::Phase { phase });
    }

    /// Writes a note, also to `worker.log`.
    pub fn note(&mut self, level: Level, text: impl Into<String>) {
        if self.log.is_none() {
            return;
        }
        let text = text.into();
        worker_log::line(&text);
        self.emit(&Event::Note { level, text });
    }

    /// Whether progress is worth computing now.
    pub fn is_progress_due(&self) -> bool {
        self.log.is_some()
            && self
                .last_progress
                .is_none_or(|last| last.elapsed() >= self.progress_every)
    }

    /// Writes progress, and every two seconds a sample of the machine's use.
    pub fn progress(&mut self, progress: &Event) {
        self.last_progress = Some(Instant::now());
        self.emit(progress);
        self.sample_usage();
    }

    fn sample_usage(&mut self) {
        if self
            .last_usage
            .is_some_and(|last| last.elapsed() < USAGE_EVERY)
        {
            return;
        }
        self.last_usage = Some(Instant::now());
        let sample = self.log.as_mut().map(|log| log.usage.sample());
        if let Some(sample) = sample {
            self.emit(&Event::System(sample));
        }
    }

    /// Syncs the log, so that it survives a power loss.
    pub fn sync(&mut self) {
        let Some(Log { writer, .. }) = &mut self.log else {
            return;
        };
        if let Err(error) = writer.flush().and_then(|()| writer.sync()) {
            worker_log::line(&format!("events.jsonl cannot be synced: {error}"));
        }
    }
}
