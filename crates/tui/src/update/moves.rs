//! Applies movement keys.

use crate::command::Movement;
use crate::effect::Effect;
use crate::help;
use crate::keys::Context;
use crate::layout::{log_rows, popup_width, rows_below, text_rows};
use crate::model::{Model, Pane, Popup, Screen};
use warmstart_report::compare::Format;

/// Rows in a page: fixed, so that movement does not depend on the last frame.
const PAGE: isize = 10;

/// Moves the selection or scrolls, in a popup or in the open screen.
pub(super) fn apply(model: &mut Model, movement: Movement) -> Vec<Effect> {
    if matches!(model.open, Screen::Dataset(_)) && model.popup.is_none() {
        return super::dataset::move_by(model, movement);
    }
    match movement {
        Movement::Up => move_by(model, -1),
        Movement::Down => move_by(model, 1),
        Movement::PageUp => move_by(model, -PAGE),
        Movement::PageDown => move_by(model, PAGE),
        Movement::First => move_by(model, isize::MIN),
        Movement::Last => move_by(model, isize::MAX),
        Movement::Left => sideways(model, -1),
        Movement::Right => sideways(model, 1),
    }
    Vec::new()
}

/// Moves down by `by` rows, or up if negative.
pub(super) fn move_by(model: &mut Model, by: isize) {
    let (size, width) = (model.size, popup_width(model.size.width));
    let columns = if matches!(model.popup, Some(Popup::Columns { .. })) {
        model.column_choices().len()
    } else {
        0
    };
    match &mut model.popup {
        Some(Popup::Export { chosen }) => {
            *chosen = chosen.saturating_add_signed(by).min(Format::ALL.len() - 1);
        }
        Some(Popup::Help { down }) => {
            // Its number of rows is the same whichever screen comes first.
            let rows = help::rows(&model.keys, Context::Experiments, width).len();
            *down = scrolled(*down, by, rows_below(rows, 0, size));
        }
        Some(Popup::Text { down, lines, .. }) => {
            let rows = text_rows(lines, width).len();
            *down = scrolled(*down, by, rows_below(rows, 0, size));
        }
        Some(Popup::Columns { chosen }) => {
            *chosen = chosen
                .saturating_add_signed(by)
                .min(columns.saturating_sub(1));
        }
        Some(Popup::Difference(difference)) => {
            // The titles of its columns stay.
            let most = rows_below(difference.shown().count(), 1, size);
            difference.down = scrolled(difference.down, by, most);
        }
        Some(Popup::Palette(palette)) => palette.step(by),
        Some(
            Popup::Question { .. }
            | Popup::Prompt { .. }
            | Popup::Input(_)
            | Popup::Prediction(_)
            | Popup::Editor(_),
        ) => {}
        None => move_in_screen(model, by),
    }
}

/// A distance from the start of a text after a move, at most `most`.
fn scrolled(distance: usize, by: isize, most: usize) -> usize {
    // A terminal that has grown leaves a distance beyond `most`.
    distance.min(most).saturating_add_signed(by).min(most)
}

fn move_in_screen(model: &mut Model, by: isize) {
    let (log_height, log_rows) = (model.log_height(), log_rows(model.size));
    let queue = model.working_and_waiting();
    match &mut model.open {
        Screen::Experiments(list) => list.step(by),
        Screen::Compare(view) => super::comparison::move_down(view, by),
        Screen::Machine(view) => view.selection.step(&queue, by),
        Screen::Dataset(_) => {}
        // Counted from the end of the log, so that 0 follows it as it grows.
        Screen::Run(view) => {
            if let Pane::Log { up } = &mut view.pane {
                // A search may have gone further up: it makes the line that it finds the bottom one.
                let found = if view.searched.is_some() {
                    (*up).min(log_height.saturating_sub(1))
                } else {
                    0
                };
                let most = log_height.saturating_sub(log_rows).max(found);
                *up = scrolled(*up, by.checked_neg().unwrap_or(isize::MAX), most);
            }
        }
    }
}

/// Scrolls the columns of the comparison.
fn sideways(model: &mut Model, by: isize) {
    if let Screen::Compare(view) = &mut model.open {
        super::comparison::move_right(view, by);
    }
}
