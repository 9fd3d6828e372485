//! ```text
//!  epoch 12  train loss 0.9800 acc 0.7310 · val loss 1.4370 acc 0.6180  ▲ best
//!  10:01:07  5 of 3,038 images could not be read
//!  10:04:31  checkpoint not saved: no space left on device; training continues
//!  worker    libtorch: …
//! ```
//! The log of a run: its end below the charts, or the whole log as a pane.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use warmstart_runs::store::Run;
use warmstart_schema::state::Status;

use super::super::paint;
use crate::model::Model;
use crate::model::log::{self, LogLine};
use crate::theme::THEME;

/// The whole log, scrolled up from its end by `up` lines; matches of the search are highlighted.
pub(super) fn draw(
    buf: &mut Buffer,
    area: Rect,
    model: &Model,
    run: &Run,
    up: usize,
    searched: Option<&str>,
) {
    let lines = log::lines(model, run);
    let last = lines.len().saturating_sub(1).saturating_sub(up);
    let style = |index: usize, line: &LogLine| match searched {
        Some(wanted) if log::has(&line.written(), wanted) && index == last => THEME.selected,
        Some(wanted) if log::has(&line.written(), wanted) => THEME.accent,
        _ => usual(line),
    };
    let height = usize::from(area.height);
    let first = lines.len().saturating_sub(height).saturating_sub(up);
    for ((index, line), y) in lines.iter().enumerate().skip(first).zip(0..area.height) {
        draw_line(buf, paint::row(area, y), line, style(index, line));
    }
    if lines.is_empty() {
        paint::left(buf, area, "The log is empty.", THEME.muted);
    }
}

/// The end of the log. Includes the worker's output if the run failed or its worker died.
pub(super) fn draw_tail(buf: &mut Buffer, area: Rect, model: &Model, run: &Run) {
    let of_worker = matches!(run.status(), Status::Lost | Status::Failed);
    let height = usize::from(area.height);
    let lines = if of_worker {
        log::lines(model, run)
    } else {
        log::tail(model, run, height)
    };
    let first = lines.len().saturating_sub(height);
    for (line, y) in lines[first..].iter().zip(0..area.height) {
        draw_line(buf, paint::row(area, y), line, usual(line));
    }
    if lines.is_empty() {
        paint::left(buf, area, "nothing in the log", THEME.muted);
    }
}

fn usual(line: &LogLine) -> Style {
    line.level.map_or(THEME.text, |level| THEME.level(level))
}

fn draw_line(buf: &mut Buffer, row: Rect, line: &LogLine, style: Style) {
    let stamp = u16::try_from(line.stamp_width()).unwrap_or(u16::MAX);
    let first = Rect {
        width: stamp.min(row.width),
        ..row
    };
    paint::left(buf, first, &line.stamp, THEME.muted);
    paint::message(buf, shifted(row, stamp), &line.text, style);
}

fn shifted(area: Rect, by: u16) -> Rect {
    Rect {
        x: area.x + by.min(area.width),
        width: area.width.saturating_sub(by),
        ..area
    }
}
