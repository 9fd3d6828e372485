//! ```text
//! ┌ duplicate with another train.optimizer.learning_rate: Lite0, freeze ─┐
//! │ value  3e-4                                                          │
//! │ file   4-lite0-freeze-lr-3e-4.yaml                                   │
//! │                                                                      │
//! │ train.optimizer.learning_rate  0.001 → 3e-4                          │
//! │ name  Lite0, freeze → Lite0, freeze, lr 3e-4                         │
//! │   10 │ optimizer: { name: adam, learning_rate: 3e-4 }                │
//! └──────────────────────────────────────────────────────────────────────┘
//! ```
//! The editor of an experiment's field: its value, the name of the file, and what changes or the mistakes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use tui_input::Input;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use warmstart_schema::text::{self, middle};

use super::frame::draw_box;
use super::input;
use crate::format;
use crate::layout::{popup_area, popup_width};
use crate::model::{Destination, Draft, Editor, Focus, ValueEntry};
use crate::screen::paint;
use crate::theme::THEME;

/// Width of the labels, in columns.
const LABEL: usize = 7;
/// Between the old and the new value.
const ARROW: &str = " → ";

pub(super) fn draw(frame: &mut Frame, area: Rect, editor: &Editor) {
    let width = popup_width(area.width);
    let (path, name) = (&editor.field.path, &editor.source.experiment.name);
    let title = match editor.target {
        Destination::NewFile => format!("duplicate with another {path}: {name}"),
        Destination::SameFile => format!("change {path} of {name}"),
    };
    let mut lines = vec![value(editor, width), file(editor, width), Line::default()];
    match &editor.draft {
        Ok(draft) => lines.extend(preview(draft, width)),
        Err(problems) => {
            let wrapped = problems
                .iter()
                .flat_map(|problem| paint::wrap(problem, width));
            lines.extend(wrapped.map(|line| Line::styled(line, THEME.warning)));
        }
    }
    let words = match &editor.draft {
        // A mistake lists them already.
        Ok(_) if !editor.field.words.is_empty() => {
            format!("one of: {}", editor.field.words.join(", "))
        }
        _ => String::new(),
    };
    for text in [&editor.field.about, &words]
        .into_iter()
        .filter(|text| !text.is_empty())
    {
        lines.push(Line::default());
        lines.extend(
            paint::wrap(text, width)
                .into_iter()
                .map(|line| Line::styled(line, THEME.muted)),
        );
    }
    // Keep the box's size while problems appear and disappear.
    lines.resize(lines.len().max(10), Line::default());
    lines.push(Line::raw(" ".repeat(width)));
    draw_box(frame, popup_area(area, lines.len()), &title, lines, None);
}

fn label(name: &str) -> Span<'static> {
    Span::styled(format!("{name:<LABEL$}"), THEME.label)
}

/// The value, highlighted while the next character would replace it.
fn value(editor: &Editor, width: usize) -> Line<'static> {
    let has_cursor = editor.focus == Focus::Value;
    let typed = editor.value.value();
    if has_cursor && editor.entry == ValueEntry::Replaces && !typed.is_empty() {
        // A text of several lines is shown as one.
        let typed = text::line(typed, 1000);
        let shown = middle(&typed, width.saturating_sub(LABEL));
        return Line::from(vec![label("value"), Span::styled(shown, THEME.selected)]);
    }
    field("value", has_cursor, &editor.value, "", width)
}

/// The file to write.
fn file(editor: &Editor, width: usize) -> Line<'static> {
    const ITSELF: &str = " itself";
    if editor.target == Destination::NewFile {
        let has_cursor = editor.focus == Focus::Stem;
        return field("file", has_cursor, &editor.stem, ".yaml", width);
    }
    let room = width.saturating_sub(LABEL + ITSELF.width());
    let path = middle(&format::path(&editor.source.path), room);
    Line::from(vec![
        label("file"),
        Span::styled(format!("{path}{ITSELF}"), THEME.warning),
    ])
}

/// An input behind its label. Without the cursor its middle is cut if it is too long, so that `ending` stays visible.
fn field(
    name: &str,
    has_cursor: bool,
    input: &Input,
    ending: &'static str,
    width: usize,
) -> Line<'static> {
    let room = width.saturating_sub(LABEL + ending.width());
    let mut spans = vec![label(name)];
    if has_cursor {
        spans.extend(input::typed(input, room).spans);
    } else {
        spans.push(Span::styled(middle(input.value(), room), THEME.text));
    }
    spans.push(Span::styled(ending, THEME.muted));
    Line::from(spans)
}

/// The changes, and the changed line of the file.
fn preview(draft: &Draft, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (path, before, after) in &draft.changes {
        let change = Line::from(vec![
            Span::styled(format!("{path}  "), THEME.label),
            Span::styled(before.clone(), THEME.muted),
            Span::styled(ARROW, THEME.muted),
            Span::styled(after.clone(), THEME.accent),
        ]);
        if paint::columns(&change) <= width {
            lines.push(change);
            continue;
        }
        lines.push(Line::styled(path.clone(), THEME.label));
        let values = paint::wrap(&format!("{before}{ARROW}{after}"), width);
        let values = values.into_iter();
        lines.extend(values.map(|line| Line::styled(line, THEME.accent)));
    }
    if let Some((number, line)) = &draft.line {
        let mut used = 0;
        let fits = |c: &char| {
            used += c.width().unwrap_or(0);
            used <= width
        };
        let text = format!("{number:>4} │ {line}");
        let text: String = text.chars().take_while(fits).collect();
        lines.push(Line::styled(text, THEME.muted));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_wide_characters_does_not_widen_the_box() {
        let draft = Draft {
            text: String::new(),
            changes: Vec::new(),
            line: Some((1, format!("name: {}", "猫".repeat(80)))),
        };
        for width in [75, 76] {
            let lines = preview(&draft, width);
            let [line] = &lines[..] else {
                panic!("the preview is not one line")
            };
            // A character of two columns may leave one free.
            let shown = line.width();
            assert!(shown == width || shown + 1 == width, "{shown} of {width}");
        }
    }
}
