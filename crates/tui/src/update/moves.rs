//! Moving within the open screen.

use crate::help;
use crate::keys::Context;
use crate::layout::popup_width;
use crate::message::Command;
use crate::model::{Model, Pane, Popup, Screen};
use warmstart_report::compare::Format;

/// Rows in a page: fixed, so that moving does not depend on what was drawn.
const PAGE: isize = 10;

/// Moves up or down in whatever takes it: a popup, the log, or the list.
pub fn move_selection(model: &mut Model, command: Command) {
    let by = match command {
        Command::Up => -1,
        Command::Down => 1,
        Command::PageUp => -PAGE,
        Command::PageDown => PAGE,
        Command::First => isize::MIN,
        _ => isize::MAX,
    };
    move_by(model, by);
}

/// Moves down by so many, or up.
pub fn move_by(model: &mut Model, by: isize) {
    let help_height = help::rows(
        &model.keys,
        Context::Experiments,
        popup_width(model.size.width),
    )
    .len();
    let columns = if matches!(model.popup, Some(Popup::Columns { .. })) {
        model.column_choices().len()
    } else {
        0
    };
    match &mut model.popup {
        Some(Popup::Export { chosen }) => {
            *chosen = chosen.saturating_add_signed(by).min(Format::ALL.len() - 1);
        }
        Some(Popup::Help { down }) => *down = scrolled(*down, by, help_height),
        Some(Popup::Text { down, lines, .. }) => *down = scrolled(*down, by, lines.len()),
        Some(Popup::Columns { chosen }) => {
            *chosen = chosen
                .saturating_add_signed(by)
                .min(columns.saturating_sub(1));
        }
        Some(Popup::Difference(difference)) => {
            difference.down = scrolled(difference.down, by, difference.shown().count());
        }
        Some(Popup::Palette(palette)) => palette.step(by),
        Some(
            Popup::Question { .. }
            | Popup::Prompt { .. }
            | Popup::Inquiry(_)
            | Popup::Prediction(_)
            | Popup::Editor(_),
        ) => {}
        None => move_in_screen(model, by),
    }
}

fn scrolled(down: usize, by: isize, height: usize) -> usize {
    down.saturating_add_signed(by).min(height.saturating_sub(1))
}

fn move_in_screen(model: &mut Model, by: isize) {
    let log_height = model.log_height();
    let queue = model.working_and_waiting();
    match &mut model.open {
        Screen::Experiments(list) => list.step(by),
        Screen::Compare(view) => super::comparison::move_down(view, by),
        Screen::System(view) => view.selection.step(&queue, by),
        Screen::Dataset(_) => {}
        // The end of the log is where it grows: up counts from there.
        Screen::Run(view) => {
            if let Pane::Log { up } = &mut view.pane {
                *up = scrolled(*up, by.checked_neg().unwrap_or(isize::MAX), log_height);
            }
        }
    }
}

/// The first column of the comparison.
pub fn sideways(model: &mut Model, right: bool) {
    if let Screen::Compare(view) = &mut model.open {
        super::comparison::move_right(view, if right { 1 } else { -1 });
    }
}
