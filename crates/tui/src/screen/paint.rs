//! Draws text at a position, cut to its width. Untrusted text is sanitized before it gets into a
//! cell.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use warmstart_schema::text;
pub(super) use warmstart_schema::text::wrap;

use crate::theme::THEME;
use warmstart_runs::store::Run;

/// A horizontal line in the area's first row.
pub(super) fn rule(buf: &mut Buffer, area: Rect) {
    for x in area.left()..area.right() {
        buf[(x, area.top())].set_char('─').set_style(THEME.rule);
    }
}

/// A vertical line in the area's first column.
pub(super) fn divide(buf: &mut Buffer, area: Rect) {
    for y in area.top()..area.bottom() {
        buf[(area.left(), y)].set_char('│').set_style(THEME.rule);
    }
}

/// Text at the left of the area's first row, cut with `…`. Returns the free area to its right.
pub(super) fn left(buf: &mut Buffer, area: Rect, text: &str, style: Style) -> Rect {
    if area.is_empty() {
        return area;
    }
    let space = usize::from(area.width);
    let end = if text::columns(text) <= space {
        buf.set_stringn(area.left(), area.top(), text, space, style)
            .0
    } else {
        let (x, y) = buf.set_stringn(area.left(), area.top(), text, space - 1, style);
        buf.set_stringn(x, y, "…", 1, style).0
    };
    Rect {
        x: end,
        width: area.right().saturating_sub(end),
        ..area
    }
}

/// A message at the left of the area's first row. If it is too long, shortens its paths before its
/// cause.
pub(super) fn message(buf: &mut Buffer, area: Rect, text: &str, style: Style) -> Rect {
    left(
        buf,
        area,
        &text::fitted(text, usize::from(area.width)),
        style,
    )
}

/// Text at the right of the area's first row.
pub(super) fn right(buf: &mut Buffer, area: Rect, text: &str, style: Style) {
    let width = u16::try_from(text::columns(text))
        .unwrap_or(u16::MAX)
        .min(area.width);
    left(
        buf,
        Rect {
            x: area.right() - width,
            width,
            ..area
        },
        text,
        style,
    );
}

/// How many columns a line takes. `Line::width` counts letters that a font may join as one.
pub(super) fn columns(line: &Line) -> usize {
    let spans = line.spans.iter();
    spans.map(|span| text::columns(&span.content)).sum()
}

/// A styled line at the right; not drawn if it does not fit.
pub(super) fn right_line(buf: &mut Buffer, area: Rect, line: &Line) -> bool {
    let width = u16::try_from(columns(line)).unwrap_or(u16::MAX);
    let fits = width <= area.width && !area.is_empty();
    if fits {
        buf.set_line(area.right() - width, area.top(), line, width);
    }
    fits
}

/// A styled line at the left, cut if it does not fit. Returns the free area to its right.
pub(super) fn left_line(buf: &mut Buffer, area: Rect, line: &Line) -> Rect {
    line.spans.iter().fold(area, |rest, span| {
        left(buf, rest, &span.content, line.style.patch(span.style))
    })
}

/// The row of an area; empty if the area has fewer rows.
pub(super) fn row(area: Rect, index: u16) -> Rect {
    let height = u16::from(index < area.height);
    Rect {
        y: area.y.saturating_add(index.min(area.height)),
        height,
        ..area
    }
}

/// A label at the left and a value at the right of a row.
pub(super) fn field(buf: &mut Buffer, area: Rect, label: &str, value: &str, style: Style) {
    if area.is_empty() {
        return;
    }
    let rest = left(buf, area, label, THEME.label);
    right(
        buf,
        Rect {
            x: rest.x.saturating_add(1).min(area.right()),
            width: rest.width.saturating_sub(1),
            ..rest
        },
        value,
        style,
    );
}

/// A bar that fills `share` of a row.
pub(super) fn bar(buf: &mut Buffer, area: Rect, share: f64, style: Style) {
    if area.is_empty() {
        return;
    }
    let halves = halves(share, area.width);
    for (index, x) in (area.left()..area.right()).enumerate() {
        let filled = halves.saturating_sub(index * 2);
        let (symbol, style) = match filled {
            0 => ('─', THEME.rule),
            1 => ('╸', style),
            _ => ('━', style),
        };
        buf[(x, area.top())].set_char(symbol).set_style(style);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a row's width"
)]
fn halves(share: f64, width: u16) -> usize {
    (share.clamp(0.0, 1.0) * f64::from(width) * 2.0).round() as usize
}

/// Values as small vertical bars, newest last; a gap for a value that is not a number.
pub(super) fn sparkline(values: &[f64], width: usize) -> String {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(width)..];
    let finite = || shown.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    shown
        .iter()
        .map(|value| {
            let share = if high > low {
                (value - low) / (high - low)
            } else {
                0.5
            };
            if value.is_finite() {
                STEPS[step(share).min(7)]
            } else {
                ' '
            }
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of eight steps"
)]
fn step(share: f64) -> usize {
    (share * 7.0).round() as usize
}

/// Highlights the selected row: reversed, so that it is visible without colour too.
pub(super) fn mark_selected(buf: &mut Buffer, row: Rect) {
    buf.set_style(
        Rect {
            x: row.x + 1,
            width: row.width.saturating_sub(1),
            ..row
        },
        THEME.selected,
    );
    buf[(row.x, row.y)].set_char('▐').set_style(THEME.accent);
}

/// A run's tags, each after a space and a `#`.
pub(super) fn hash_tags(run: &Run) -> String {
    run.annotation
        .tags
        .iter()
        .flat_map(|tag| [" #", tag])
        .collect()
}

/// The area without its first and last column.
pub(super) fn inset(area: Rect) -> Rect {
    Rect {
        x: area.x + 1.min(area.width),
        width: area.width.saturating_sub(2),
        ..area
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_text_ends_with_ellipsis_and_keeps_wide_characters_whole() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 4, 1));
        let area = buf.area;
        left(&mut buf, area, "漢字漢字", Style::new());
        assert_eq!(
            buf.content
                .iter()
                .map(ratatui::buffer::Cell::symbol)
                .collect::<String>(),
            "漢 … "
        );
    }

    #[test]
    fn letters_that_a_font_may_join_are_cut_with_ellipsis_and_kept_whole_at_the_right() {
        let symbols = |draw: &dyn Fn(&mut Buffer, Rect)| {
            let mut buf = Buffer::empty(Rect::new(0, 0, 4, 1));
            let area = buf.area;
            draw(&mut buf, area);
            buf.content
                .iter()
                .map(ratatui::buffer::Cell::symbol)
                .collect::<String>()
        };
        let (lam, alef) = ('\u{644}', '\u{627}');
        let short = format!("{lam}{alef}");
        let long = short.repeat(3);
        let at_left = |buf: &mut Buffer, area: Rect| {
            left(buf, area, &long, Style::new());
        };
        let at_right = |buf: &mut Buffer, area: Rect| right(buf, area, &short, Style::new());
        assert_eq!(symbols(&at_left), format!("{short}{lam}…"));
        assert_eq!(symbols(&at_right), format!("  {short}"));
        let line_at_right = |buf: &mut Buffer, area: Rect| {
            right_line(buf, area, &Line::raw(short.as_str()));
        };
        assert_eq!(symbols(&line_at_right), format!("  {short}"));
    }

    #[test]
    fn a_line_keeps_its_style_at_both_sides() {
        let area = Rect::new(0, 0, 6, 1);
        let mut buf = Buffer::empty(area);
        let line = Line::styled("ab", THEME.muted);
        left_line(&mut buf, area, &line);
        right_line(&mut buf, area, &line);
        assert_eq!(buf[(0, 0)].style(), buf[(4, 0)].style());
        assert_ne!(buf[(0, 0)].style(), buf[(2, 0)].style());
    }

    #[test]
    fn sparkline_spans_values_and_leaves_gaps() {
        assert_eq!(sparkline(&[0.0, 0.5, f64::NAN, 1.0], 10), "▁▅ █");
        assert_eq!(sparkline(&[1.0, 2.0, 3.0], 2), "▁█");
        assert_eq!(sparkline(&[], 5), "");
    }
}
