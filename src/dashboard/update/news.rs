//! Changes of the run folders, and the sentence that says what they mean.

use std::collections::HashMap;

use warmstart_schema::run::RunId;
use warmstart_schema::state::{Outcome, Status};

use crate::dashboard::effect::Effect;
use crate::dashboard::format::metric;
use crate::dashboard::message::Report;
use crate::dashboard::model::{Model, QueueWatch, Screen};
use crate::store::{Change, Run};

/// Seconds that runs wait with nothing running before the dashboard starts the next one.
const STUCK: f64 = 1.5;

pub fn take_changes(model: &mut Model, now: f64, changes: Vec<Change>) -> Vec<Effect> {
    model.tick(now);
    // Before the first look at the folders everything is new, and nothing is news.
    let mut before: HashMap<RunId, Status> = HashMap::new();
    if model.runs_read {
        let known =
            changes.iter().filter_map(Change::run).filter_map(|id| Some((id.clone(), model.runs.get(id)?.status())));
        before.extend(known);
    }
    for change in changes {
        model.runs.apply(change);
    }
    model.runs_read = true;
    let news = before.iter().filter_map(|(id, old)| {
        let run = model.runs.get(id)?;
        (run.status() != *old).then(|| Some((run.id.clone(), sentence(run, now)?))).flatten()
    });
    // A trouble is what is shown of several.
    let mut news: Vec<(RunId, Report)> = news.collect();
    news.sort_by_key(|(_, report)| !report.good);
    let mut effects = Vec::new();
    if let Some((_, shown)) = news.pop() {
        for (_, report) in news {
            model.told.keep(report);
        }
        model.report = Some(shown);
    }
    let rings = |(id, old): (&RunId, &Status)| {
        let status = model.runs.get(id).map(Run::status);
        status.is_some_and(|status| status != *old && has_ended(status))
    };
    effects.extend((model.config.bell && before.iter().any(rings)).then_some(Effect::Bell));
    if let Screen::Run(view) = &model.open
        && before.get(&view.id).is_some_and(|old| model.runs.get(&view.id).is_some_and(|run| run.status() != *old))
    {
        effects.push(Effect::ReadWorkerLog(view.id.clone()));
    }
    effects.extend(watch_queue(model));
    effects
}

fn has_ended(status: Status) -> bool {
    matches!(status, Status::Finished | Status::Failed | Status::Lost | Status::Stopped)
}

/// Starts the next run when the worker that should have done so was killed.
pub fn watch_queue(model: &mut Model) -> Vec<Effect> {
    let runs = model.live().next().is_some();
    let waits = !model.runs.queue().waiting.is_empty();
    let now = model.now;
    model.queue_watch = match model.queue_watch {
        _ if runs => QueueWatch::Moves,
        QueueWatch::Unseen => QueueWatch::Unseen,
        _ if !waits => QueueWatch::Moves,
        QueueWatch::Moves => QueueWatch::StuckSince(now),
        QueueWatch::StuckSince(since) if now - since >= STUCK => {
            model.queue_watch = QueueWatch::StuckSince(now);
            return vec![Effect::Advance];
        }
        QueueWatch::StuckSince(since) => QueueWatch::StuckSince(since),
    };
    Vec::new()
}

/// What a run's new state is worth telling.
fn sentence(run: &Run, now: f64) -> Option<Report> {
    let label = run.label();
    let (good, text) = match run.status() {
        Status::Finished => {
            let test = run.state.test.as_ref().map(|test| test.accuracy);
            (true, format!("{label} is done: test accuracy {}", metric(test)))
        }
        Status::Failed => {
            let error = match &run.state.outcome {
                Some(Outcome::Failed { error, .. }) => error.as_str(),
                _ => "",
            };
            (false, format!("{label} failed: {error}"))
        }
        Status::Lost => (false, format!("{label} was {}; u resumes it", run.trouble(now)?.what)),
        Status::Stalled | Status::Hung | Status::Suspended => (false, format!("{label} is {}", run.trouble(now)?.what)),
        Status::Stopped => (true, format!("{label} stopped; u resumes it")),
        Status::Stopping => (true, format!("{label} is stopping")),
        Status::Starting => (true, format!("{label} is starting")),
        Status::Queued(_) | Status::Active(_) => return None,
    };
    Some(Report { good, text })
}
