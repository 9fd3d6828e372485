//! Applies mouse gestures to the open screen.

use super::{comparison, list, moves, run_command};
use crate::command::Command;
use crate::effect::Effect;
use crate::model::{Model, Screen};
use crate::mouse::{Gesture, HitBox, Pointed};

/// Lines to scroll per notch of the wheel.
const NOTCH: isize = 3;

pub(super) fn act(model: &mut Model, pointed: Pointed) -> Vec<Effect> {
    match (pointed.gesture, pointed.hit_box) {
        (Gesture::Click, HitBox::Row(row)) => return click_row(model, row),
        (Gesture::Click, HitBox::Title(column)) => match &model.open {
            Screen::Experiments(_) => list::sort_by(model, column),
            Screen::Compare(_) => comparison::sort_by(model, column),
            Screen::Run(_) | Screen::Machine(_) | Screen::Dataset(_) => {}
        },
        (Gesture::Click, HitBox::Chart(axis)) => point_at(model, axis.at(pointed.share)),
        (gesture, HitBox::Chart(axis)) if matches!(model.open, Screen::Run(_)) => {
            super::charts::zoom_at(model, axis.at(pointed.share), gesture == Gesture::WheelUp);
        }
        (Gesture::WheelUp, _) => moves::move_by(model, -NOTCH),
        (Gesture::WheelDown, _) => moves::move_by(model, NOTCH),
        // A click on a key arrives as the key's command.
        (Gesture::Click, HitBox::Key(_) | HitBox::Scroll) => {}
    }
    Vec::new()
}

/// Selects a row, or opens the row that is already selected.
fn click_row(model: &mut Model, row: usize) -> Vec<Effect> {
    let queue = model.working_and_waiting();
    let was_selected = match &mut model.open {
        Screen::Experiments(list) => {
            let was = list.selected() == Some(row);
            list.select(row);
            was
        }
        Screen::Compare(view) => {
            let ids = view.shown.ids();
            let was = view.list.selection.index(ids) == Some(row);
            view.list.selection.select(ids, row);
            was
        }
        Screen::Machine(view) => {
            let was = view.selection.index(&queue) == Some(row);
            view.selection.select(&queue, row);
            was
        }
        Screen::Run(_) | Screen::Dataset(_) => return Vec::new(),
    };
    if was_selected {
        run_command(model, Command::Open)
    } else {
        Vec::new()
    }
}

/// Sets the cursor of the charts.
fn point_at(model: &mut Model, x: f64) {
    match &mut model.open {
        Screen::Run(_) => super::charts::point_at(model, x),
        Screen::Compare(_) => comparison::point_at(model, x),
        Screen::Experiments(_) | Screen::Machine(_) | Screen::Dataset(_) => {}
    }
}
