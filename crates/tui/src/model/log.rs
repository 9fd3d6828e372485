//! The log of a run as lines: its epochs, its notes, and what its worker printed.

use std::borrow::Cow;

use jiff::Timestamp;
use warmstart_runs::store::Run;
use warmstart_schema::event::Level;

use super::{LOGGED_EPOCHS, Model};
use crate::format::metric;

/// Characters of a line's first column.
pub const STAMP: usize = 10;

/// A line of the log.
pub struct LogLine<'a> {
    /// Where it belongs: an epoch, a time, or the worker.
    pub stamp: String,
    pub text: Cow<'a, str>,
    /// Of what the run noted.
    pub level: Option<Level>,
}

impl LogLine<'_> {
    pub fn written(&self) -> String {
        format!("{:<width$}{}", self.stamp, self.text, width = STAMP)
    }
}

/// The last `most` epochs.
fn epochs(run: &Run, most: usize) -> impl Iterator<Item = LogLine<'_>> {
    let epochs = &run.state.epochs;
    epochs[epochs.len().saturating_sub(most)..]
        .iter()
        .map(|epoch| {
            let figures = [
                epoch.train_loss,
                epoch.train_acc,
                epoch.val_loss,
                epoch.val_acc,
            ]
            .map(|figure| metric(Some(figure)));
            let [train_loss, train_acc, val_loss, val_acc] = figures;
            let best = if epoch.best { "  ▲ best" } else { "" };
            let text = format!(
                "train loss {train_loss} acc {train_acc} · val loss {val_loss} acc {val_acc}{best}"
            );
            LogLine {
                stamp: format!("epoch {}", epoch.epoch),
                text: text.into(),
                level: None,
            }
        })
}

fn notes<'a>(model: &Model, run: &'a Run) -> impl Iterator<Item = LogLine<'a>> {
    let zone = model.zone.clone();
    run.state.notes.iter().map(move |note| {
        let time = Timestamp::from_duration(
            jiff::SignedDuration::try_from_secs_f64(note.t).unwrap_or_default(),
        );
        let stamp = time.map(|time| time.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string());
        LogLine {
            stamp: stamp.unwrap_or_default(),
            text: Cow::from(&note.text),
            level: Some(note.level),
        }
    })
}

/// The last epochs, all notes, and what the worker printed.
pub fn lines<'a>(model: &'a Model, run: &'a Run) -> Vec<LogLine<'a>> {
    let printed = model.worker_lines(run).iter();
    let printed = printed.map(|line| LogLine {
        stamp: "worker".to_owned(),
        text: Cow::from(line),
        level: None,
    });
    epochs(run, LOGGED_EPOCHS)
        .chain(notes(model, run))
        .chain(printed)
        .collect()
}

/// Whether a line has what is searched for; case does not matter.
pub fn has(line: &str, wanted: &str) -> bool {
    line.to_lowercase().contains(&wanted.to_lowercase())
}

/// The lines of the log as texts.
pub fn texts(model: &Model, run: &Run) -> Vec<String> {
    lines(model, run).iter().map(LogLine::written).collect()
}

/// What a file of the log holds, but for what the worker printed: its title, every epoch and every note.
pub fn whole(model: &Model, run: &Run) -> String {
    let lines = epochs(run, usize::MAX).chain(notes(model, run));
    let lines = lines
        .map(|line| line.written() + "\n")
        .collect::<Vec<_>>()
        .concat();
    format!("{} {}\n{lines}", run.label(), run.id)
}

/// The end of the log without what the worker printed: at most so many epochs, and all notes.
pub fn tail<'a>(model: &Model, run: &'a Run, epochs_at_most: usize) -> Vec<LogLine<'a>> {
    epochs(run, epochs_at_most)
        .chain(notes(model, run))
        .collect()
}
