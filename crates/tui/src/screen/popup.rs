//! ```text
//!        ┌ question ─────────────────────────────┐
//!        │ Stop Lite0, freeze (20261122-1001)?   │
//!        │ It saves first, and u resumes it.     │
//!        │                                       │
//!        │ y yes   n no                          │
//!        └───────────────────────────────────────┘
//! ```
//! The popups, with a border to separate them from the screen.

mod difference;
mod editor;
mod frame;
pub(super) mod input;
mod palette;
mod prediction;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use tui_input::Input;

use self::frame::draw_box;
use super::{help, paint};
use crate::command::Command;
use crate::format::plural;
use crate::keys::Context;
use crate::layout::{self, Question, popup_area, popup_width};
use crate::model::{Model, Popup, PromptKind};
use crate::theme::THEME;
use warmstart_report::compare::Format;
use warmstart_schema::annotation;

pub(super) fn draw(frame: &mut Frame, area: Rect, model: &Model) {
    let Some(popup) = &model.popup else { return };
    let width = popup_width(area.width);
    // Scroll so that this line is visible.
    let to = |area: Rect, line: usize| {
        (line + 1).saturating_sub(usize::from(area.height.saturating_sub(2)))
    };
    let (title, lines, down) = match popup {
        Popup::Question { lines, effects } => {
            let lines = question(model, lines, effects.is_empty(), width, area);
            return draw_box(
                frame,
                popup_area(area, lines.len()),
                "question",
                lines,
                None,
            );
        }
        Popup::Export { chosen } => {
            let lines = formats(model, *chosen, width);
            let area = popup_area(area, lines.len());
            return draw_box(
                frame,
                area,
                "export the comparison as",
                lines,
                Some(to(area, *chosen)),
            );
        }
        Popup::Prompt { kind, runs, input } => (
            prompt_title(*kind),
            prompt(*kind, runs.len(), input, width),
            None,
        ),
        Popup::Columns { chosen } => ("columns", columns(model, *chosen), Some(to(area, *chosen))),
        Popup::Help { down } => (
            "keys",
            help::lines(&model.keys, model.context_beneath(), width),
            Some(*down),
        ),
        Popup::Input(prompt) => return input::draw(frame, area, prompt),
        Popup::Editor(editor) => return editor::draw(frame, area, editor),
        Popup::Difference(difference) => return difference::draw(frame, area, difference),
        Popup::Palette(palette) => return palette::draw(frame, area, model, palette),
        Popup::Prediction(prediction) => return prediction::draw(frame, area, prediction),
        Popup::Text { title, lines, down } => {
            let rows = layout::text_rows(lines, width);
            let lines = rows.into_iter().map(Line::from).collect();
            (title.as_str(), lines, Some(*down))
        }
    };
    draw_box(frame, area, title, lines, down);
}

/// A question above the keys that answer it; only `back` where nothing follows a yes.
fn question(
    model: &Model,
    lines: &[String],
    nothing_follows: bool,
    width: usize,
    body: Rect,
) -> Vec<Line<'static>> {
    let Question {
        text,
        shows_answers,
    } = layout::question(lines, width, body);
    let mut text: Vec<Line> = text.into_iter().map(Line::from).collect();
    if shows_answers {
        text.push(Line::default());
        let answers: &[(Command, &str)] = if nothing_follows {
            &[(Command::Back, "back")]
        } else {
            &[(Command::Yes, "yes"), (Command::Back, "no")]
        };
        let spans = answers.iter().flat_map(|(command, word)| {
            let key = model.keys.label(Context::Question, *command);
            [
                Span::styled(key.unwrap_or_default().to_owned(), THEME.key),
                Span::raw(format!(" {word}   ")),
            ]
        });
        text.push(Line::from(spans.collect::<Vec<_>>()));
    }
    text
}

/// The formats, and the command that prints the selected one.
fn formats(model: &Model, chosen: usize, width: usize) -> Vec<Line<'static>> {
    let row = |(index, format): (usize, Format)| {
        let is_chosen = index == chosen;
        let (name, extension) = (format.name(), format.extension());
        let text = format!(
            "{} {name:<10} compare-….{extension:<4} ",
            if is_chosen { "▸" } else { " " }
        );
        Line::styled(
            text,
            if is_chosen {
                THEME.selected
            } else {
                THEME.text
            },
        )
    };
    let mut lines: Vec<Line> = Format::ALL.into_iter().enumerate().map(row).collect();
    let format = Format::ALL[chosen.min(Format::ALL.len() - 1)];
    let command = model.comparison_options().command(format, &model.folders);
    lines.extend([
        Line::default(),
        Line::styled("the same on the command line:", THEME.label),
    ]);
    lines.extend(
        paint::wrap(&command, width)
            .into_iter()
            .map(|line| Line::styled(line, THEME.text)),
    );
    lines
}

fn prompt_title(kind: PromptKind) -> &'static str {
    match kind {
        PromptKind::Tags => "tags",
        PromptKind::Note => "note",
    }
}

/// An input line; below it the mistake, or examples.
fn prompt(kind: PromptKind, runs: usize, input: &Input, width: usize) -> Vec<Line<'static>> {
    let (hint, style) = match kind {
        PromptKind::Tags => match annotation::tag_changes(input.value()) {
            Err(error) => (error.to_string(), THEME.warning),
            Ok(_) => (
                format!("+tag adds, -tag removes; for {}", plural(runs, "run")),
                THEME.muted,
            ),
        },
        PromptKind::Note => (
            format!(
                "for {}; an empty text removes the note",
                plural(runs, "run")
            ),
            THEME.muted,
        ),
    };
    let mut lines = vec![input::typed(input, width), Line::default()];
    lines.extend(
        paint::wrap(&hint, width)
            .into_iter()
            .map(|line| Line::styled(line, style)),
    );
    // An empty line sets the box's width.
    lines.push(Line::raw(" ".repeat(width.min(60))));
    lines
}

fn columns(model: &Model, chosen: usize) -> Vec<Line<'static>> {
    let row = |(index, (title, is_shown)): (usize, (String, bool))| {
        let mark = if is_shown { "x" } else { " " };
        let style = if index == chosen {
            THEME.selected
        } else {
            THEME.text
        };
        Line::styled(format!("[{mark}] {title:<12}"), style)
    };
    model
        .column_choices()
        .into_iter()
        .enumerate()
        .map(row)
        .collect()
}
