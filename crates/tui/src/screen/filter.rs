//! ```text
//!  filter: status:runing val_acc>0.6
//!                 ^ no state is called `runing`; did you mean running?
//! ```
//! The filter while the user types it, and its mistake below.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use tui_input::Input;
use unicode_width::UnicodeWidthChar;

use super::paint;
use crate::model::Typing;
use crate::theme::THEME;
use warmstart_report::query::Mistake;
use warmstart_schema::text;

/// The label of the filter.
const FILTER: &str = "filter: ";

/// The filter with its cursor, or examples if it is empty.
pub(super) fn draw(buf: &mut Buffer, area: Rect, input: &Input) {
    let rest = paint::left(buf, area, FILTER, THEME.label);
    let text = after_width(input.value(), scroll(input, usize::from(rest.width)));
    if input.value().is_empty() {
        let rest = paint::left(buf, rest, " ", THEME.selected);
        paint::left(
            buf,
            rest,
            " words, status:running backbone:resnet* val_acc>0.6 tag:x -not",
            THEME.muted,
        );
    } else {
        let scrolled = input.value().chars().count() - text.chars().count();
        let (before, after) = split_at(text, input.cursor().saturating_sub(scrolled));
        let cursor = after.chars().next().map_or(" ".to_owned(), String::from);
        let behind = after.chars().skip(1).collect::<String>();
        let line = Line::from(vec![
            Span::styled(before.to_owned(), THEME.text),
            Span::styled(cursor, THEME.selected),
            Span::styled(behind, THEME.text),
        ]);
        paint::left_line(buf, rest, &line);
    }
}

/// How many columns of the text are hidden at its beginning, so that its cursor is visible in so many columns.
fn scroll(input: &Input, columns: usize) -> usize {
    // The character under the cursor may be two cells wide.
    let under = input.value().chars().nth(input.cursor());
    let under = under.and_then(UnicodeWidthChar::width).unwrap_or(1).max(1);
    input.visual_scroll(columns.saturating_sub(under))
}

/// The text after its first `columns` columns.
fn after_width(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let gone = text.char_indices().find(|(_, c)| {
        let is_out = used < columns;
        used += c.width().unwrap_or(0);
        !is_out
    });
    gone.map_or("", |(at, _)| &text[at..])
}

/// The mistake in the filter, with a caret below its position: to the right of the caret or, where that is too narrow, to its left.
/// Where both are too narrow, or the position is out of sight, there is no caret, which would mark another place.
pub(super) fn draw_mistake(buf: &mut Buffer, area: Rect, typing: &Typing, mistake: &Mistake) {
    let room = usize::from(area.width).saturating_sub(FILTER.len() + 2);
    let before: String = typing.input.value().chars().take(mistake.at).collect();
    let visible = text::columns(&before).checked_sub(scroll(&typing.input, room));
    let space = usize::from(area.width).saturating_sub(1);
    let caret = visible
        .map(|columns| 1 + FILTER.len() + columns)
        .filter(|caret| *caret < space);
    let text = mistake.to_string();
    let width = text::columns(&text);
    let (column, text) = match caret {
        Some(caret) if caret + 2 + width <= space => (caret, format!("^ {text}")),
        Some(caret) if width + 2 <= caret => (caret - width - 1, format!("{text} ^")),
        _ => (1, text),
    };
    let column = u16::try_from(column).unwrap_or(1).min(area.width);
    paint::left(
        buf,
        Rect {
            x: area.x + column,
            width: area.width - column,
            ..area
        },
        &text,
        THEME.warning,
    );
}

fn split_at(text: &str, chars: usize) -> (&str, &str) {
    text.split_at(
        text.char_indices()
            .nth(chars)
            .map_or(text.len(), |(at, _)| at),
    )
}
