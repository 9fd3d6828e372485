//! Telling what happens, as events: progress a few times a second at most, everything else as it comes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use warmstart_runs::event_log::EventWriter;
use warmstart_schema::event::{Event, Level, Phase};

use crate::usage::Usage;

/// Progress is told no more often than this, unless it is wanted oftener.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(400);
/// Use of the machine likewise.
const USAGE_EVERY: Duration = Duration::from_secs(2);

/// Writes a run's events.
#[derive(Debug)]
pub struct Reporter {
    writer: EventWriter,
    usage: Usage,
    progress_every: Duration,
    last_progress: Option<Instant>,
    last_usage: Option<Instant>,
    /// Whether the last write failed; said once on stderr, which is the worker's log.
    failing: bool,
}

impl Reporter {
    /// Goes on with a run's log; progress is told once every `progress_every` at most.
    pub fn open(path: &Path, usage: Usage, progress_every: Duration) -> Result<Self> {
        let writer = EventWriter::open(path)?;
        Ok(Self {
            writer,
            usage,
            progress_every,
            last_progress: None,
            last_usage: None,
            failing: false,
        })
    }

    /// Tells an event. A log that cannot be written holds the line back and never stops training.
    pub fn emit(&mut self, event: &Event) {
        let failed = self.writer.write(event).err();
        if let (Some(error), false) = (&failed, self.failing) {
            log::line(&format!(
                "events.jsonl cannot be written, trying again with each event: {error}"
            ));
        }
        self.failing = failed.is_some();
    }

    pub fn phase(&mut self, phase: Phase) {
        self.last_progress = Some(Instant::now());
        self.emit(&Event::Phase { phase });
    }

    pub fn note(&mut self, level: Level, text: impl Into<String>) {
        let text = text.into();
        log::line(&text);
        self.emit(&Event::Note { level, text });
    }

    /// Whether progress is worth computing now.
    pub fn is_due(&self) -> bool {
        self.last_progress
            .is_none_or(|last| last.elapsed() >= self.progress_every)
    }

    /// Tells progress, and now and then the use of the machine.
    pub fn progress(&mut self, progress: &Event) {
        self.last_progress = Some(Instant::now());
        self.emit(progress);
        if self
            .last_usage
            .is_none_or(|last| last.elapsed() >= USAGE_EVERY)
        {
            self.last_usage = Some(Instant::now());
            let sample = self.usage.sample();
            self.emit(&Event::System(sample));
        }
    }

    /// Makes what was told survive a power loss.
    pub fn sync(&mut self) {
        if let Err(error) = self.writer.flush().and_then(|()| self.writer.sync()) {
            log::line(&format!("events.jsonl cannot be synced: {error}"));
        }
    }
}

/// The worker's own log: its standard error, which its launcher sends to `worker.log`.
pub mod log {
    use std::io::Write;

    /// Writes a line; there is nobody to tell if that fails.
    pub fn line(text: &str) {
        let _ = writeln!(
            std::io::stderr(),
            "{} {text}",
            jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ")
        );
    }
}
