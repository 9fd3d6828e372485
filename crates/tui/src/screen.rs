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
use super::layout::{MIN_TERMINAL, fits};
use super::model::{Model, Screen};
use super::mouse::{HitBox, HitMap};
use super::theme::THEME;
use warmstart_runs::store::Run;

/// Draws the screen, without a mouse:
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
            Screen::Dataset(view) => dataset::view::draw(frame, body, view),
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
    let Size { width, height } = MIN_TERMINAL;
    let quit = model.keys.label(Context::Small, Command::Quit);
    let quit = quit.map_or(String::new(), |key| format!("; {key} quits"));
    let text = format!(
        "warmstart needs {width}×{height} characters; this terminal has {}×{}{quit}",
        area.width, area.height
    );
    frame.render_widget(
        Paragraph::new(text)
            .style(THEME.warning)
            .wrap(Wrap { trim: true }),
        area,
    );
}

/// The most runs that the note after the exit names.
const NAMED: usize = 3;

/// What happens to runs after the dashboard closes, in a sentence or two; `None` if none runs or is queued.
pub(crate) fn note_after_exit(model: &Model) -> Option<String> {
    let names: Vec<&str> = model.live().map(Run::label).collect();
    let queue = model.runs.queue();
    let waiting = plural(queue.waiting.len(), "run");
    let stay = if queue.waiting.len() == 1 {
        "stays"
    } else {
        "stay"
    };
    let queued = match (&queue.paused, &names[..]) {
        _ if queue.waiting.is_empty() => String::new(),
        (Some(reason), _) => format!("{waiting} {stay} queued: the queue is paused ({reason})."),
        (None, []) => format!("{waiting} {stay} queued."),
        (None, _) => format!("{waiting} from the queue will follow."),
    };
    let running = match &names[..] {
        [] => String::new(),
        [one] => format!("{one} continues."),
        names if names.len() <= NAMED => format!("{} continue.", names.join(" and ")),
        names => format!(
            "{} and {} continue.",
            names[..NAMED].join(", "),
            plural(names.len() - NAMED, "other run")
        ),
    };
    let live = match names.len() {
        0 => "",
        1 => "Open warmstart again to see it live.",
        _ => "Open warmstart again to see them live.",
    };
    let sentences: Vec<&str> = [&*running, &*queued, live]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}
