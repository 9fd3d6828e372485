//! ```text
//!    experiment                backbone   px  state      epoch  val acc  test acc     time
//!  study
//!  ● ResNet, original input    resnet50   32  done       30/30   0.0724    0.0697   7m 19s
//! ▐◐ ResNet, resized input     resnet50  224  training   12/30   0.6180         –  21m 04s
//!  quickstart
//!  ✗ broken.yaml               cannot be used: 3:5: train.epochs: expected a whole number
//! ─────────────────────────────────────────────────────────────────────────────────────────
//!  the selected one: its question, its curve, its parameters, its progress
//! ```
//! Every experiment with the state of its newest run. Where there is too little room the columns go in this order:
//! backbone, pixels, time, test accuracy, epoch, validation accuracy.

mod detail;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use warmstart_schema::event::{Level, Phase};
use warmstart_schema::state::Status;

use super::paint;
use super::table::{self, Column};
use crate::dashboard::format::{NOT_YET, duration, metric, path};
use crate::dashboard::judge;
use crate::dashboard::model::{Entry, ListView, Model, Place, places};
use crate::dashboard::theme::THEME;
use crate::store::Run;

const COLUMNS: [Column; 7] = [
    Column { title: "backbone", width: 21, is_figure: false, order: 6 },
    Column { title: "px", width: 4, is_figure: true, order: 5 },
    Column { title: "state", width: 12, is_figure: false, order: 0 },
    Column { title: "epoch", width: 7, is_figure: true, order: 2 },
    Column { title: "val acc", width: 7, is_figure: true, order: 1 },
    Column { title: "test acc", width: 8, is_figure: true, order: 3 },
    Column { title: "time", width: 7, is_figure: true, order: 4 },
];
/// Characters that a name gets at least, and at most.
const NAME: (u16, u16) = (20, 48);

/// A row of the list.
enum Row<'a> {
    Group(&'a str),
    Entry(&'a Entry<'a>),
}

pub fn draw(frame: &mut Frame, area: Rect, model: &Model, list: &ListView<Place>) {
    let entries = model.shown_entries();
    let selected = list.selection.index(&places(&entries));
    let wanted = detail::height(area.height);
    let [table, rule, foot] = area.layout(&Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(wanted.min(1)),
        Constraint::Length(wanted),
    ]));
    if entries.is_empty() {
        draw_nothing(frame.buffer_mut(), table, model);
        return;
    }
    draw_list(frame.buffer_mut(), table, model, &entries, selected);
    if let Some(entry) = selected.and_then(|index| entries.get(index)).filter(|_| !foot.is_empty()) {
        paint::rule(frame.buffer_mut(), rule);
        detail::draw(frame.buffer_mut(), foot, model, entry);
    }
}

fn draw_nothing(buf: &mut Buffer, area: Rect, model: &Model) {
    let filter = model.filter().map_or("", super::super::model::Filter::text);
    let lines = if model.catalogue.is_none() {
        vec!["Reading the experiments …".to_owned()]
    } else if filter.is_empty() {
        let folder = path(&model.experiments);
        vec![
            format!("There is no experiment in {folder} yet."),
            "An experiment is a YAML file there; each *.yaml becomes a row here.".to_owned(),
        ]
    } else {
        vec![format!("Nothing fits \"{filter}\"."), "esc shows everything again.".to_owned()]
    };
    let width = usize::from(area.width.saturating_sub(6));
    let lines = lines.iter().flat_map(|line| paint::wrap(line, width));
    for (line, y) in lines.zip(1..) {
        let row = paint::row(area, y);
        paint::left(buf, Rect { x: row.x + 3, width: row.width.saturating_sub(3), ..row }, &line, THEME.muted);
    }
}

fn draw_list(buf: &mut Buffer, area: Rect, model: &Model, entries: &[Entry], selected: Option<usize>) {
    let [head, body] = area.layout(&Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]));
    let inner = Rect { x: head.x + 3, width: head.width.saturating_sub(4), ..head };
    let (name, columns) = table::fit(&COLUMNS, inner, NAME.0..=NAME.1, 2);
    let title = match model.filter().map_or("", super::super::model::Filter::text) {
        "" => "experiment".to_owned(),
        filter => format!("experiment: {filter}"),
    };
    paint::left(buf, name, &title, THEME.label);
    for place in &columns {
        let column = &COLUMNS[place.column];
        table::cell(buf, head, *place, column, column.title, THEME.label);
    }
    let (rows, selected_row) = rows(entries, selected);
    let offset = table::offset(selected_row, rows.len(), usize::from(body.height));
    for (row, y) in rows[offset..].iter().zip(0..body.height) {
        let line = paint::row(body, y);
        match row {
            Row::Group(group) => {
                paint::left(
                    buf,
                    Rect { x: line.x + 1, width: line.width.saturating_sub(1), ..line },
                    group,
                    THEME.title,
                );
            }
            Row::Entry(entry) => {
                draw_entry(buf, line, Rect { y: line.y, ..name }, &columns, entry, model);
                if selected_row == offset + usize::from(y) {
                    mark_selected(buf, line);
                }
            }
        }
    }
}

/// Groups and their entries, and which row is the selected one's.
fn rows<'a>(entries: &'a [Entry<'a>], selected: Option<usize>) -> (Vec<Row<'a>>, usize) {
    let (mut rows, mut selected_row, mut group) = (Vec::new(), 0, None);
    for (index, entry) in entries.iter().enumerate() {
        if group != Some(entry.group) {
            group = Some(entry.group);
            rows.push(Row::Group(entry.group));
        }
        if selected == Some(index) {
            selected_row = rows.len();
        }
        rows.push(Row::Entry(entry));
    }
    (rows, selected_row)
}

/// The selected row is one bar of the accent: reversed, so that it is seen without colour too.
pub fn mark_selected(buf: &mut Buffer, row: Rect) {
    buf.set_style(Rect { x: row.x + 1, width: row.width.saturating_sub(1), ..row }, THEME.selected);
    buf[(row.x, row.y)].set_char('▐').set_style(THEME.accent);
}

fn draw_entry(buf: &mut Buffer, row: Rect, name: Rect, columns: &[table::Place], entry: &Entry, model: &Model) {
    let (mark, style) = match entry.file.map(|file| &file.loaded) {
        Some(Err(_)) => ("✗", THEME.error),
        _ => THEME.status(entry.status()),
    };
    paint::left(buf, Rect { x: row.x + 1, width: 1, ..row }, mark, style);
    if let Some(Err(problems)) = entry.file.map(|file| &file.loaded) {
        let label = entry.file.map_or_else(String::new, |file| format!("{}.yaml", file.stem));
        paint::left(buf, name, &label, THEME.text);
        let problem = problems.first().map_or_else(String::new, super::experiments::detail::short_problem);
        let x = columns.first().map_or(name.right(), |place| place.x);
        paint::left(buf, Rect { x, width: row.right().saturating_sub(x + 1), ..row }, &problem, THEME.error);
        return;
    }
    paint::left(buf, name, entry.label(), THEME.text);
    for place in columns {
        let (text, style) = figure(entry, model, COLUMNS[place.column].title);
        table::cell(buf, row, *place, &COLUMNS[place.column], &text, style);
    }
}

fn figure(entry: &Entry, model: &Model, column: &str) -> (String, Style) {
    let (experiment, run) = (entry.experiment(), entry.run);
    let text = match column {
        "backbone" => experiment.map_or_else(String::new, |experiment| experiment.model.backbone.to_string()),
        "px" => experiment.map_or_else(String::new, |experiment| experiment.pixels().to_string()),
        "state" => return state(entry, model),
        "epoch" => run.map_or_else(|| NOT_YET.to_owned(), epochs),
        "val acc" => metric(run.and_then(best_val_acc)),
        "test acc" => metric(run.and_then(|run| run.state.test.as_ref()).map(|test| test.accuracy)),
        _ => run.and_then(|run| run.state.train_time()).map_or_else(|| NOT_YET.to_owned(), duration),
    };
    let style = if text == NOT_YET { THEME.muted } else { THEME.text };
    (text, style)
}

/// Of the best epoch, which is also the one that is tested.
pub fn best_val_acc(run: &Run) -> Option<f64> {
    run.state.best_epoch().or(run.state.epochs.last()).map(|epoch| epoch.val_acc)
}

/// `12/30`: the epoch at work while there is one, else those done.
pub fn epochs(run: &Run) -> String {
    let done = run.state.epochs.last().map_or(0, |epoch| epoch.epoch);
    let at = run.state.batch.as_ref().map_or(done, |batch| batch.epoch.max(done));
    run.state.epochs_planned().map_or_else(|| NOT_YET.to_owned(), |planned| format!("{at}/{planned}"))
}

/// The state in a word or two, what stands in the way included.
fn state(entry: &Entry, model: &Model) -> (String, Style) {
    let style = THEME.status(entry.status()).1;
    let text = match entry.status() {
        Some(Status::Queued(place)) => format!("queued {place}"),
        Some(status @ Status::Active(Phase::Fetching)) => {
            let fetch = entry.run.and_then(|run| run.state.fetch.as_ref());
            fetch.map_or_else(|| status.as_str().to_owned(), |fetch| format!("fetching {:.0}%", fetch.share() * 99.0))
        }
        Some(status) => {
            let alerts = entry.run.map_or_else(Vec::new, |run| judge::alerts(run, model.now));
            if status.is_live() && alerts.iter().any(|alert| alert.level != Level::Info) {
                return (format!("{} ⚠", status.as_str()), THEME.warning);
            }
            status.as_str().to_owned()
        }
        None => {
            let lacks = entry.file.map_or_else(Vec::new, |file| model.obstacles(file));
            let lacks_data = lacks.iter().any(|text| text.starts_with("data"));
            let word = if lacks_data {
                "needs data"
            } else if lacks.is_empty() {
                "never run"
            } else {
                "needs weights"
            };
            return (word.to_owned(), if lacks.is_empty() { THEME.muted } else { THEME.warning });
        }
    };
    (text, style)
}
