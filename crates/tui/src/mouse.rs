//! Hit boxes: recorded while drawing, they map mouse events to messages. Every mouse action also
//! has a key.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::chart::Axis;
use super::command::Command;
use super::message::Message;

/// An area on the screen that handles the mouse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HitBox {
    /// A row of the open list, by its index among the selectable rows.
    Row(usize),
    /// The title of a column, by its index among the list's columns.
    Title(usize),
    /// A key in the footer.
    Key(Command),
    /// The inside of a chart, and its x range.
    Chart(Axis),
    /// An area that the wheel scrolls; clicks do nothing.
    Scroll,
}

/// All hit boxes; later ones cover earlier ones.
#[derive(Debug, Default)]
pub(crate) struct HitMap(Vec<(Rect, HitBox)>);

/// What the user did with the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gesture {
    Click,
    WheelUp,
    WheelDown,
}

/// A gesture on a hit box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pointed {
    pub gesture: Gesture,
    pub hit_box: HitBox,
    /// Position from the hit box's left edge to its right edge, from 0 to 1.
    pub share: f64,
}

impl HitMap {
    pub(crate) fn add(&mut self, area: Rect, hit: HitBox) {
        if !area.is_empty() {
            self.0.push((area, hit));
        }
    }

    /// Drops all hit boxes so far, because something covers them.
    pub(crate) fn cover(&mut self) {
        self.0.clear();
    }

    /// The message for a mouse event; `None` outside hit boxes, and for movements and other
    /// buttons.
    pub(crate) fn message(&self, event: MouseEvent) -> Option<Message> {
        let gesture = match event.kind {
            MouseEventKind::Down(MouseButton::Left) => Gesture::Click,
            MouseEventKind::ScrollUp => Gesture::WheelUp,
            MouseEventKind::ScrollDown => Gesture::WheelDown,
            _ => return None,
        };
        let position = Position::new(event.column, event.row);
        let (area, hit_box) = self
            .0
            .iter()
            .rev()
            .find(|(area, _)| area.contains(position))?;
        match (gesture, hit_box) {
            (Gesture::Click, HitBox::Key(command)) => Some(Message::Command(*command)),
            (_, HitBox::Key(_)) | (Gesture::Click, HitBox::Scroll) => None,
            _ => {
                let last = f64::from(area.width.saturating_sub(1).max(1));
                let share = f64::from(event.column - area.x) / last;
                Some(Message::Pointed(Pointed {
                    gesture,
                    hit_box: *hit_box,
                    share,
                }))
            }
        }
    }
}
