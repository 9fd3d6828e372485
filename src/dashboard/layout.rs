//! Sizes that follow from the terminal's size alone: screens draw by them, and moving needs to know them.

/// Longer lines are wrapped: nobody reads across a wide screen.
const MOST: usize = 90;

/// Characters of a line in a popup, on a terminal of this width.
pub fn popup_width(terminal: u16) -> usize {
    usize::from(terminal.saturating_sub(4)).min(MOST)
}
