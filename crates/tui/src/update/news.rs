//! Applies changes of run folders, and builds the status message about them.

use std::collections::BTreeMap;

use warmstart_runs::run::RunId;
use warmstart_schema::state::{Outcome, Status};
use warmstart_schema::text;

use crate::command::{Command, TrainingCommand};
use crate::effect::Effect;
use crate::format::{metric, plural};
use crate::message::Report;
use crate::model::{Model, QueueWatch, Screen};
use warmstart_runs::store::{Change, Run};

/// If runs wait this many seconds and none is live, or a group is to be halved for as long, the dashboard advances the queue.
const STUCK: f64 = 1.5;

pub(super) fn apply_changes(model: &mut Model, now: f64, changes: Vec<Change>) -> Vec<Effect> {
    model.tick(now);
    // Before the first reading of the folders every run is new, so report nothing.
    // In the order of the ids, so that the same changes give the same messages.
    let mut before: BTreeMap<RunId, Before> = BTreeMap::new();
    if model.runs_read {
        let known = |id: &RunId| {
            let run = model.runs.get(id)?;
            Some((
                id.clone(),
                Before {
                    status: run.status(),
                    skipped: run.state.skipped.len(),
                },
            ))
        };
        before.extend(changes.iter().filter_map(Change::run).filter_map(known));
    }
    let ignored_folders = changes.iter().rev().find_map(|change| match change {
        Change::IgnoredFolders { text } if !text.is_empty() => Some(text::line(text, 500)),
        _ => None,
    });
    for change in changes {
        model.runs.apply(change);
    }
    model.runs_read = true;
    // The last one is shown: an error, if there is one.
    let mut news: Vec<News> = before
        .iter()
        .filter_map(|(id, old)| news(model, model.runs.get(id)?, old, now))
        .collect();
    news.sort_by_key(|news| !news.report.good);
    let loud: Vec<&str> = news
        .iter()
        .filter(|news| news.is_loud)
        .map(|news| news.report.text.as_str())
        .collect();
    let mut effects = Vec::new();
    if !loud.is_empty() && model.config.bell {
        effects.push(Effect::Notice(loud.join("; ")));
    }
    let troubled = news.iter().filter(|news| !news.report.good).count();
    if let Some(News {
        report: mut shown, ..
    }) = news.pop()
    {
        for News { report, .. } in news {
            model.status_log.keep(report);
        }
        if troubled > 1 {
            let all = model.key_sentence(Command::Messages, "for all");
            let all = all.map_or_else(String::new, |all| format!(" ({all})"));
            let runs = plural(troubled, "run");
            shown.text = format!("{runs} have trouble{all}: {}", shown.text);
        }
        model.report = Some(shown);
    }
    if let Some(text) = ignored_folders {
        // Shown once, and not in place of news of a run; the message log keeps it.
        let report = Report { good: true, text };
        if model.report.is_none() {
            model.report = Some(report);
        } else {
            model.status_log.keep(report);
        }
    }
    if let Screen::Run(view) = &model.open
        && before.get(&view.id).is_some_and(|old| {
            model
                .runs
                .get(&view.id)
                .is_some_and(|run| run.status() != old.status)
        })
    {
        effects.push(Effect::ReadWorkerLog(view.id.clone()));
    }
    effects.extend(watch_queue(model));
    effects
}

/// A run before the change.
struct Before {
    status: Status,
    /// Number of skipped steps.
    skipped: usize,
}

/// A message about a change.
struct News {
    report: Report,
    /// Whether to ring the bell.
    is_loud: bool,
}

fn news(model: &Model, run: &Run, before: &Before, now: f64) -> Option<News> {
    let status = run.status();
    if status.is_live() && before.skipped == 0 && !run.state.skipped.is_empty() {
        let text = format!(
            "{}: a step was left out, its loss or its gradients are not numbers",
            run.label()
        );
        return Some(News {
            report: Report { good: false, text },
            is_loud: true,
        });
    }
    if status == before.status {
        return None;
    }
    // Do not ring for a run that the user stopped.
    let is_loud = matches!(status, Status::Finished | Status::Failed | Status::Lost);
    Some(News {
        report: sentence(model, run, now)?,
        is_loud,
    })
}

/// Starts the next run if the worker that should have started it was killed. Halves a group if no other process does.
pub(super) fn watch_queue(model: &mut Model) -> Vec<Effect> {
    let is_live = model.live().next().is_some();
    let queue = model.runs.queue();
    let waits = !queue.waiting.is_empty() && queue.paused.is_none();
    let is_due = model.runs.has_due_round();
    let now = model.now;
    model.queue_watch = match model.queue_watch {
        _ if is_live && !is_due => QueueWatch::Moves,
        QueueWatch::Unseen => QueueWatch::Unseen,
        _ if !waits && !is_due => QueueWatch::Moves,
        QueueWatch::Moves => QueueWatch::StuckSince(now),
        QueueWatch::StuckSince(since) if now - since >= STUCK => {
            model.queue_watch = QueueWatch::StuckSince(now);
            return vec![Effect::Advance];
        }
        QueueWatch::StuckSince(since) => QueueWatch::StuckSince(since),
    };
    Vec::new()
}

/// The message about a run's new state, if any.
fn sentence(model: &Model, run: &Run, now: f64) -> Option<Report> {
    let label = run.label();
    let resume = Command::Training(TrainingCommand::Resume);
    let resume = model.key_hint(resume, "resumes it");
    let (good, text) = match run.status() {
        Status::Finished if run.state.setback.is_some() => {
            (false, format!("{label}: {}", run.trouble(now)?.what))
        }
        Status::Finished => {
            let test = run.state.test.as_ref().map(|test| test.accuracy);
            (
                true,
                format!("{label} is done: test accuracy {}", metric(test)),
            )
        }
        Status::Failed => {
            let error = match &run.state.outcome {
                Some(Outcome::Failed { error, .. }) => error.as_str(),
                _ => "",
            };
            (false, format!("{label} failed: {error}"))
        }
        Status::Lost => (
            false,
            format!("{label} was {}{resume}", run.trouble(now)?.what),
        ),
        Status::Stalled | Status::Hung | Status::Suspended => {
            (false, format!("{label} is {}", run.trouble(now)?.what))
        }
        Status::Stopped => (true, format!("{label} stopped{resume}")),
        Status::Paused => (true, format!("{label} waits for its group")),
        Status::Halved => {
            let place = run.state.halvings.last()?;
            (true, format!("{label} is stopped by halving: {place}"))
        }
        Status::Stopping => (true, format!("{label} is stopping")),
        Status::Starting => (true, format!("{label} is starting")),
        Status::Waiting | Status::Unclear => (
            run.status() == Status::Waiting,
            format!("{label}: {}", run.standing.as_ref()?.text),
        ),
        Status::Queued(_) | Status::Active(_) | Status::Unreadable => return None,
    };
    Some(Report { good, text })
}
