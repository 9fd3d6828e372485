//! Sizes that depend only on the terminal's size: screens draw with them, and movement needs them.

use ratatui::layout::{Rect, Size};

use warmstart_schema::text::wrap;

/// Nothing useful fits on a smaller terminal.
pub(crate) const MIN_TERMINAL: Size = Size::new(40, 10);

/// Whether a terminal of this size shows anything. If not, no key may act on content that the user
/// cannot see.
pub(crate) fn fits(size: Size) -> bool {
    size.width >= MIN_TERMINAL.width && size.height >= MIN_TERMINAL.height
}

/// Wrap longer lines: wide text is hard to read.
const MAX_LINE_WIDTH: usize = 90;

/// Width of a line in a popup, in terminal columns, on a terminal of this width.
pub(crate) fn popup_width(terminal: u16) -> usize {
    usize::from(terminal.saturating_sub(4)).min(MAX_LINE_WIDTH)
}

/// The area for a popup of `lines` lines: over the body, or over everything above the footer if the
/// body is too small.
pub(crate) fn popup_area(body: Rect, lines: usize) -> Rect {
    if lines + 2 <= usize::from(body.height) {
        body
    } else {
        Rect {
            y: 0,
            height: body.bottom() + 1,
            ..body
        }
    }
}

/// The rows of a text in a popup of this width. A line that starts with a space quotes a file, and a mark under it points into it:
/// it stays whole.
pub(crate) fn text_rows(lines: &[String], width: usize) -> Vec<String> {
    let rows = |line: &String| {
        if line.starts_with(' ') {
            vec![line.clone()]
        } else {
            wrap(line, width)
        }
    };
    lines.iter().flat_map(rows).collect()
}

/// How many rows a popup of `rows` rows can scroll down until its last one is visible. `fixed` rows of the popup, such as column
/// names, do not scroll.
pub(crate) fn rows_below(rows: usize, fixed: usize, terminal: Size) -> usize {
    let visible = usize::from(body(terminal).height).saturating_sub(2 + fixed);
    rows.saturating_sub(visible)
}

/// How many rows of its log the run screen shows, below its title of two rows and a rule.
pub(crate) fn log_rows(terminal: Size) -> usize {
    usize::from(body(terminal).height).saturating_sub(3)
}

/// How many classes the dataset screen shows, below its title, its notes and two rows about all classes.
pub(crate) fn class_rows(notes: &[String], terminal: Size) -> usize {
    let width = usize::from(terminal.width.saturating_sub(2));
    let notes: usize = notes.iter().map(|note| wrap(note, width).len()).sum();
    let rows = usize::from(body(terminal).height).saturating_sub(1);
    // Notes take at most half of the rows.
    (rows - notes.min(rows / 2)).saturating_sub(2)
}

/// The area of the open screen. Header, rules and footer take five rows; the body starts at the third.
fn body(terminal: Size) -> Rect {
    Rect::new(0, 2, terminal.width, terminal.height.saturating_sub(5))
}

/// A question, laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// Its lines, wrapped.
    pub text: Vec<String>,
    /// Whether the answers fit below it; the footer shows them too.
    pub shows_answers: bool,
}

/// Lays out a question of this width over the body.
pub(crate) fn question(lines: &[String], width: usize, body: Rect) -> Question {
    let text: Vec<String> = lines.iter().flat_map(|line| wrap(line, width)).collect();
    let shows_answers = text.len() + 4 <= usize::from(popup_area(body, text.len() + 2).height);
    Question {
        text,
        shows_answers,
    }
}

/// Whether the whole question is visible, so that the user can answer.
pub(crate) fn shows_whole_question(lines: &[String], terminal: Size) -> bool {
    let body = body(terminal);
    let Question {
        text,
        shows_answers,
    } = question(lines, popup_width(terminal.width), body);
    let rows = text.len() + if shows_answers { 2 } else { 0 };
    rows + 2 <= usize::from(popup_area(body, rows).height)
}
