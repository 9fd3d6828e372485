//! What lies where on the screen, noted as it is drawn, and what the mouse means there. Whatever it does, a key does too.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::chart::Axis;
use super::command::Command;
use super::message::Message;

/// Something on the screen that the mouse can act on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HitBox {
    /// A row of the open list, counted among those that can be selected.
    Row(usize),
    /// The title of a column, by its place among the list's columns.
    Title(usize),
    /// A key at the foot.
    Key(Command),
    /// The inside of a chart, and what its width stands for.
    Chart(Axis),
    /// What the wheel moves through, and clicks do nothing to.
    Scroll,
}

/// All of them, later ones over earlier ones.
#[derive(Debug, Default)]
pub struct HitMap(Vec<(Rect, HitBox)>);

/// What the mouse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gesture {
    Click,
    WheelUp,
    WheelDown,
}

/// A gesture at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pointed {
    pub gesture: Gesture,
    pub spot: HitBox,
    /// How far from the spot's left edge to its right one, from 0 to 1.
    pub share: f64,
}

impl HitMap {
    pub fn add(&mut self, area: Rect, hit: HitBox) {
        if !area.is_empty() {
            self.0.push((area, hit));
        }
    }

    /// Something stands in front of all that was noted so far.
    pub fn cover(&mut self) {
        self.0.clear();
    }

    /// What a mouse event means; nothing where there is nothing, and for movements and other buttons.
    pub fn message(&self, event: MouseEvent) -> Option<Message> {
        let gesture = match event.kind {
            MouseEventKind::Down(MouseButton::Left) => Gesture::Click,
            MouseEventKind::ScrollUp => Gesture::WheelUp,
            MouseEventKind::ScrollDown => Gesture::WheelDown,
            _ => return None,
        };
        let position = Position::new(event.column, event.row);
        let (area, spot) = self
            .0
            .iter()
            .rev()
            .find(|(area, _)| area.contains(position))?;
        match (gesture, spot) {
            (Gesture::Click, HitBox::Key(command)) => Some(Message::Command(*command)),
            (_, HitBox::Key(_)) | (Gesture::Click, HitBox::Scroll) => None,
            _ => {
                let last = f64::from(area.width.saturating_sub(1).max(1));
                let share = f64::from(event.column - area.x) / last;
                Some(Message::Pointed(Pointed {
                    gesture,
                    spot: *spot,
                    share,
                }))
            }
        }
    }
}
