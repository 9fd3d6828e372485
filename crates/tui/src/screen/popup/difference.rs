//! ```text
//! ┌ 2 of 24 fields differ ──────────────────────────────────────┐
//! │                            EffNet, freeze   EffNet, resized │
//! │ model.freeze               backbone         none            │
//! │ train.epochs               30               –               │
//! └──────────────────────────────────────────────────────────────┘
//! ```
//! Two experiments side by side, with every default filled in.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear};
use unicode_width::UnicodeWidthStr;
use warmstart_schema::text;

use crate::model::{Difference, DifferenceRow};
use crate::screen::paint;
use crate::theme::THEME;

/// Characters between two columns.
const GAP: u16 = 2;

pub(super) fn draw(frame: &mut Frame, area: Rect, difference: &Difference) {
    let (differing, all) = difference.count();
    let title = match differing {
        0 => format!(" none of {all} fields differs "),
        1 => format!(" 1 of {all} fields differs "),
        _ => format!(" {differing} of {all} fields differ "),
    };
    let rows: Vec<&DifferenceRow> = difference.shown().collect();
    let height = u16::try_from(rows.len() + 3)
        .unwrap_or(u16::MAX)
        .min(area.height);
    let area = Rect {
        y: area.y + (area.height - height) / 2,
        height,
        ..area
    };
    let below = rows
        .len()
        .saturating_sub(usize::from(height.saturating_sub(3)));
    let down = difference.down.min(below);
    let block = Block::bordered()
        .border_style(THEME.accent)
        .title(title)
        .title_bottom(Line::from(if below > 0 { " ↑↓ " } else { "" }).right_aligned());
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    let buf = frame.buffer_mut();
    let inner = Rect {
        x: inner.x + 1.min(inner.width),
        width: inner.width.saturating_sub(2),
        ..inner
    };
    let widest = rows.iter().map(|row| row.path.width()).max().unwrap_or(0);
    let labels = u16::try_from(widest)
        .unwrap_or(u16::MAX)
        .min(inner.width / 3 + 4);
    let [one, other] = &difference.titles;
    draw_row(
        buf,
        paint::row(inner, 0),
        labels,
        ("", THEME.label),
        [(one, THEME.title), (other, THEME.title)],
    );
    for (row, y) in rows.iter().skip(down).zip(1..inner.height) {
        let style = if row.differs() {
            THEME.accent
        } else {
            THEME.muted
        };
        let [one, other] = [0, 1].map(|side| (row.values[side].as_deref().unwrap_or("–"), style));
        let line = paint::row(inner, y);
        draw_row(buf, line, labels, (&row.path, THEME.label), [one, other]);
        // Mark differences without relying on colour.
        if row.differs() && difference.all {
            let at = Rect {
                x: (line.x + labels).min(line.right()),
                width: 1.min(line.width),
                ..line
            };
            paint::left(buf, at, "±", THEME.accent);
        }
    }
}

/// A label and two columns of equal width, cut so that values that differ look different.
fn draw_row(
    buf: &mut Buffer,
    row: Rect,
    labels: u16,
    label: (&str, Style),
    values: [(&str, Style); 2],
) {
    let labels = labels.min(row.width);
    paint::left(
        buf,
        Rect {
            width: labels,
            ..row
        },
        label.0,
        label.1,
    );
    let rest = row.width.saturating_sub(labels + GAP);
    let half = rest.saturating_sub(GAP) / 2;
    let texts = text::apart(values.map(|(text, _)| text), usize::from(half));
    for (index, (text, (_, style))) in (0_u16..).zip(texts.iter().zip(values)) {
        let x = row
            .x
            .saturating_add(labels + GAP + index * (half + GAP))
            .min(row.right());
        let width = half.min(row.right().saturating_sub(x));
        paint::left(buf, Rect { x, width, ..row }, text, style);
    }
}
