//! ```text
//! ┌ duplicate with another …learning_rate: EffNet, freeze ─┐
//! │ value  3e-4                                            │
//! │ file   experiments/4-effnet-freeze-lr-3e-4.yaml        │
//! │                                                        │
//! │ train.optimizer.learning_rate  0.001 → 3e-4            │
//! │ name  EffNet, freeze → EffNet, freeze, lr 3e-4         │
//! │ 17 │   optimizer: { name: adam, learning_rate: 3e-4 }  │
//! └────────────────────────────────────────────────────────┘
//! ```
//! The editor of an experiment's field: its value, and the file to write or the mistakes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::frame::draw_box;
use super::input;
use crate::format;
use crate::layout::{popup_area, popup_width};
use crate::model::{Destination, Draft, Editor, Focus, ValueEntry};
use crate::screen::paint;
use crate::theme::THEME;

/// Width of the labels, in characters.
const LABEL: usize = 7;

pub(super) fn draw(frame: &mut Frame, area: Rect, editor: &Editor) {
    let width = popup_width(area.width);
    let (path, name) = (&editor.field.path, &editor.source.experiment.name);
    let title = match editor.target {
        Destination::NewFile => format!("duplicate with another {path}: {name}"),
        Destination::SameFile => format!("change {path} of {name}"),
    };
    let mut lines = vec![
        value(editor, width),
        match editor.target {
            Destination::NewFile => field("file", editor.focus == Focus::Stem, &editor.stem, width),
            Destination::SameFile => Line::from(vec![
                Span::styled(format!("{:<LABEL$}", "file"), THEME.label),
                Span::styled(
                    format!("{} itself", format::path(&editor.source.path)),
                    THEME.warning,
                ),
            ]),
        },
        Line::default(),
    ];
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

/// The value, highlighted while the next character would replace it.
fn value(editor: &Editor, width: usize) -> Line<'static> {
    let is_marked = editor.entry == ValueEntry::Replaces && editor.focus == Focus::Value;
    if !is_marked || editor.value.value().is_empty() {
        return field("value", editor.focus == Focus::Value, &editor.value, width);
    }
    let shown = warmstart_schema::text::middle(editor.value.value(), width.saturating_sub(LABEL));
    Line::from(vec![
        Span::styled(format!("{:<LABEL$}", "value"), THEME.label),
        Span::styled(shown, THEME.selected),
    ])
}

fn field(label: &str, has_cursor: bool, input: &tui_input::Input, width: usize) -> Line<'static> {
    let room = width.saturating_sub(LABEL);
    let mut spans = vec![Span::styled(format!("{label:<LABEL$}"), THEME.label)];
    if has_cursor {
        spans.extend(input::typed(input, room).spans);
    } else {
        spans.push(Span::styled(input.value().to_owned(), THEME.text));
    }
    if label == "file" {
        spans.push(Span::styled(".yaml", THEME.muted));
    }
    Line::from(spans)
}

/// The changes, and the changed line of the file.
fn preview(draft: &Draft, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (path, before, after) in &draft.changes {
        lines.push(Line::from(vec![
            Span::styled(format!("{path}  "), THEME.label),
            Span::styled(before.clone(), THEME.muted),
            Span::styled(" → ", THEME.muted),
            Span::styled(after.clone(), THEME.accent),
        ]));
    }
    if let Some((number, line)) = &draft.line {
        let text: String = format!("{number:>4} │ {line}")
            .chars()
            .take(width)
            .collect();
        lines.push(Line::styled(text, THEME.muted));
    }
    lines
}
