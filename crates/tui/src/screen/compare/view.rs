//! ```text
//!  5 runs · at the best epoch · by val acc · Δ to published
//!                               train   train     val   train     val    test  Δ test
//!     run                      time s     acc    ▼acc    loss    loss     acc     acc
//!  ● ◆ EffNet, freeze          723.10  0.9412 ▸0.7204  0.1701  1.3010 ▸0.7188 +0.0035
//!        published †           808.67  0.9467  0.7131  0.1640  1.3685  0.7153
//! ▐● ▲ ResNet, resized input  2477.00  0.8544  0.6391  0.4402  1.4689  0.6270 +0.0056
//! ────────────────────────────────────────────────────────────────────────────────────────────────
//!  val acc by epoch of all runs, each in its colour and with its marker
//! ```
//! The study's table: every run with its published row below; `▸` marks the best of a column among
//! finished runs. If the width is too small, columns at the right are hidden; → scrolls to them.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{curves, sides};
use crate::format::{NOT_YET, plural};
use crate::model::{CompareView, Curves, Model, Shown};
use crate::mouse::{HitBox, HitMap};
use crate::screen::paint;
use crate::screen::table::{self, Place};
use crate::theme::THEME;
use warmstart_report::compare::{self, Baseline, Cell, Column, Kind, Row, Selection, Table};

/// Least and greatest width of the column of names, in characters.
const NAME: (u16, u16) = (22, 36);
/// Characters between columns; one more if all columns still fit.
const GAP: u16 = 1;
/// Where the screen's body has fewer lines, draw the chart only if the user asked for it.
const ROOM_FOR_CHART: u16 = 30;

pub(in crate::screen) fn draw(
    frame: &mut Frame,
    area: Rect,
    model: &Model,
    view: &CompareView,
    hit_map: &mut HitMap,
) {
    let shown = &view.shown;
    let selected = view
        .list
        .selection
        .index(shown.ids())
        .and_then(|index| shown.ids().get(index));
    let row = selected.and_then(|id| {
        shown
            .table()
            .rows
            .iter()
            .find(|row| row.runs.first() == Some(id))
    });
    let buf = frame.buffer_mut();
    let [title, table, note, rule, chart] = area.layout(&Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(chart_height(area, view).min(1)),
        Constraint::Length(chart_height(area, view)),
    ]));
    draw_title(buf, title, model, view);
    hit_map.add(table, HitBox::Scroll);
    let hidden = if shown.table().rows.is_empty() {
        let words = if view.list.filter.text().is_empty() {
            "No run yet."
        } else {
            "No run fits the filter."
        };
        paint::left(buf, paint::inset(paint::row(table, 1)), words, THEME.muted);
        0
    } else if view.options.transposed {
        sides::draw(buf, table, view, row)
    } else {
        draw_table(buf, table, view, row, hit_map)
    };
    draw_note(buf, note, shown.table(), hidden, row);
    if !chart.is_empty() {
        paint::rule(buf, rule);
        curves::draw(buf, chart, model, view, row, hit_map);
    }
}

/// The chart's height: half of the body but at most 20 lines, or all lines that the table leaves free.
fn chart_height(area: Rect, view: &CompareView) -> u16 {
    let table = view.shown.table();
    // Include titles of two or three lines, and the rules around the table.
    let lines = if view.options.transposed {
        table.columns.len() + 6
    } else {
        table.rows.len() + 6
    };
    let free = area
        .height
        .saturating_sub(u16::try_from(lines).unwrap_or(u16::MAX));
    let is_asked_for = matches!(view.curves, Curves::Of(_)) || view.cursor.is_some();
    match view.curves {
        Curves::Hidden => 0,
        _ if area.height >= ROOM_FOR_CHART || is_asked_for => (area.height / 2).min(20).max(free),
        _ => 0,
    }
}

/// Describes the table in a line.
fn draw_title(buf: &mut Buffer, area: Rect, model: &Model, view: &CompareView) {
    let options = view.options();
    let shown = view.shown.table();
    let measured = shown.measured().count();
    let has_groups = shown.rows.iter().any(|row| !row.members.is_empty());
    let rows = if options.merge_seeds || has_groups {
        plural(measured, "row")
    } else {
        plural(measured, "run")
    };
    let mut parts = vec![match options.selection {
        Selection::Newest => format!("{rows}, the newest of each experiment"),
        Selection::All | Selection::Runs(_) | Selection::Groups(_) => rows,
    }];
    if !options.filter.is_empty() {
        parts.push(format!("filter {}", options.filter.source()));
    }
    match &options.columns {
        compare::Columns::Config if view.shown.drawn_columns().len() < 2 => {
            parts.push("their experiments do not differ".to_owned());
        }
        compare::Columns::Config => parts.push("where their experiments differ".to_owned()),
        compare::Columns::Differing => parts.push("columns that differ".to_owned()),
        compare::Columns::Standard | compare::Columns::Named(_) => {}
    }
    if options.columns != compare::Columns::Config {
        parts.push(options.figures.words().to_owned());
    }
    if let Some(sort) = &options.sort {
        parts.push(format!(
            "by {}{}",
            sort.title(),
            if options.reversed { ", reversed" } else { "" }
        ));
    }
    match &options.baseline {
        Baseline::None => {}
        Baseline::Published => parts.push("Δ to published".to_owned()),
        Baseline::Run(id) => {
            let label = model
                .runs
                .get(id)
                .map_or("a run that is gone", warmstart_runs::store::Run::label);
            parts.push(format!("Δ to {label} {id}"));
        }
    }
    if options.merge_seeds || has_groups {
        parts.push("mean ± standard deviation (n)".to_owned());
    }
    paint::left(buf, paint::inset(area), &parts.join(" · "), THEME.muted);
}

/// A column's title as two lines.
fn title(column: &Column) -> (String, String) {
    let title = match column.title().as_str() {
        "non-trainable" => "not trainable".to_owned(),
        title => title.replace("train time (s)", "train time_s"),
    };
    match title.rsplit_once(' ') {
        Some((first, second)) => (first.to_owned(), second.replace('_', " ")),
        None => (String::new(), title),
    }
}

/// The columns from the one that the table is scrolled to, and where those that fit are drawn.
struct Columns<'a> {
    /// Indices of the table's columns.
    kept: &'a [usize],
    wanted: Vec<table::Column>,
    name: Rect,
    places: Vec<Place>,
}

impl<'a> Columns<'a> {
    fn of(shown: &Shown, indices: &'a [usize], scrolled: usize, area: Rect) -> Self {
        let kept = &indices[scrolled.min(indices.len().saturating_sub(1))..];
        let wanted: Vec<table::Column> = kept
            .iter()
            .zip(1..)
            .map(|(index, order)| fitted(shown, *index, order))
            .collect();
        let inner = Rect {
            x: area.x + 5,
            width: area.width.saturating_sub(6),
            ..area
        };
        let roomy = table::fit(&wanted, inner, NAME.0..=NAME.1, GAP + 1);
        let table::Fitted {
            name,
            columns: places,
        } = if roomy.columns.len() == wanted.len() {
            roomy
        } else {
            table::fit(&wanted, inner, NAME.0..=NAME.1, GAP)
        };
        Self {
            kept,
            wanted,
            name,
            places,
        }
    }

    /// Each drawn column: its place, how it is drawn, and its index in the table.
    fn drawn(&self) -> impl Iterator<Item = (Place, &table::Column, usize)> {
        self.places
            .iter()
            .map(|place| (*place, &self.wanted[place.column], self.kept[place.column]))
    }
}

/// Draws one run per row; returns the number of columns that did not fit.
fn draw_table(
    buf: &mut Buffer,
    area: Rect,
    view: &CompareView,
    selected: Option<&Row>,
    hit_map: &mut HitMap,
) -> usize {
    let [head, body] = area.layout(&Layout::vertical([
        Constraint::Length(2),
        Constraint::Fill(1),
    ]));
    let indices = view.shown.drawn_columns();
    let columns = Columns::of(&view.shown, &indices, view.scrolled, area);
    draw_titles(buf, head, view, &columns, hit_map);
    draw_rows(buf, body, view, &columns, selected, hit_map);
    columns.kept.len() - columns.places.len()
}

fn draw_titles(
    buf: &mut Buffer,
    area: Rect,
    view: &CompareView,
    columns: &Columns,
    hit_map: &mut HitMap,
) {
    let (first, second) = (paint::row(area, 0), paint::row(area, 1));
    let name = Rect {
        y: second.y,
        height: second.height,
        ..columns.name
    };
    paint::left(buf, name, "run", THEME.label);
    for (place, drawn, index) in columns.drawn() {
        let column = &view.shown.table().columns[index];
        let is_sorted = view.options.sort.as_ref() == Some(column);
        let style = if is_sorted { THEME.accent } else { THEME.label };
        let (upper, lower) = title(column);
        table::cell(buf, first, place, drawn, &upper, style);
        let arrow = match (is_sorted, view.options.reversed) {
            (false, _) => "",
            (true, true) => "▲",
            (true, false) => "▼",
        };
        table::cell(buf, second, place, drawn, &format!("{arrow}{lower}"), style);
        for row in [first, second] {
            hit_map.add(place.within(row), HitBox::Title(index));
        }
    }
}

fn draw_rows(
    buf: &mut Buffer,
    area: Rect,
    view: &CompareView,
    columns: &Columns,
    selected: Option<&Row>,
    hit_map: &mut HitMap,
) {
    let (shown, table) = (&view.shown, view.shown.table());
    let has_id = columns
        .drawn()
        .any(|(.., index)| table.columns[index] == Column::Run);
    let is_selected = |row: &Row| selected.is_some_and(|selected| std::ptr::eq(selected, row));
    let selected_line = table.rows.iter().position(is_selected).unwrap_or(0);
    let offset = table::offset(selected_line, table.rows.len(), usize::from(area.height));
    for (row, y) in table.rows[offset..].iter().zip(0..area.height) {
        let line = paint::row(area, y);
        let name = Rect {
            y: line.y,
            height: line.height,
            ..columns.name
        };
        draw_name(buf, line, name, shown, row, has_id);
        for (place, drawn, index) in columns.drawn() {
            let (text, style) = written(row, &row.cells[index]);
            table::cell(buf, line, place, drawn, &text, style);
        }
        let id = row.runs.first();
        if let Some(index) = id.and_then(|id| shown.ids().iter().position(|other| other == id)) {
            hit_map.add(line, HitBox::Row(index));
        }
        if is_selected(row) {
            paint::mark_selected(buf, line);
        }
    }
}

fn fitted(shown: &Shown, index: usize, drop_rank: u8) -> table::Column {
    let column = &shown.table().columns[index];
    let (upper, lower) = title(column);
    let titles = [upper, lower].map(|line| u16::try_from(line.chars().count()).unwrap_or(u16::MAX));
    // The sort arrow must not widen a column.
    let width = shown
        .width(index)
        .max(titles[0])
        .max(titles[1].saturating_add(1))
        .min(40);
    table::Column {
        title: "",
        width,
        is_figure: *column != Column::Run,
        drop_rank,
    }
}

fn draw_name(buf: &mut Buffer, line: Rect, name: Rect, shown: &Shown, row: &Row, has_id: bool) {
    if row.kind != Kind::Measured {
        let inner = Rect {
            x: name.x + 2.min(name.width),
            width: name.width.saturating_sub(2),
            ..name
        };
        paint::left(buf, inner, &label(row), THEME.muted);
        return;
    }
    let (status, style) = THEME.status(row.status);
    paint::left(
        buf,
        Rect {
            x: line.x + 1,
            width: 1,
            ..line
        },
        status,
        style,
    );
    if let Some((marker, style)) = marker(shown, row) {
        paint::left(
            buf,
            Rect {
                x: line.x + 3,
                width: 1,
                ..line
            },
            marker,
            style,
        );
    }
    // Without an id column, add the end of the id.
    let id = row.runs.first().filter(|_| row.runs.len() == 1 && !has_id);
    let id = id.map_or_else(String::new, |id| {
        format!(" {}", id.as_str().rsplit('-').next().unwrap_or_default())
    });
    let mark = row.mark.as_ref();
    let id = id + &mark.map_or_else(String::new, |mark| format!(" {mark}"));
    let wide = u16::try_from(id.width()).unwrap_or(0);
    let room = Rect {
        width: name.width.saturating_sub(wide),
        ..name
    };
    let rest = paint::left(buf, room, &row.experiment, THEME.text);
    paint::left(
        buf,
        Rect {
            width: name.right().saturating_sub(rest.x),
            ..rest
        },
        &id,
        THEME.muted,
    );
}

/// The name of a row.
pub(super) fn label(row: &Row) -> String {
    let name = match (row.kind, &row.gain) {
        (Kind::Published, _) => "published".to_owned(),
        (Kind::Gain, Some(gain)) => gain.title(),
        _ => row.experiment.clone(),
    };
    match &row.mark {
        Some(mark) => format!("{name} {mark}"),
        None => name,
    }
}

/// A row's marker and colour; `None` if too many runs are shown to tell them apart.
pub(super) fn marker(shown: &Shown, row: &Row) -> Option<(&'static str, Style)> {
    row.runs
        .first()
        .and_then(|id| shown.rank(id))
        .map(|rank| THEME.run(rank))
}

/// A cell's text and style.
pub(super) fn written(row: &Row, cell: &Cell) -> (String, Style) {
    let text = cell.value.shown().unwrap_or_else(|| NOT_YET.to_owned());
    let marked = || format!("{}{text}", cell.mark.as_deref().unwrap_or_default());
    match (cell.best, row.kind) {
        (true, _) => (format!("▸{text}"), THEME.best),
        (false, Kind::Gain | Kind::Published | Kind::Member) => (marked(), THEME.muted),
        (false, Kind::Measured) => (marked(), THEME.text),
    }
}

/// Explains the marks, and notes on the published row of the selected run.
fn draw_note(buf: &mut Buffer, area: Rect, table: &Table, hidden: usize, row: Option<&Row>) {
    let mut spans = Vec::new();
    if hidden > 0 {
        let what = if table.transposed {
            "more run"
        } else {
            "more column"
        };
        spans.push(Span::styled(
            format!("→ {}   ", plural(hidden, what)),
            THEME.muted,
        ));
    }
    if table.has_best() {
        spans.push(Span::styled(
            "▸ best of the runs that are done   ",
            THEME.muted,
        ));
    }
    let published = row
        .and_then(|row| row.reference.as_ref())
        .and_then(|reference| {
            let is_it = |row: &&Row| {
                row.kind == Kind::Published && row.reference.as_ref() == Some(reference)
            };
            table.rows.iter().find(is_it)
        });
    let marks: Vec<&String> = row
        .into_iter()
        .chain(published)
        .flat_map(|row| {
            let of_cells = row.cells.iter().filter_map(|cell| cell.mark.as_ref());
            row.mark.iter().chain(of_cells)
        })
        .collect();
    let notes = table
        .footnotes
        .iter()
        .filter(|(mark, _)| marks.iter().any(|marks| marks.contains(mark)));
    let notes: Vec<String> = notes.map(|(mark, text)| format!("{mark} {text}")).collect();
    if !notes.is_empty() {
        spans.push(Span::styled(notes.join("   "), THEME.muted));
    }
    paint::left_line(buf, paint::inset(area), &Line::from(spans));
}

/// The place of a column's cell.
pub(super) fn place(column: usize, x: u16, width: u16) -> Place {
    Place { column, x, width }
}
