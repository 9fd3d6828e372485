//! The log of a run as lines: its epochs, its notes, and its worker's output.

use std::borrow::Cow;

use warmstart_runs::store::Run;
use warmstart_schema::event::Level;

use super::{LOGGED_EPOCHS, Model, Pane, Screen};
use crate::format::{metric, time_of_day};
use crate::layout::log_rows;

/// Least width of a line's first column, in characters, with the space after it.
const LEAST_STAMP: usize = 10;

/// A line of the log.
pub(crate) struct LogLine<'a> {
    /// The first column, in ASCII: an epoch, a strength of the regularization, a time, or `worker`.
    pub stamp: String,
    pub text: Cow<'a, str>,
    /// The level of a note; `None` for other lines.
    pub level: Option<Level>,
}

impl LogLine<'_> {
    /// The width of the first column, in characters, with the space after it. `epoch 1000` takes more than usual.
    pub(crate) fn stamp_width(&self) -> usize {
        LEAST_STAMP.max(self.stamp.len() + 1)
    }

    /// The whole line, for a search and a file.
    pub(crate) fn written(&self) -> String {
        let width = self.stamp_width();
        format!("{:<width$}{}", self.stamp, self.text)
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
                stamp: epoch.strength().map_or_else(
                    || format!("epoch {}", epoch.epoch),
                    |strength| format!("C {strength:.1e}"),
                ),
                text: text.into(),
                level: None,
            }
        })
}

/// The notes that the state keeps, with their local time.
fn notes<'a>(model: &'a Model, run: &'a Run) -> impl Iterator<Item = LogLine<'a>> {
    run.state.notes.iter().map(move |note| LogLine {
        stamp: time_of_day(note.t, &model.zone),
        text: Cow::from(&note.text),
        level: Some(note.level),
    })
}

/// The log on the screen: the last epochs, all notes, and the worker's output.
pub(crate) fn lines<'a>(model: &'a Model, run: &'a Run) -> Vec<LogLine<'a>> {
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

/// Whether a line contains the searched text, ignoring case.
pub(crate) fn has(line: &str, wanted: &str) -> bool {
    line.to_lowercase().contains(&wanted.to_lowercase())
}

/// [`lines`] as text.
pub(crate) fn texts(model: &Model, run: &Run) -> Vec<String> {
    lines(model, run).iter().map(LogLine::written).collect()
}

/// The text of a saved log without the worker's output: the title, every epoch, and the newest notes that are kept.
pub(crate) fn whole(model: &Model, run: &Run) -> String {
    let lines = epochs(run, usize::MAX).chain(notes(model, run));
    let lines = lines
        .map(|line| line.written() + "\n")
        .collect::<Vec<_>>()
        .concat();
    format!("{} {}\n{lines}", run.label(), run.id)
}

/// The end of the log without the worker's output: at most `epochs_at_most` epochs, and all notes.
pub(crate) fn tail<'a>(model: &'a Model, run: &'a Run, epochs_at_most: usize) -> Vec<LogLine<'a>> {
    epochs(run, epochs_at_most)
        .chain(notes(model, run))
        .collect()
}

impl Model {
    /// Keeps the lines of a scrolled log in view when new lines come.
    pub(crate) fn keep_log_in_view(&mut self) {
        let Screen::Run(view) = &mut self.open else {
            return;
        };
        let Some(run) = self.runs.get(&view.id) else {
            return;
        };
        // Meanwhile the dashboard may have read another worker's output.
        let printed = self.worker_log.as_ref().filter(|(id, _)| *id == run.id);
        let printed = printed.map_or(view.logged[2], |(_, lines)| lines.len());
        let logged = [run.state.epochs.len(), run.state.notes.len(), printed];
        let before = std::mem::replace(&mut view.logged, logged);
        let Pane::Log { up } = &mut view.pane else {
            return;
        };
        if *up == 0 {
            return;
        }
        // The top line stays; in a search the bottom line, which is the match.
        let kept = if view.searched.is_some() {
            *up
        } else {
            *up + log_rows(self.size) - 1
        };
        // Each part grows at its end, so only its part and later ones push the kept line up.
        let (mut old, mut new) = (0, 0);
        for (old_lines, new_lines) in before.into_iter().zip(logged).rev() {
            old += old_lines;
            new += new_lines;
            if kept < old {
                break;
            }
        }
        *up = (*up + new).saturating_sub(old);
    }
}
