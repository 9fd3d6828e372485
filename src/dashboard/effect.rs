//! What `update` wants done, and the one place that does it. Effects run in order on a thread of their own, so that a
//! slow disk never holds up a key.

mod experiments;
mod notes;
mod progress;
mod queue;
mod workers;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::mpsc::UnboundedSender;
use warmstart_schema::look::Ask;
use warmstart_schema::run::RunId;
use warmstart_schema::text;

pub use self::experiments::Writing;
pub use self::notes::Notation;
use self::progress::Progress;
pub use self::queue::QueueChange;
use self::workers::Workers;
use super::chart::png;
use super::machine::{Meter, Workers as TrainingWorkers};
use super::memory::Memory;
use super::message::{Message, Report};
use super::model::{Album, Undo};
use super::paths;
use super::terminal::Ended;
use crate::actions;
use crate::predict::Subject;
use crate::store::{ExperimentFile, Run, worker_log_tail};

/// Lines of a worker's own output that the log shows.
const WORKER_LOG_LINES: usize = 500;
/// How long leaving waits for what was asked before.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "an effect is made once, moved once and gone")]
pub enum Effect {
    Launch(ExperimentFile),
    /// Takes a run up again, after it was changed by `FIELD=VALUE`s.
    Resume {
        run: Box<Run>,
        changes: Vec<String>,
    },
    Queue(QueueChange),
    Stop {
        run: Box<Run>,
        now: bool,
    },
    /// Starts what waits and can start.
    Advance,
    /// Writes a new file into the current folder.
    Export {
        text: String,
        extension: &'static str,
    },
    /// Writes charts, given as SVG, as SVG and as PNG beside the exports.
    ExportCharts(String),
    ReadWorkerLog(RunId),
    /// Reads what the machine has and what these workers use of it.
    ReadMachine(TrainingWorkers),
    /// Hands a text to the terminal's clipboard.
    Copy(String),
    /// Rings the terminal's bell and hands it a text to show.
    Notice(String),
    Annotate {
        runs: Vec<RunId>,
        notation: Notation,
    },
    Delete(Vec<RunId>),
    TakeBack(Undo),
    /// Starts a worker that shows a dataset, in the place of an earlier one.
    Look {
        ticket: u64,
        album: Album,
    },
    AskLook(Ask),
    EndLook,
    /// Asks a run about a picture.
    Predict {
        ticket: u64,
        run: RunId,
        subject: Subject,
    },
    /// Reads an experiment file of which a field shall change.
    ReadExperiment(PathBuf),
    /// Writes an experiment file, anew or in the place of what was read.
    WriteExperiment(Box<Writing>),
    /// Looks how a typed path goes on.
    CompletePath(String),
    /// Opens a file in the user's editor.
    Edit(PathBuf),
    /// The editor is closed: what the file is worth now.
    Edited {
        path: PathBuf,
        ended: Result<Ended, String>,
    },
    /// Writes down what was chosen on screen.
    Remember(Box<Memory>),
    /// Back to the shell until it brings the dashboard to the front again.
    Suspend,
    /// Draw everything anew.
    Repaint,
    Leave,
}

/// Where effects work.
#[derive(Debug, Clone)]
pub struct Folders {
    pub experiments: PathBuf,
    pub checkpoints: PathBuf,
    /// Where exports are written.
    pub exports: PathBuf,
    /// The file that remembers what was chosen on screen.
    pub state: Option<PathBuf>,
}

/// Hands effects to their thread.
#[derive(Debug)]
pub struct Effects {
    queue: Sender<Effect>,
    thread: JoinHandle<()>,
}

impl Effects {
    /// Starts the thread; what comes of effects is sent as messages, and `done` is told after each.
    pub fn start(folders: Folders, messages: UnboundedSender<Message>, done: Sender<()>) -> Self {
        let (queue, effects): (_, Receiver<Effect>) = channel();
        let thread = std::thread::spawn(move || {
            // What has been in the trash for long enough goes; what cannot be removed is in nobody's way.
            let _ = crate::trash::empty(&folders.checkpoints, crate::trash::KEPT);
            let mut meter = Meter::new(folders.checkpoints.clone(), messages.clone());
            let mut workers = Workers::new(folders.checkpoints.clone(), messages.clone());
            for effect in effects {
                if let Effect::ReadMachine(training) = effect {
                    meter.ask(training);
                } else if let Some(message) = perform(effect, &folders, &mut workers, &messages) {
                    // Nobody listens any more only while leaving.
                    let _ = messages.send(message);
                }
                let _ = done.send(());
            }
        });
        Self { queue, thread }
    }

    pub fn ask(&self, effect: Effect) {
        // The thread ends only when `self` does.
        let _ = self.queue.send(effect);
    }

    /// Lets what was asked for come to its end, but does not wait for a disk that hangs.
    pub fn finish(self) {
        drop(self.queue);
        let deadline = Instant::now() + PATIENCE;
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn perform(
    effect: Effect,
    folders: &Folders,
    workers: &mut Workers,
    messages: &UnboundedSender<Message>,
) -> Option<Message> {
    let checkpoints = &folders.checkpoints;
    let result = match effect {
        Effect::Launch(file) => launch(checkpoints, &file),
        Effect::Resume { run, changes } => {
            actions::resume(checkpoints, &run, &changes).map(|()| format!("{} is taken up again", run.label()))
        }
        Effect::Stop { run, now } => actions::stop(checkpoints, &run, now).map(|stop| match stop {
            actions::Stop::Unqueued => format!("{} is out of the queue", run.label()),
            actions::Stop::Asked => format!("{} was asked to stop", run.label()),
        }),
        Effect::Queue(change) => match queue::change(checkpoints, &change) {
            Ok(None) => return None,
            Ok(Some(text)) => Ok(text),
            Err(error) => Err(error),
        },
        Effect::Advance => match actions::advance(checkpoints).and_then(queue::all_started) {
            Ok(()) => return None,
            Err(error) => Err(error),
        },
        Effect::Export { text, extension } => export(&folders.exports, "compare", text.as_bytes(), extension)
            .map(|path| format!("wrote {}", path.display())),
        Effect::ExportCharts(svg) => export_charts(&folders.exports, &svg),
        Effect::ReadWorkerLog(id) => {
            let lines = worker_log_tail(checkpoints, &id, WORKER_LOG_LINES);
            return Some(Message::WorkerLog { id, lines });
        }
        Effect::Annotate { runs, notation } => {
            let progress = Progress::of(messages, "noting", runs.len());
            return Some(notes::annotate(checkpoints, &runs, &notation, progress));
        }
        Effect::Delete(runs) => {
            return Some(notes::delete(checkpoints, &runs, Progress::of(messages, "deleting", runs.len())));
        }
        Effect::TakeBack(Undo::Deleted(trashed)) => {
            let progress = Progress::of(messages, "bringing back", trashed.len());
            return Some(notes::restore(checkpoints, &trashed, progress));
        }
        Effect::TakeBack(Undo::Annotated(before)) => return Some(notes::restore_annotations(checkpoints, &before)),
        Effect::Look { ticket, album } => return workers.look(ticket, album),
        Effect::AskLook(ask) => {
            workers.ask(&ask);
            return None;
        }
        Effect::EndLook => {
            workers.end();
            return None;
        }
        Effect::Predict { ticket, run, subject } => {
            workers.predict(ticket, &run, subject);
            return None;
        }
        Effect::Remember(memory) => {
            // Whatever keeps it from the disk, the dashboard goes on.
            let _ = folders.state.as_ref().map(|path| memory.write(path));
            return None;
        }
        Effect::Edited { path, ended } => return Some(Message::Report(experiments::edited(&path, ended))),
        Effect::ReadExperiment(path) => {
            let text = experiments::read(&path);
            return Some(Message::ExperimentRead { path, text });
        }
        Effect::WriteExperiment(writing) => return Some(experiments::write(&writing, folders, messages)),
        Effect::CompletePath(typed) => {
            let (longer, candidates) = paths::completed(&typed);
            return Some(Message::Completed { typed, longer, candidates });
        }
        // These are about the terminal, or have a thread of their own.
        Effect::ReadMachine(_)
        | Effect::Notice(_)
        | Effect::Copy(_)
        | Effect::Edit(_)
        | Effect::Suspend
        | Effect::Repaint
        | Effect::Leave => return None,
    };
    let report = match result {
        Ok(text) => Report { good: true, text },
        Err(error) => Report { good: false, text: format!("{error:#}") },
    };
    Some(Message::Report(Report { text: text::line(&report.text, 400), ..report }))
}

fn launch(checkpoints: &Path, file: &ExperimentFile) -> anyhow::Result<String> {
    let Ok(experiment) = &file.loaded else { anyhow::bail!("{} has a mistake", file.stem) };
    let id = actions::launch(checkpoints, file, experiment, "auto")?;
    Ok(format!("{} launched as {id}", experiment.name))
}

/// Both under one name. The PNG comes first: where it cannot be drawn, nothing is written.
fn export_charts(folder: &Path, svg: &str) -> anyhow::Result<String> {
    let picture = png::from_svg(svg)?;
    let drawn = export(folder, "charts", svg.as_bytes(), "svg")?;
    let beside = drawn.with_extension("png");
    let written = File::create_new(&beside).and_then(|mut file| file.write_all(&picture));
    written.with_context(|| format!("{} cannot be written", beside.display()))?;
    Ok(format!("wrote {} and .png", drawn.display()))
}

/// Writes into a file that was not there before.
fn export(folder: &Path, what: &str, content: &[u8], extension: &str) -> anyhow::Result<PathBuf> {
    let stamp = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    for attempt in 1..100 {
        let suffix = if attempt == 1 { String::new() } else { format!("-{attempt}") };
        let path = folder.join(format!("{what}-{stamp}{suffix}.{extension}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("{} cannot be written", path.display())),
            Ok(mut file) => {
                file.write_all(content).with_context(|| format!("{} cannot be written", path.display()))?;
                return Ok(path);
            }
        }
    }
    anyhow::bail!("{} holds too many exports of this second", folder.display())
}
