//! Progress of followed runs: bars on a terminal, plain lines elsewhere, nothing when quiet.

use std::cell::RefCell;
use std::collections::HashMap;

use indicatif::{DecimalBytes, MultiProgress, ProgressBar, ProgressStyle};
use warmstart_runs::run::RunId;
use warmstart_schema::event::{Attempt, Epoch, Event, Fetch, FetchAction, Level, Phase, Record};
use warmstart_schema::state::Status;
use warmstart_schema::text;

use super::{Context, output};
use warmstart_runs::store::Run;

/// The greatest width of the names before the bars, in columns of the screen.
const MOST_NAME: usize = 30;

/// How the progress of followed runs appears.
pub(super) enum Progress {
    Quiet,
    Lines(RefCell<Tenths>),
    Bars {
        all: MultiProgress,
        bars: HashMap<RunId, ProgressBar>,
    },
}

impl Progress {
    pub(super) fn new(context: &Context, followed: &[RunId]) -> Self {
        if context.quiet {
            return Self::Quiet;
        }
        if !output::is_interactive() {
            return Self::Lines(RefCell::default());
        }
        let all = MultiProgress::new();
        let template = if context.color {
            "{prefix:.bold} {bar:20.cyan/dim} {wide_msg}"
        } else {
            "{prefix} {bar:20} {wide_msg}"
        };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸─");
        let bar = |id: &RunId| {
            (
                id.clone(),
                all.add(ProgressBar::new(1).with_style(style.clone())),
            )
        };
        let bars = followed.iter().map(bar).collect();
        Self::Bars { all, bars }
    }

    /// Prints what a run's new events say.
    pub(super) fn print(&self, run: Option<&Run>, records: &[Record]) {
        let Some(run) = run else { return };
        for record in records {
            match self {
                Self::Lines(tenths) => match &record.event {
                    Event::Fetch(fetch) => {
                        if let Some(text) = tenths.borrow_mut().next(run.id.as_str(), fetch) {
                            output::line(&format!("{}: {text}", run.label()));
                        }
                    }
                    event => say_line(run, event),
                },
                Self::Bars { all, .. } => {
                    if let Some(text) = remark(&record.event) {
                        // Follow the runs even if a bar cannot be drawn.
                        let _ = all.println(format!("{}: {text}", run.label()));
                    }
                }
                Self::Quiet => {}
            }
        }
    }

    /// Updates the bars.
    pub(super) fn draw(&self, runs: &[&Run]) {
        let Self::Bars { bars, .. } = self else {
            return;
        };
        let width = runs
            .iter()
            .map(|run| text::columns(run.label()))
            .max()
            .unwrap_or(0)
            .min(MOST_NAME);
        for run in runs {
            if let Some(bar) = bars.get(&run.id) {
                update(bar, run, width);
            }
        }
    }

    /// Stops the bars where they are.
    pub(super) fn finish(&self) {
        if let Self::Bars { bars, .. } = self {
            bars.values().for_each(ProgressBar::abandon);
        }
    }

    pub(super) fn note(&self, context: &Context, text: &str) {
        self.above(|| output::note(context, text));
    }

    pub(super) fn warn(&self, context: &Context, text: &str) {
        self.above(|| output::warn(context, text));
    }

    /// Prints above the bars.
    fn above(&self, print: impl FnOnce()) {
        match self {
            Self::Bars { all, .. } => all.suspend(print),
            _ => print(),
        }
    }
}

fn update(bar: &ProgressBar, run: &Run, width: usize) {
    let state = &run.state;
    let (done, of) = match (&state.batch, &state.fetch, run.status()) {
        (_, _, Status::Finished) => (1, 1),
        (_, Some(fetch), _) => (fetch.done, fetch.total),
        (Some(batch), None, _) => (u64::from(batch.batch), u64::from(batch.batches)),
        (None, None, _) => (0, 1),
    };
    bar.set_prefix(name(run.label(), width));
    bar.set_length(of.max(1));
    bar.set_position(done);
    bar.set_message(message(run));
    if !run.status().is_live() && !matches!(run.status(), Status::Queued(_) | Status::Paused) {
        bar.abandon();
    }
}

/// A run's name before its bar, in exactly so many columns of the screen.
fn name(label: &str, width: usize) -> String {
    let label = text::middle(label, width);
    let free = width.saturating_sub(text::columns(&label));
    label + &" ".repeat(free)
}

/// The text after a bar.
fn message(run: &Run) -> String {
    let state = &run.state;
    let status = run.status();
    let mut parts = vec![match status {
        Status::Queued(place) => format!("queued {place}"),
        _ => status.as_str().to_owned(),
    }];
    if let Some(text) = run.whereabouts() {
        parts.push(text);
        return parts.join("  ");
    }
    if let Some(fetch) = &state.fetch {
        parts.push(text::line(&fetched(fetch), 60));
        parts.push(sizes(fetch));
        return parts.join("  ");
    }
    let epoch = state
        .batch
        .as_ref()
        .map(|batch| batch.epoch)
        .or(state.epochs.last().map(|epoch| epoch.epoch));
    if let (Some(epoch), Some(planned)) = (epoch, state.epochs_planned()) {
        parts.push(format!("{} {epoch}/{planned}", run.unit()));
    }
    if let Some(test) = &state.test {
        parts.push(format!("test acc {:.4}", test.accuracy));
    } else if let Some(epoch) = state.epochs.last() {
        parts.push(format!("val acc {:.4}", epoch.val_acc));
    }
    if let Some(batch) = state.batch.as_ref().filter(|_| status.is_live()) {
        // Loading has no loss; a loss of training that is no number is shown.
        let has_loss = batch.loss.is_finite() || state.phase == Phase::Training;
        parts.extend(has_loss.then(|| format!("loss {:.4}", batch.loss)));
        parts.push(format!("{:.0} img/s", batch.images_per_second));
        if let Some(left) = state.time_left().filter(|_| state.phase == Phase::Training) {
            parts.push(format!("{} left", output::duration(left)));
        }
    } else if let Some(time) = state.train_time() {
        parts.push(output::duration(time));
    }
    parts.join("  ")
}

/// The name of what is downloaded, or that it is unpacked.
pub(super) fn fetched(fetch: &Fetch) -> String {
    match fetch.action {
        FetchAction::Download => fetch.what.clone(),
        FetchAction::Unpack => format!("{} {}", fetch.action.as_str(), fetch.what),
    }
}

/// The progress of a download.
pub(super) fn sizes(fetch: &Fetch) -> String {
    format!(
        "{} of {}",
        DecimalBytes(fetch.done),
        DecimalBytes(fetch.total)
    )
}

/// Downloads as plain lines, one for each tenth.
#[derive(Debug, Default)]
pub(super) struct Tenths {
    printed: HashMap<(String, String), u64>,
}

impl Tenths {
    /// The next line about a download of `whose`, if one is due.
    pub(super) fn next(&mut self, whose: &str, fetch: &Fetch) -> Option<String> {
        let tenth = fetch.done.saturating_mul(10) / fetch.total.max(1);
        let last = self
            .printed
            .insert((whose.to_owned(), fetched(fetch)), tenth);
        let what = text::line(&fetched(fetch), 60);
        (last != Some(tenth)).then(|| {
            format!(
                "{what}: {:.0} %, {}",
                (fetch.share() * 100.0).floor(),
                sizes(fetch)
            )
        })
    }
}

/// Events that get their own line even beside bars.
fn remark(event: &Event) -> Option<String> {
    match event {
        Event::Attempt(attempt) => Some(started(attempt)),
        Event::Note {
            level: Level::Warning | Level::Error,
            text,
        } => Some(text::line(text, 300)),
        Event::CheckpointFailed { error } => Some(format!(
            "checkpoint not saved: {}; training continues",
            text::line(error, 300)
        )),
        Event::Halved(place) => {
            let end = if place.continues {
                "continues"
            } else {
                "stopped"
            };
            Some(format!("halving: {place}: {end}"))
        }
        _ => None,
    }
}

fn say_line(run: &Run, event: &Event) {
    let text = match event {
        Event::Phase {
            phase: phase @ (Phase::Loading | Phase::Testing),
        } => phase.as_str().to_owned(),
        Event::Epoch(epoch) => finished_epoch(run, epoch),
        Event::Test(test) => {
            let views = test.views.map_or_else(String::new, |views| {
                format!(" (mean of {views} views of each image)")
            });
            format!(
                "test acc {:.4}{views}, with the checkpoint of {} {}",
                test.accuracy,
                run.unit(),
                test.epoch
            )
        }
        Event::Stopping => "stopping".to_owned(),
        Event::Paused { epoch, .. } => format!("epoch {epoch} is done; waits for its group"),
        Event::Stopped { step, .. } => format!("stopped after step {step}"),
        Event::Finished {
            train_time,
            stopped_early,
        } => {
            let early = if *stopped_early {
                ", stopped early"
            } else {
                ""
            };
            format!(
                "done after {} of training{early}",
                output::duration(*train_time)
            )
        }
        Event::Failed { .. } => "failed".to_owned(),
        Event::Note {
            level: Level::Info,
            text,
        } => text::line(text, 300),
        other => match remark(other) {
            Some(remark) => remark,
            None => return,
        },
    };
    output::line(&format!("{}: {text}", run.label()));
}

fn started(attempt: &Attempt) -> String {
    let device = output::device(attempt);
    let text = match attempt.resumed_from {
        Some(step) => format!("resumed after step {step} on {device}"),
        None => format!("started on {device}"),
    };
    let exact = attempt
        .not_exact
        .iter()
        .map(|why| format!("; not exact: {why}"))
        .collect::<Vec<_>>()
        .concat();
    text::line(&(text + &exact), 400)
}

fn finished_epoch(run: &Run, epoch: &Epoch) -> String {
    let planned = run.state.epochs_planned().unwrap_or(epoch.epoch);
    let Epoch {
        train_loss,
        train_acc,
        val_loss,
        val_acc,
        images_per_second,
        plain,
        ..
    } = epoch;
    // With averaged weights the figures are theirs.
    let plain = plain.map_or_else(String::new, |plain| {
        let (loss, acc) = (plain.val_loss, plain.val_acc);
        format!(" (not averaged: {loss:.4}, {acc:.4})")
    });
    let best = if epoch.best { "  best so far" } else { "" };
    if let Some(strength) = epoch.strength() {
        return format!(
            "strength {}/{planned}  C {strength:.3e}  train loss {train_loss:.4} acc {train_acc:.4}  val loss {val_loss:.4} acc \
             {val_acc:.4}{best}",
            epoch.epoch
        );
    }
    format!(
        "epoch {}/{planned}  train loss {train_loss:.4} acc {train_acc:.4}  val loss {val_loss:.4} acc {val_acc:.4}{plain}  \
         {images_per_second:.0} img/s{best}",
        epoch.epoch
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_before_bars_take_the_same_columns_in_any_script() {
        for label in ["ab", "a long name of a run", "凍結した特徴", "é"] {
            let name = name(label, 9);
            assert_eq!(text::columns(&name), 9, "{name:?}");
        }
    }
}
