//! ```text
//!  epoch 12  train loss 0.9800 acc 0.7310 · val loss 1.4370 acc 0.6180  best
//!  10:01:07  5 of 3,038 images could not be read
//!  10:04:31  checkpoint not saved: no space left on device; training goes on
//!  worker    libtorch: …
//! ```
//! What a run said: its epochs, its notes, and what its worker printed. The end of it below the charts, all of it on its own.

use std::borrow::Cow;

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use warmstart_schema::state::Status;

use super::super::paint;
use crate::format::metric;
use crate::model::{LOGGED_EPOCHS, Model};
use crate::theme::THEME;
use warmstart_runs::store::Run;

/// Characters of a line's first column.
const STAMP: u16 = 10;

struct LogLine<'a> {
    stamp: String,
    text: Cow<'a, str>,
    style: Style,
}

impl LogLine<'_> {
    fn written(&self) -> String {
        format!(
            "{:<width$}{}",
            self.stamp,
            self.text,
            width = usize::from(STAMP)
        )
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
                style: THEME.text,
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
            style: THEME.level(note.level),
        }
    })
}

fn lines<'a>(model: &'a Model, run: &'a Run) -> Vec<LogLine<'a>> {
    let printed = model.worker_lines(run).iter();
    let printed = printed.map(|line| LogLine {
        stamp: "worker".to_owned(),
        text: Cow::from(line),
        style: THEME.text,
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

/// All of the log, scrolled up by `up` lines from its end; what is searched for stands out.
pub fn draw(
    buf: &mut Buffer,
    area: Rect,
    model: &Model,
    run: &Run,
    up: usize,
    searched: Option<&str>,
) {
    let mut lines = lines(model, run);
    let last = lines.len().saturating_sub(1).saturating_sub(up);
    if let Some(wanted) = searched {
        for (index, line) in lines
            .iter_mut()
            .enumerate()
            .filter(|(_, line)| has(&line.written(), wanted))
        {
            line.style = if index == last {
                THEME.selected
            } else {
                THEME.accent
            };
        }
    }
    let height = usize::from(area.height);
    let first = lines.len().saturating_sub(height).saturating_sub(up);
    draw_lines(buf, area, &lines[first..]);
    if lines.is_empty() {
        paint::left(buf, area, "The log is empty.", THEME.muted);
    }
}

/// The end of the log. What the worker printed matters where it had no word left to say.
pub fn draw_tail(buf: &mut Buffer, area: Rect, model: &Model, run: &Run) {
    let of_worker = matches!(run.status(), Status::Lost | Status::Failed);
    let height = usize::from(area.height);
    let lines = if of_worker {
        lines(model, run)
    } else {
        epochs(run, height)
            .chain(notes(model, run))
            .collect::<Vec<_>>()
    };
    let first = lines.len().saturating_sub(height);
    draw_lines(buf, area, &lines[first..]);
    if lines.is_empty() {
        paint::left(buf, area, "nothing in the log", THEME.muted);
    }
}

fn draw_lines(buf: &mut Buffer, area: Rect, lines: &[LogLine]) {
    for (line, y) in lines.iter().zip(0..area.height) {
        let row = paint::row(area, y);
        paint::left(
            buf,
            Rect {
                width: STAMP.min(row.width),
                ..row
            },
            &line.stamp,
            THEME.muted,
        );
        paint::message(buf, shifted(row, STAMP), &line.text, line.style);
    }
}

fn shifted(area: Rect, by: u16) -> Rect {
    Rect {
        x: area.x + by.min(area.width),
        width: area.width.saturating_sub(by),
        ..area
    }
}
