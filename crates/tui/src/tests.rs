//! Tests of what the dashboard draws and does.

mod bytes;
mod charts;
mod commands;
mod comparison;
mod dataset;
mod diagnostics;
mod editor;
mod fetching;
pub(crate) mod fixtures;
mod groups;
mod hostile;
mod listing;
mod machine;
mod memory;
mod palette;
mod pointing;
mod random;
mod registry;
mod screens;
mod small_terminals;
mod status_line;
mod styles;
mod whole;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::effect::Effect;
use super::model::Model;
use super::screen;
use super::update::update;

/// The screen of a model at this size.
fn drawn(model: &Model, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(frame, model)).unwrap();
    terminal.backend().buffer().clone()
}

/// The text of a screen, one line for each row, without trailing spaces.
fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let lines = buffer.content.chunks(width).map(|row| {
        let mut line = String::new();
        let mut skipped = 0;
        for cell in row {
            // The cell behind a wide character is part of it.
            if skipped > 0 {
                skipped -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            skipped = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
        }
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Events of keys: characters, and key names in angle brackets.
fn events(keys: &str) -> Vec<Event> {
    let mut events = Vec::new();
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        let named = rest.find('>').filter(|end| {
            first == '<'
                && *end > 1
                && rest[1..*end]
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c == '-')
        });
        let (code, modifiers, length) = match named {
            Some(end) => match &rest[1..end] {
                "enter" => (KeyCode::Enter, KeyModifiers::NONE, end + 1),
                "esc" => (KeyCode::Esc, KeyModifiers::NONE, end + 1),
                "left" => (KeyCode::Left, KeyModifiers::NONE, end + 1),
                "right" => (KeyCode::Right, KeyModifiers::NONE, end + 1),
                "up" => (KeyCode::Up, KeyModifiers::NONE, end + 1),
                "home" => (KeyCode::Home, KeyModifiers::NONE, end + 1),
                "end" => (KeyCode::End, KeyModifiers::NONE, end + 1),
                "tab" => (KeyCode::Tab, KeyModifiers::NONE, end + 1),
                "pagedown" => (KeyCode::PageDown, KeyModifiers::NONE, end + 1),
                "pgup" | "pageup" => (KeyCode::PageUp, KeyModifiers::NONE, end + 1),
                "down" => (KeyCode::Down, KeyModifiers::NONE, end + 1),
                "delete" => (KeyCode::Delete, KeyModifiers::NONE, end + 1),
                "backspace" => (KeyCode::Backspace, KeyModifiers::NONE, end + 1),
                "space" => (KeyCode::Char(' '), KeyModifiers::NONE, end + 1),
                "ctrl-p" => (KeyCode::Char('p'), KeyModifiers::CONTROL, end + 1),
                "ctrl-u" => (KeyCode::Char('u'), KeyModifiers::CONTROL, end + 1),
                "ctrl-z" => (KeyCode::Char('z'), KeyModifiers::CONTROL, end + 1),
                other => panic!("no key {other}"),
            },
            None => (KeyCode::Char(first), KeyModifiers::NONE, first.len_utf8()),
        };
        events.push(Event::Key(KeyEvent::new(code, modifiers)));
        rest = &rest[length..];
    }
    events
}

/// The message in the status line.
fn says(model: &Model) -> &str {
    model.report.as_ref().map_or("", |report| &report.text)
}

/// Presses keys on a model. Returns the effects and does not run them.
fn press(model: &mut Model, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for event in events(keys) {
        if let Some(message) = model.keys.message(model.context(), &event) {
            effects.extend(update(model, message));
        }
    }
    effects
}
