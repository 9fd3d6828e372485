//! The screens, one folder each: `view` draws the model, `keys` names its keys, `command` their meanings, `available` says why one
//! can do nothing now, `update` changes the model. A theme adapts the drawing to the terminal at the end.

pub(crate) mod compare;
pub(crate) mod dataset;
pub(crate) mod experiments;
mod filter;
mod footer;
mod header;
mod help;
pub(crate) mod machine;
mod paint;
mod picture;
mod popup;
pub(crate) mod run;
mod table;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect, Size};
use ratatui::widgets::{Paragraph, Wrap};

pub(crate) use self::picture::printed;
use super::command::Command;
use super::format::plural;
use super::keys::Context;
use super::layout::{LEAST, fits};
use super::model::{Model, Screen};
use super::mouse::{HitBox, HitMap};
use super::theme::THEME;

/// Draws the screen:
/// ```text
///  header     the title, and the live run
/// ────────────────────────────────────────────
///  body       the open screen
/// ────────────────────────────────────────────
///  status     the newest message
///  keys       the keys that work here and now
/// ```
pub(crate) fn draw(frame: &mut Frame, model: &Model) {
    draw_with_hit_map(frame, model);
}

/// Draws the screen, and returns where it accepts clicks.
pub(crate) fn draw_with_hit_map(frame: &mut Frame, model: &Model) -> HitMap {
    let area = frame.area();
    let mut hit_map = HitMap::default();
    let is_small = !fits(area.as_size()) || !fits(model.size);
    if is_small {
        draw_too_small(frame, area, model);
    } else {
        let rows = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(1),
        ]);
        let [header, upper_rule, body, lower_rule, status, keys] = area.layout(&rows);
        header::draw(frame, header, model);
        paint::rule(frame.buffer_mut(), upper_rule);
        match &model.open {
            Screen::Experiments(list) => {
                experiments::view::draw(frame, body, model, list, &mut hit_map);
            }
            Screen::Run(view) => run::view::draw(frame, body, model, view, &mut hit_map),
            Screen::Compare(view) => compare::view::draw(frame, body, model, view, &mut hit_map),
            Screen::Machine(view) => machine::view::draw(frame, body, model, view, &mut hit_map),
            Screen::Dataset(view) => dataset::view::draw(frame, body, model, view),
        }
        paint::rule(frame.buffer_mut(), lower_rule);
        footer::draw_status(frame, status, model);
        if model.popup.is_some() {
            hit_map.cover();
            hit_map.add(body, HitBox::Scroll);
        }
        footer::draw_keys(frame, keys, model, &mut hit_map);
        popup::draw(frame, body, model);
    }
    model.appearance.translate(frame.buffer_mut());
    hit_map
}

fn draw_too_small(frame: &mut Frame, area: Rect, model: &Model) {
    let Size { width, height } = LEAST;
    let leave = model
        .keys
        .bindings(Context::Small)
        .iter()
        .find(|binding| binding.command == Command::Quit);
    let leave = leave.map_or(String::new(), |binding| {
        format!("; {} leaves", binding.label)
    });
    let text = format!(
        "warmstart needs {width}×{height} characters; this terminal has {}×{}{leave}",
        area.width, area.height
    );
    frame.render_widget(
        Paragraph::new(text)
            .style(THEME.warning)
            .wrap(Wrap { trim: true }),
        area,
    );
}

/// A message about what continues after the dashboard closes.
pub(crate) fn farewell(model: &Model) -> Option<String> {
    let names: Vec<&str> = model
        .live()
        .map(warmstart_runs::store::Run::label)
        .collect();
    let waiting = model.runs.queue().waiting.len();
    let queued = if waiting > 0 {
        format!(", then {} from the queue", plural(waiting, "run"))
    } else {
        String::new()
    };
    let verb = if names.len() == 1 {
        "continues"
    } else {
        "continue"
    };
    (!names.is_empty()).then(|| {
        format!(
            "{} {verb}{queued}. Open warmstart again to see it live.",
            names.join(" and ")
        )
    })
}
