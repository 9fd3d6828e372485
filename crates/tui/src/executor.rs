//! Runs the effects that `update` returns. They run in order on their own thread, so a slow disk
//! never delays a key.

mod experiments;
mod exports;
mod failures;
mod meter;
mod notes;
mod progress;
mod queue;
mod workers;

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use warmstart_schema::text;

use self::failures::none_failed;
use self::meter::Meter;
use self::progress::Progress;
use self::workers::Workers;
use super::effect::{Effect, Undo};
use super::folders::Folders;
use super::memory::Memory;
use super::message::{Message, Report};
use super::paths;
use warmstart_runs::actions;
use warmstart_runs::failure::Failure;
use warmstart_runs::groups::Plan;
use warmstart_runs::store::{self, ExperimentFile, Run, Watcher, worker_log_tail};

/// Lines of a worker's output that the log shows.
const WORKER_LOG_LINES: usize = 500;
/// How long leaving waits for pending effects.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Sends effects to their thread.
#[derive(Debug)]
pub(crate) struct Effects {
    queue: Sender<Effect>,
    thread: JoinHandle<()>,
}

impl Effects {
    /// Starts the thread. Results are sent as messages, and `done` gets one after each effect.
    pub(crate) fn start(
        folders: Folders,
        messages: UnboundedSender<Message>,
        done: Sender<()>,
    ) -> Self {
        let (queue, effects): (_, Receiver<Effect>) = channel();
        let root = folders.checkpoints.clone();
        // Gigabytes of old trash take a while, and no effect waits for them. What remains when the dashboard ends is removed by the
        // next one. A run that cannot be deleted does no harm, so ignore errors.
        std::thread::spawn(move || {
            let _ = warmstart_runs::trash::empty(&root, warmstart_runs::trash::KEPT);
        });
        let thread = std::thread::spawn(move || {
            let mut meter = Meter::new(folders.checkpoints.clone(), messages.clone());
            let mut workers = Workers::new(folders.checkpoints.clone(), messages.clone());
            for effect in effects {
                if let Effect::ReadMachine(training) = effect {
                    meter.ask(training);
                } else {
                    let (name, start): (&str, _) = ((&effect).into(), Instant::now());
                    let message = execute(effect, &folders, &mut workers, &messages);
                    tracing::debug!(effect = name, elapsed = ?start.elapsed(), "done");
                    if let Some(message) = message {
                        // The receiver is gone only while leaving.
                        let _ = messages.send(message);
                    }
                }
                let _ = done.send(());
            }
        });
        Self { queue, thread }
    }

    pub(crate) fn ask(&self, effect: Effect) {
        // The thread ends only when `self` does, so this cannot fail.
        let _ = self.queue.send(effect);
    }

    /// Waits for pending effects, but not for a disk that hangs. Returns whether all are done.
    pub(crate) fn finish(self, patience: Duration) -> bool {
        drop(self.queue);
        let deadline = Instant::now() + patience;
        while !self.thread.is_finished() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

fn execute(
    effect: Effect,
    folders: &Folders,
    workers: &mut Workers,
    messages: &UnboundedSender<Message>,
) -> Option<Message> {
    let checkpoints = &folders.checkpoints;
    let progress = |what, runs| Progress::of(messages, what, runs);
    match effect {
        Effect::ReadWorkerLog(id) => {
            let lines = worker_log_tail(checkpoints, &id, WORKER_LOG_LINES);
            Some(Message::WorkerLog { id, lines })
        }
        Effect::Annotate { runs, change } => Some(notes::annotate(
            checkpoints,
            &runs,
            &change,
            progress("saving", runs.len()),
        )),
        Effect::Delete(runs) => Some(notes::delete(
            checkpoints,
            &runs,
            progress("deleting", runs.len()),
        )),
        Effect::Undo(Undo::Deleted(trashed)) => Some(notes::restore(
            checkpoints,
            &trashed,
            progress("restoring", trashed.len()),
        )),
        Effect::Undo(Undo::Annotated(annotated)) => {
            Some(notes::restore_annotations(checkpoints, &annotated))
        }
        Effect::ShowDataset { ticket, source } => workers.show_dataset(ticket, source),
        Effect::AskDataset(ask) => {
            workers.ask(&ask);
            None
        }
        Effect::CloseDataset => {
            workers.end();
            None
        }
        Effect::Predict {
            ticket,
            run,
            subject,
        } => {
            workers.predict(ticket, &run, subject);
            None
        }
        Effect::Edited { path, ended } => Some(Message::Report(experiments::edited(&path, ended))),
        Effect::ReadExperiment(path) => {
            let text = experiments::read(&path);
            Some(Message::ExperimentRead { path, text })
        }
        Effect::WriteExperiment(writing) => Some(experiments::write(&writing, folders, messages)),
        Effect::NewExperiment(pictures) => {
            experiments::propose(pictures, folders.clone(), messages.clone());
            None
        }
        Effect::CompletePath {
            typed,
            only_folders,
        } => {
            let (longer, candidates) = paths::completed(&typed, only_folders);
            Some(Message::Completed {
                typed,
                longer,
                candidates,
            })
        }
        Effect::Resume { run, changes } => resume(folders, run, &changes),
        Effect::Launch(file) => report(launch(folders, &file, messages).map(Some)),
        Effect::StartOver(run) => report(start_over(folders, &run).map(Some)),
        Effect::Stop { run, now } => report(stop(folders, &run, now).map(Some)),
        Effect::Queue(change) => report(queue::change(checkpoints, &change, messages)),
        Effect::Advance => {
            let failed = actions::advance(checkpoints);
            report(failed.and_then(|failed| none_failed(&failed, messages).map(|()| None)))
        }
        Effect::Export { text, extension } => {
            report(exports::comparison(&folders.exports, &text, extension).map(Some))
        }
        Effect::ExportCharts(charts) => {
            report(exports::charts(&folders.exports, &charts.svg()).map(Some))
        }
        Effect::SaveLog { id, text } => {
            report(exports::log(&folders.exports, checkpoints, &id, &text).map(Some))
        }
        Effect::Remember(change) => {
            if let Some(path) = &folders.state {
                let mut memory = Memory::read(path);
                memory.merge(*change);
                // The dashboard works without its memory, so ignore errors.
                let _ = memory.write(path);
            }
            None
        }
        // The loop runs these, or they have their own thread.
        Effect::ReadMachine(_)
        | Effect::Notice(_)
        | Effect::Copy(_)
        | Effect::Edit(_)
        | Effect::Suspend
        | Effect::Repaint
        | Effect::Leave => None,
    }
}

/// The message of an effect that says one sentence or nothing, or fails.
fn report(said: anyhow::Result<Option<String>>) -> Option<Message> {
    let (good, said) = match said {
        Ok(said) => (true, said?),
        Err(error) => (false, format!("{error:#}")),
    };
    Some(Message::Report(Report {
        good,
        text: text::line(&said, 400),
    }))
}

fn resume(folders: &Folders, run: Box<Run>, changes: &[String]) -> Option<Message> {
    match actions::resume(&folders.checkpoints, &run, changes) {
        Err(error) if actions::is_gone(&error) => {
            let why = error
                .downcast::<Failure>()
                .map_or_else(|error| error.to_string(), |failure| failure.what);
            Some(Message::Gone { run, why })
        }
        resumed => report(resumed.map(|()| Some(format!("{} resumes", run.label())))),
    }
}

fn start_over(folders: &Folders, run: &Run) -> anyhow::Result<String> {
    actions::resume_from(&folders.checkpoints, run, &[], actions::ResumeFrom::Start)?;
    Ok(format!("{} starts over from the beginning", run.label()))
}

fn stop(folders: &Folders, run: &Run, now: bool) -> anyhow::Result<String> {
    let label = run.label();
    Ok(match actions::stop(&folders.checkpoints, run, now)? {
        actions::Stop::Unqueued => format!("{label} is out of the queue"),
        actions::Stop::Continued => {
            format!("{label} was suspended; it continues now, to save and stop")
        }
        actions::Stop::Asked => format!("{label} was asked to stop"),
    })
}

fn launch(
    folders: &Folders,
    file: &ExperimentFile,
    messages: &UnboundedSender<Message>,
) -> anyhow::Result<String> {
    let Ok(experiment) = &file.loaded else {
        anyhow::bail!("{} has a mistake", file.file_name())
    };
    let source = if experiment.init.is_some() {
        let files = store::experiments(&folders.experiments)?;
        store::init_file(&folders.experiments, &files, file)?
    } else {
        None
    };
    let warning = match actions::room(&folders.checkpoints, experiment) {
        actions::Room::Enough => String::new(),
        actions::Room::Scarce(what) => format!("; {what}"),
        actions::Room::None(what) => anyhow::bail!("{} is not launched: {what}", experiment.name),
    };
    if file.group.is_some() {
        let queued = launch_group(folders, file, source.as_deref(), messages)?;
        return Ok(format!("{}: {queued}{warning}", experiment.name));
    }
    let id = actions::launch(
        &folders.checkpoints,
        file,
        experiment,
        source.as_deref(),
        "auto",
    )?;
    Ok(format!("{} launched as {id}{warning}", experiment.name))
}

/// Queues the members that are not done. Reads the runs again, because another process may have launched some meanwhile.
fn launch_group(
    folders: &Folders,
    file: &ExperimentFile,
    source: Option<&Path>,
    messages: &UnboundedSender<Message>,
) -> anyhow::Result<String> {
    let root = &folders.checkpoints;
    let (_, runs) = Watcher::read_all(root, std::slice::from_ref(file));
    let Some(plan) = Plan::of(file, &runs) else {
        anyhow::bail!("{} has a mistake", file.file_name())
    };
    let launch = actions::launch_group(root, file, &plan.0, source, "auto")?;
    none_failed(&launch.failed, messages)?;
    Ok(plan.in_words())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::effect::QueueChange;
    use crate::tests::fixtures::data;

    fn folders(root: &Path) -> Folders {
        Folders {
            experiments: root.join("experiments"),
            checkpoints: root.to_path_buf(),
            exports: root.to_path_buf(),
            state: None,
        }
    }

    #[test]
    fn leaving_knows_whether_all_effects_are_done() {
        let root = tempfile::tempdir().unwrap();
        let (messages, mut answers) = unbounded_channel();
        let asked = || {
            let (done, _) = channel();
            let effects = Effects::start(folders(root.path()), messages.clone(), done);
            effects.ask(Effect::Queue(QueueChange::Pause));
            effects
        };
        // The change of the queue waits for this lock.
        let lock = File::create(root.path().join("queue.lock")).unwrap();
        lock.lock().unwrap();
        assert!(!asked().finish(Duration::ZERO));
        drop(lock);
        answers.blocking_recv().unwrap();
        assert!(asked().finish(Duration::from_secs(20)));
    }

    #[test]
    fn a_launch_names_the_folder_in_which_it_cannot_look_for_its_source() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(root.path());
        let path = data().join("experiments/quickstart/5-lite0-finetune.yaml");
        let file = ExperimentFile::load(path, &[]);
        let (messages, _answers) = unbounded_channel();
        let error = launch(&folders, &file, &messages).unwrap_err();
        let folder = folders.experiments.display().to_string();
        assert!(error.to_string().contains(&folder), "{error}");
    }
}
