//! ```text
//! ┌ which picture? ────────────────────────┐
//! │ pictures/tiger-█                       │
//! │ tiger-1.png  tiger-2.png               │
//! └────────────────────────────────────────┘
//! ```
//! An input for one line: a number, a path with its completions, a search, or how far a run is extended.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use tui_input::Input;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::frame::draw_box;
use crate::layout::popup_width;
use crate::model::{InputPrompt, PathPurpose};
use crate::screen::paint;
use crate::theme::THEME;

/// Smallest width of the input, in characters.
const LEAST: usize = 30;

pub(super) fn draw(frame: &mut Frame, area: Rect, prompt: &InputPrompt) {
    let width = popup_width(area.width);
    let (title, hints) = match prompt {
        InputPrompt::Number { .. } => ("the number of an image", Vec::new()),
        InputPrompt::Search { .. } => ("search the log", Vec::new()),
        InputPrompt::Path {
            purpose,
            candidates,
            ..
        } => {
            let question = match purpose {
                PathPurpose::Prediction(_) => "which picture? its path",
                PathPurpose::NewExperiment => "a folder of pictures, with a folder for each class",
            };
            (question, paint::wrap(&candidates.join("  "), width))
        }
        InputPrompt::Extension(extension) => (
            extension.question(),
            paint::wrap(&extension.answer(), width),
        ),
    };
    let mut lines = vec![typed(prompt.input(), width)];
    let is_mistaken =
        matches!(prompt, InputPrompt::Extension(extension) if extension.change().is_err());
    let style = if is_mistaken {
        THEME.warning
    } else {
        THEME.muted
    };
    lines.extend(hints.into_iter().map(|hint| Line::styled(hint, style)));
    draw_box(frame, area, title, lines, None);
}

/// How many columns of the text are hidden at its beginning, so that its cursor is visible in so many columns.
pub(in crate::screen) fn scroll(input: &Input, columns: usize) -> usize {
    // The character under the cursor may be two cells wide.
    let under = input.value().chars().nth(input.cursor());
    let under = under.and_then(UnicodeWidthChar::width).unwrap_or(1).max(1);
    input.visual_scroll(columns.saturating_sub(under))
}

/// The input with its cursor; hides the beginning if it does not fit.
pub(in crate::screen) fn typed(input: &Input, width: usize) -> Line<'static> {
    let under_cursor = input.value().chars().nth(input.cursor());
    let cursor = under_cursor.map_or(" ".to_owned(), String::from);
    let scrolled = scroll(input, width);
    let mut left = 0;
    let hidden = input.value().chars().take_while(|c| {
        left += c.width().unwrap_or(0);
        left <= scrolled
    });
    let hidden = hidden.count();
    let mut shown = input.value().chars().skip(hidden);
    let before: String = shown
        .by_ref()
        .take(input.cursor().saturating_sub(hidden))
        .collect();
    let after: String = shown.skip(1).collect();
    let space = LEAST
        .min(width)
        .saturating_sub(before.width() + cursor.width() + after.width());
    Line::from(vec![
        Span::styled(before, THEME.text),
        Span::styled(cursor, THEME.selected),
        Span::styled(after, THEME.text),
        Span::raw(" ".repeat(space)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_inside_the_input_on_wide_characters_too() {
        let value = format!("a{}", "猫".repeat(20));
        for width in 10..14 {
            for cursor in 0..=value.chars().count() {
                let input = Input::new(value.clone()).with_cursor(cursor);
                let line = typed(&input, width);
                let [before, under, ..] = &line.spans[..] else {
                    panic!("{line:?}");
                };
                assert!(
                    before.width() + under.width() <= width,
                    "{cursor} of {width}: {line:?}"
                );
                let expected = value.chars().nth(cursor).unwrap_or(' ');
                assert_eq!(under.content, expected.to_string());
            }
        }
    }
}
