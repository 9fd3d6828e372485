//! ```text
//!  filter: status:runing val_acc>0.6
//!                 ^ no state is called `runing`; did you mean running?
//! ```
//! The filter while the user types it, and its mistake below.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tui_input::Input;

use super::paint;
use super::popup::input;
use crate::model::Typing;
use crate::theme::THEME;
use warmstart_report::query::Mistake;
use warmstart_schema::text;

/// The label of the filter.
const FILTER: &str = "filter: ";

/// The filter with its cursor, or examples if it is empty.
pub(super) fn draw(buf: &mut Buffer, area: Rect, input: &Input) {
    let rest = paint::left(buf, area, FILTER, THEME.label);
    if input.value().is_empty() {
        let rest = paint::left(buf, rest, " ", THEME.selected);
        paint::left(
            buf,
            rest,
            " words, status:running backbone:resnet* val_acc>0.6 tag:x -not",
            THEME.muted,
        );
    } else {
        paint::left_line(buf, rest, &input::typed(input, usize::from(rest.width)));
    }
}

/// The mistake in the filter, with a caret below its position: to the right of the caret or, where that is too narrow, to its left.
/// Where both are too narrow, or the position is out of sight, there is no caret, because it would mark another place.
pub(super) fn draw_mistake(buf: &mut Buffer, area: Rect, typing: &Typing, mistake: &Mistake) {
    let room = usize::from(area.width).saturating_sub(FILTER.len() + 2);
    let before: String = typing.input.value().chars().take(mistake.at).collect();
    let visible = text::columns(&before).checked_sub(input::scroll(&typing.input, room));
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
