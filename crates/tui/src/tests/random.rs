//! Random keys, pastes, clicks and resizes. No input may crash the dashboard, and drawing only the changes must give the same
//! screen as drawing all of it.

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::Terminal;
use ratatui::backend::{Backend, TestBackend};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Rect, Size};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;
use warmstart_schema::seed::SplitMix64;

use super::dataset::{DatasetSource, tell};
use super::fixtures::typical;
use super::hostile::{NASTY, hostile};
use super::{drawn, press, text};
use crate::keys::Key;
use crate::message::Message;
use crate::model::Model;
use crate::mouse::HitMap;
use crate::screen;
use crate::update::update;

/// Number of events per kind of data.
const EVENTS: u64 = 50_000;

struct Hand(SplitMix64);

impl Hand {
    fn below(&mut self, number: usize) -> usize {
        usize::try_from(self.0.below(number as u64)).unwrap()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn cells(&mut self, most: usize) -> u16 {
        u16::try_from(self.below(most + 1)).unwrap()
    }

    /// Usually a key with a meaning, otherwise any key, a paste, a click, or a resize.
    fn event(&mut self, model: &Model) -> Event {
        let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        match self.below(20) {
            0 => Event::Paste(format!(
                "{}{}",
                self.one(&NASTY),
                self.one(&["", "status:done ", "+a ", "3", "/"])
            )),
            1 => self.click(),
            2 => Event::Resize(self.cells(200), self.cells(60)),
            3 => key(
                KeyCode::Char(
                    self.one(&['é', '漢', '\u{301}', '\u{202e}', '👍', '"', ':', '>', '5']),
                ),
                KeyModifiers::NONE,
            ),
            4 => key(
                self.one(&[
                    KeyCode::Enter,
                    KeyCode::Esc,
                    KeyCode::Backspace,
                    KeyCode::Delete,
                    KeyCode::F(5),
                    KeyCode::Null,
                ]),
                self.one(&[
                    KeyModifiers::NONE,
                    KeyModifiers::ALT,
                    KeyModifiers::CONTROL,
                    KeyModifiers::SHIFT,
                ]),
            ),
            5 => {
                let mut event = KeyEvent::new(
                    KeyCode::Char(self.one(&['a', 'b', 'w', 'q'])),
                    KeyModifiers::ALT,
                );
                event.kind = self.one(&[
                    KeyEventKind::Release,
                    KeyEventKind::Repeat,
                    KeyEventKind::Press,
                ]);
                Event::Key(event)
            }
            _ => {
                let keys: Vec<Key> = model
                    .keys
                    .bindings(model.context())
                    .iter()
                    .flat_map(|binding| binding.keys.iter())
                    .copied()
                    .collect();
                match self.one(&keys) {
                    Key::Plain(code) => key(code, KeyModifiers::NONE),
                    Key::Control(c) => key(KeyCode::Char(c), KeyModifiers::CONTROL),
                }
            }
        }
    }

    fn click(&mut self) -> Event {
        let button = self.one(&[MouseButton::Left, MouseButton::Right, MouseButton::Middle]);
        let kind = self.one(&[
            MouseEventKind::Down(button),
            MouseEventKind::Up(button),
            MouseEventKind::Drag(button),
            MouseEventKind::Moved,
            MouseEventKind::ScrollDown,
            MouseEventKind::ScrollUp,
            MouseEventKind::ScrollLeft,
            MouseEventKind::ScrollRight,
        ]);
        Event::Mouse(MouseEvent {
            kind,
            column: self.cells(210),
            row: self.cells(70),
            modifiers: KeyModifiers::NONE,
        })
    }
}

/// The visible cells; the cell behind a wide character is not one.
fn visible(buffer: &Buffer) -> Vec<(u16, u16, &str, Color, Color, Modifier)> {
    let Rect { width, height, .. } = buffer.area;
    let mut cells = Vec::new();
    for y in 0..height {
        let mut x = 0;
        while x < width {
            let cell = &buffer[(x, y)];
            cells.push((x, y, cell.symbol(), cell.fg, cell.bg, cell.modifier));
            x += u16::try_from(cell.symbol().width()).unwrap().max(1);
        }
    }
    cells
}

/// A terminal clears the cell behind a wide character; the test backend does not.
fn blank_behind_wide(backend: &mut TestBackend) {
    let Rect { width, height, .. } = backend.buffer().area;
    let mut behind = Vec::new();
    for y in 0..height {
        let mut x = 0;
        while x < width {
            let covers = u16::try_from(backend.buffer()[(x, y)].symbol().width())
                .unwrap()
                .max(1);
            behind.extend((x + 1..(x + covers).min(width)).map(|x| (x, y)));
            x += covers;
        }
    }
    let blank = Cell::EMPTY;
    backend
        .draw(behind.into_iter().map(|(x, y)| (x, y, &blank)))
        .unwrap();
}

fn storm(name: &str, mut model: Model, source: &DatasetSource, seed: u64) {
    let mut hand = Hand(SplitMix64::new(seed));
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    // The click areas of the newest frame.
    let mut hits = HitMap::default();
    for number in 0..EVENTS {
        let event = hand.event(&model);
        // If the size changes twice between two frames, no terminal reports the moved cells.
        let is_resized = matches!(event, Event::Resize(..));
        if let Event::Resize(width, height) = event {
            terminal.backend_mut().resize(width, height);
        }
        match event {
            Event::Mouse(event) => {
                if let Some(message) = hits.message(event) {
                    drop(update(&mut model, message));
                }
            }
            event => tell(&mut model, &event, source),
        }
        let is_compared = number % 1000 == 999 || number == EVENTS - 1;
        if number.is_multiple_of(32) || is_compared || is_resized {
            terminal
                .draw(|frame| hits = screen::draw_with_hit_map(frame, &model))
                .unwrap();
            blank_behind_wide(terminal.backend_mut());
        }
        if is_compared {
            let now = terminal.backend().buffer();
            let fresh = drawn(&model, now.area.width, now.area.height);
            let other = visible(now)
                .into_iter()
                .zip(visible(&fresh))
                .find(|(now, fresh)| now != fresh);
            assert!(
                other.is_none(),
                "{other:?} after {number} events:\n{}",
                text(&fresh)
            );
        }
    }
    // Esc closes every open screen, however many there are, once the terminal is large enough.
    drop(update(&mut model, Message::Resized(Size::new(80, 24))));
    let is_first = |model: &Model| model.popup.is_none() && model.below.is_empty();
    for _ in 0..EVENTS {
        if !is_first(&model) {
            press(&mut model, "<esc>");
        }
    }
    assert!(is_first(&model), "{:?}", model.popup);
    println!(
        "FIGURE C2\trandom keys, pastes, clicks and windows with {name} data, the last screen as a fresh one\t{EVENTS}\t{EVENTS}\tok"
    );
}

#[test]
fn fifty_thousand_events_with_typical_data() {
    storm("typical", typical(), &DatasetSource::typical(), 7);
}

#[test]
fn fifty_thousand_events_with_hostile_data() {
    storm("hostile", hostile(), &DatasetSource::hostile(), 11);
}
