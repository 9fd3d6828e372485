//! Sizes that follow from the terminal's size alone: screens draw by them, and moving needs to know them.

use ratatui::layout::{Rect, Size};

use warmstart_schema::text::wrap;

/// Below this nothing useful fits.
pub const LEAST: Size = Size::new(40, 10);

/// Whether a terminal of this size shows anything. Where it does not, no key may act on what nobody sees.
pub fn fits(size: Size) -> bool {
    size.width >= LEAST.width && size.height >= LEAST.height
}

/// Longer lines are wrapped: nobody reads across a wide screen.
const MOST: usize = 90;

/// Characters of a line in a popup, on a terminal of this width.
pub fn popup_width(terminal: u16) -> usize {
    usize::from(terminal.saturating_sub(4)).min(MOST)
}

/// Where a popup of so many lines is drawn: over the body, or over everything above the foot where that is not enough.
pub fn room(body: Rect, lines: usize) -> Rect {
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

/// A question as it fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its lines, wrapped.
    pub text: Vec<String>,
    /// Whether there is room for the answers below it; the foot of the screen has them too.
    pub has_answers: bool,
}

/// A question in lines of this width, over the body.
pub fn question(lines: &[String], width: usize, body: Rect) -> Question {
    let text: Vec<String> = lines.iter().flat_map(|line| wrap(line, width)).collect();
    let has_answers = text.len() + 4 <= usize::from(room(body, text.len() + 2).height);
    Question { text, has_answers }
}

/// Whether a question is shown to its end, so that it can be answered. The body has all rows but five.
pub fn shows_whole_question(lines: &[String], terminal: Size) -> bool {
    let body = Rect::new(0, 2, terminal.width, terminal.height.saturating_sub(5));
    let Question { text, has_answers } = question(lines, popup_width(terminal.width), body);
    let rows = text.len() + if has_answers { 2 } else { 0 };
    rows + 2 <= usize::from(room(body, rows).height)
}
