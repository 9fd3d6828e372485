//! ```text
//! ┌ Lite0, freeze on training image 34133 ─────────┐
//! │ ▀▀▀▀▀▀▀▀▀▀▀▀  tiger     ━━━━━━━━━━━━━  87.50 % │
//! │ ▀▀▀▀▀▀▀▀▀▀▀▀  lion      ━━───────────  12.50 % │
//! │ ▀▀▀▀▀▀▀▀▀▀▀▀                                   │
//! │ ▀▀▀▀▀▀▀▀▀▀▀▀  it is: tiger                     │
//! └────────────────────────────────────────────────┘
//! ```
//! The prediction of a run's best checkpoint, and the model's input image.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Flex, Layout, Rect};
use ratatui::widgets::{Block, Clear};
use warmstart_schema::look::Pixels;
use warmstart_schema::prediction::ClassProbability;

use crate::model::{Prediction, Seen};
use crate::screen::{paint, picture};
use crate::theme::THEME;

/// Width of the classes and probabilities; a wider box also shows the image.
const CLASSES: u16 = 40;
const HEIGHT: u16 = 18;
const WIDTH: u16 = CLASSES + 36;

pub(super) fn draw(frame: &mut Frame, area: Rect, prediction: &Prediction) {
    let [area] = area.layout(
        &Layout::vertical([Constraint::Length(HEIGHT.min(area.height))]).flex(Flex::Center),
    );
    let [area] = area.layout(
        &Layout::horizontal([Constraint::Length(WIDTH.min(area.width))]).flex(Flex::Center),
    );
    let Prediction { label, title, .. } = prediction;
    let block = Block::bordered().border_style(THEME.accent);
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    let buf = frame.buffer_mut();
    let heading = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        height: area.height.min(1),
        ..area
    };
    paint::left(buf, heading, &format!(" {label} on {title} "), THEME.title);
    let inner = Rect {
        x: inner.x + 1.min(inner.width),
        width: inner.width.saturating_sub(2),
        ..inner
    };
    match &prediction.seen {
        Seen::NotYet => {
            paint::left(buf, inner, "asking its best checkpoint …", THEME.muted);
        }
        Seen::Nothing(why) => {
            for (line, y) in paint::wrap(why, usize::from(inner.width))
                .iter()
                .zip(0..inner.height)
            {
                paint::left(buf, paint::row(inner, y), line, THEME.warning);
            }
        }
        Seen::Classes {
            epoch,
            classes,
            pixels,
        } => {
            let beside = draw_picture(buf, inner, pixels.as_ref());
            let taken = draw_classes(buf, beside, classes, prediction.truth.as_deref());
            // On a small terminal the classes need all rows.
            if taken < beside.height {
                paint::left(
                    buf,
                    paint::row(beside, beside.height - 1),
                    &format!("its checkpoint of epoch {epoch}"),
                    THEME.muted,
                );
            }
        }
    }
}

/// Draws the model's input if it fits, and returns the free area beside it.
fn draw_picture(buf: &mut Buffer, area: Rect, pixels: Option<&Pixels>) -> Rect {
    let Some(pixels) = pixels.filter(|_| area.width > CLASSES) else {
        return area;
    };
    let drawn = picture::draw(
        buf,
        Rect {
            width: area.width - CLASSES,
            ..area
        },
        pixels,
    );
    let taken = (drawn.width + 2).min(area.width);
    Rect {
        x: area.x + taken,
        width: area.width - taken,
        ..area
    }
}

/// A bar for each class, and below them the true class, if known. A sign, not only colour, marks its bar. Returns how many rows that
/// takes.
fn draw_classes(
    buf: &mut Buffer,
    area: Rect,
    classes: &[ClassProbability],
    truth: Option<&str>,
) -> u16 {
    /// Width of ` 100.00 %`, and a column between it and the bar.
    const FIGURE: u16 = 10;
    let name = area.width.saturating_sub(FIGURE) / 2;
    for (class, y) in classes.iter().zip(0..area.height) {
        let row = paint::row(area, y);
        let shown = class.shown();
        let is_true = truth == Some(shown.as_str());
        let style = if is_true { THEME.good } else { THEME.text };
        paint::left(
            buf,
            Rect {
                width: 1.min(row.width),
                ..row
            },
            if is_true { "●" } else { " " },
            style,
        );
        let after_mark = 2.min(name);
        paint::left(
            buf,
            Rect {
                x: row.x + after_mark,
                width: name - after_mark,
                ..row
            },
            &shown,
            style,
        );
        let bar = row.width.saturating_sub(name + 1 + FIGURE);
        paint::bar(
            buf,
            Rect {
                x: row.x + (name + 1).min(row.width),
                width: bar,
                ..row
            },
            class.probability,
            THEME.accent,
        );
        paint::right(
            buf,
            row,
            &format!(" {:.2} %", class.probability * 100.0),
            style,
        );
    }
    let bars = u16::try_from(classes.len()).unwrap_or(u16::MAX);
    let Some(truth) = truth else {
        return bars;
    };
    // A row stays empty above it, if there is one.
    let below = bars
        .saturating_add(1)
        .min(area.height.saturating_sub(1))
        .max(bars);
    paint::left(
        buf,
        paint::row(area, below),
        &format!("it is: {truth}"),
        THEME.text,
    );
    below.saturating_add(1)
}
