//! ```text
//!                               train   train     val   train     val    test   vs †   trainable
//!    run                       time s     acc     acc    loss    loss     acc
//!  ● EffNet, freeze            723.10  0.9412 ▸0.7204  0.1701  1.3010 ▸0.7188 +0.0035    354,148
//!      published †             808.67  0.9467  0.7131  0.1640  1.3685  0.7153
//! ▐● ResNet, resized input    2477.00  0.8544  0.6391  0.4402  1.4689  0.6270 +0.0056 24,058,788
//! ────────────────────────────────────────────────────────────────────────────────────────────────
//!  val acc by epoch of all runs, the selected one bright
//! ```
//! The study's table: every run, the published row below it, `▸` the best of a column among runs that are done. Columns that
//! do not fit go from the right; → brings them.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use warmstart_schema::experiment::Reference;
use warmstart_schema::state::Status;

use super::experiments::mark_selected;
use super::table::{self, Column};
use super::{paint, run};
use crate::compare::{Gain, Row};
use crate::dashboard::chart::{Axis, Chart, Curve, Series, Unit};
use crate::dashboard::format::{NOT_YET, count};
use crate::dashboard::model::{CompareView, Figure, Model, Shown, published};
use crate::dashboard::theme::THEME;

/// The second line of the columns' titles; the first is a column's `title`.
const SECOND: [&str; 11] = ["time s", "acc", "acc", "loss", "loss", "acc", "test", "", "trainable", "params", "id"];
const COLUMNS: [Column; 11] = [
    column("train", 8, 0),
    column("train", 7, 1),
    column("val", 7, 2),
    column("train", 7, 3),
    column("val", 7, 4),
    column("test", 7, 5),
    column("vs †", 7, 6),
    column("trainable", 11, 7),
    column("not", 11, 8),
    column("all", 11, 9),
    column("run", 20, 10),
];
/// Characters that a name gets at least, and at most.
const NAME: (u16, u16) = (24, 36);
const GAP: u16 = 1;

const fn column(title: &'static str, width: u16, order: u8) -> Column {
    Column { title, width, is_figure: true, order }
}

/// A line of the table.
enum TableLine<'a> {
    Measured(usize, &'a Row),
    Gain(&'a Gain),
    Published(&'a Reference),
}

pub fn draw(frame: &mut Frame, area: Rect, model: &Model, view: &CompareView) {
    let shown = &view.shown;
    let selected = view.list.selection.index(shown.ids());
    let buf = frame.buffer_mut();
    let chart = if area.height >= 30 { (area.height / 2).min(20) } else { 0 };
    let [head, body, note, rule, chart] = area.layout(&Layout::vertical([
        Constraint::Length(2),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(chart.min(1)),
        Constraint::Length(chart),
    ]));
    let inner = Rect { x: head.x + 3, width: head.width.saturating_sub(4), ..head };
    let scrolled = view.scrolled.min(COLUMNS.len() - 1);
    let (name, mut columns) = table::fit(&COLUMNS[scrolled..], inner, NAME.0..=NAME.1, GAP);
    for place in &mut columns {
        place.column += scrolled;
    }
    draw_head(buf, head, name, &columns, view);
    if shown.rows().is_empty() {
        paint::left(buf, Rect { y: body.y, height: body.height, ..inner }, "No run fits the filter.", THEME.muted);
    }
    draw_lines(buf, body, name, &columns, shown, selected);
    let row = selected.and_then(|index| shown.rows().get(index));
    draw_note(buf, note, &columns, row);
    if !chart.is_empty() {
        paint::rule(buf, rule);
        draw_chart(buf, chart, model, shown, row);
    }
}

fn draw_head(buf: &mut Buffer, head: Rect, name: Rect, columns: &[table::Place], view: &CompareView) {
    let (first, second) = (paint::row(head, 0), paint::row(head, 1));
    let title = match view.list.filter.text() {
        "" => "run".to_owned(),
        filter => format!("run: {filter}"),
    };
    paint::left(buf, Rect { y: second.y, height: second.height, ..name }, &title, THEME.label);
    for place in columns {
        let is_sorted = view.sort == Some(place.column);
        let style = if is_sorted { THEME.accent } else { THEME.label };
        let column = &COLUMNS[place.column];
        table::cell(buf, first, *place, column, column.title, style);
        let arrow = if is_sorted { if view.reversed { "▲" } else { "▼" } } else { "" };
        table::cell(buf, second, *place, column, &format!("{arrow}{}", SECOND[place.column]), style);
    }
}

fn draw_lines(
    buf: &mut Buffer,
    area: Rect,
    name: Rect,
    columns: &[table::Place],
    shown: &Shown,
    selected: Option<usize>,
) {
    let lines = lines(shown.rows());
    let is_selected = |line: &TableLine| matches!(line, TableLine::Measured(index, _) if selected == Some(*index));
    let selected_line = lines.iter().position(is_selected).unwrap_or(0);
    let offset = table::offset(selected_line, lines.len(), usize::from(area.height));
    for (line, y) in lines[offset..].iter().zip(0..area.height) {
        let row = paint::row(area, y);
        let name = Rect { y: row.y, height: row.height, ..name };
        match line {
            TableLine::Measured(_, measured) => {
                let (mark, style) = THEME.status(Some(measured.status));
                paint::left(buf, Rect { x: row.x + 1, width: 1, ..row }, mark, style);
                paint::left(buf, name, &measured.experiment, THEME.text);
                for place in columns {
                    let (text, style) = measured_cell(shown, measured, place.column);
                    table::cell(buf, row, *place, &COLUMNS[place.column], &text, style);
                }
            }
            TableLine::Gain(gain) => {
                draw_below(buf, row, name, columns, &gain.title(), |column| gain_cell(gain, column));
            }
            TableLine::Published(reference) => {
                draw_below(buf, row, name, columns, "published †", |column| published_cell(reference, column));
            }
        }
        if is_selected(line) {
            mark_selected(buf, row);
        }
    }
}

/// A line that belongs to the one above it.
fn draw_below(
    buf: &mut Buffer,
    row: Rect,
    name: Rect,
    columns: &[table::Place],
    title: &str,
    cell: impl Fn(usize) -> String,
) {
    let inner = Rect { x: name.x + 2.min(name.width), width: name.width.saturating_sub(2), ..name };
    paint::left(buf, inner, title, THEME.muted);
    for place in columns {
        table::cell(buf, row, *place, &COLUMNS[place.column], &cell(place.column), THEME.muted);
    }
}

/// Each run and what it gained over the one that it started from, and below the last of those that share it the
/// published row.
fn lines(rows: &[Row]) -> Vec<TableLine<'_>> {
    let mut lines = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        lines.push(TableLine::Measured(index, row));
        lines.extend(row.gain.as_ref().map(TableLine::Gain));
        let same_below =
            rows.get(index + 1).is_some_and(|next| next.stem == row.stem && next.reference == row.reference);
        lines.extend(row.reference.as_ref().filter(|_| !same_below).map(TableLine::Published));
    }
    lines
}

fn measured_cell(shown: &Shown, row: &Row, column: usize) -> (String, Style) {
    let Some(figure) = Figure::ALL.get(column) else { return (row.run.to_string(), THEME.muted) };
    let Some(value) = figure.of(row) else { return (NOT_YET.to_owned(), THEME.muted) };
    match figure {
        Figure::Metric(metric) => {
            let is_best = row.status == Status::Finished && shown.best(*metric) == Some(value);
            let mark = if is_best { "▸" } else { "" };
            (format!("{mark}{}", metric.format(value)), if is_best { THEME.best } else { THEME.text })
        }
        Figure::Gain => (format!("{value:+.4}"), THEME.text),
        Figure::Trainable => (params(row, |params| params.trainable), THEME.text),
        Figure::NotTrainable => (params(row, warmstart_schema::architecture::ParamCounts::non_trainable), THEME.text),
        Figure::Total => (params(row, |params| params.total), THEME.text),
    }
}

fn params(row: &Row, of: fn(&warmstart_schema::architecture::ParamCounts) -> u64) -> String {
    row.params.as_ref().map_or_else(|| NOT_YET.to_owned(), |params| count(of(params)))
}

fn gain_cell(gain: &Gain, column: usize) -> String {
    let Some(Figure::Metric(metric)) = Figure::ALL.get(column) else { return String::new() };
    gain.figures.get(*metric).map_or_else(String::new, |figure| metric.format_difference(figure))
}

fn published_cell(reference: &Reference, column: usize) -> String {
    let Some(Figure::Metric(metric)) = Figure::ALL.get(column) else { return String::new() };
    published(reference, *metric).map_or_else(|| NOT_YET.to_owned(), |figure| metric.format(figure))
}

/// What the marks mean, and what a reader should know of the selected run's published row.
fn draw_note(buf: &mut Buffer, area: Rect, columns: &[table::Place], row: Option<&Row>) {
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let mut spans = vec![Span::styled("▸ best of the runs that are done", THEME.muted)];
    if let Some(reference) = row.and_then(|row| row.reference.as_ref()) {
        let note = reference.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
        spans.push(Span::styled(format!("   † {}{note}", reference.source), THEME.muted));
    }
    let hidden = COLUMNS.len().saturating_sub(columns.last().map_or(0, |place| place.column + 1));
    if hidden > 0 {
        spans.insert(0, Span::styled(format!("→ {hidden} more columns   "), THEME.muted));
    }
    paint::left_line(buf, area, &Line::from(spans));
}

/// Validation accuracy of all runs on one pair of axes.
fn draw_chart(buf: &mut Buffer, area: Rect, model: &Model, shown: &Shown, selected: Option<&Row>) {
    let area = run::inset(area);
    let [title, plot] = area.layout(&Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]));
    let mut spans = vec![Span::styled("validation accuracy by epoch", THEME.title)];
    if let Some(row) = selected {
        spans.push(Span::styled(format!("  ● {}", row.experiment), THEME.validation));
        spans.push(Span::styled("  · the others", THEME.train));
    }
    paint::left_line(buf, title, &Line::from(spans));
    let is_selected = |row: &Row| selected.is_some_and(|selected| selected.run == row.run);
    let curve = |row: &Row| {
        let epochs = model.runs.get(&row.run).map_or(&[][..], |run| &run.state.epochs);
        Curve::new(epochs.iter().map(|epoch| (f64::from(epoch.epoch), epoch.val_acc)))
    };
    // The selected one last, over the others.
    let mut rows: Vec<&Row> = shown.rows().iter().collect();
    rows.sort_by_key(|row| is_selected(row));
    let curves: Vec<Curve> = rows.iter().map(|row| curve(row)).collect();
    let series: Vec<Series> = rows
        .iter()
        .zip(&curves)
        .map(|(row, curve)| {
            if is_selected(row) {
                Series { curve, style: THEME.validation, mark: Some("●"), faint: false }
            } else {
                Series { curve, style: THEME.train, mark: None, faint: false }
            }
        })
        .collect();
    let last = curves.iter().filter_map(Curve::reach).map(|reach| reach.1).fold(2.0, f64::max);
    let values = curves.iter().flat_map(Curve::points).map(|point| point.1);
    let (x, y) = (Axis::linear(1.0, last).in_unit(Unit::Whole), Axis::around(values));
    Chart { series: &series, x, y, best: &[], events: &[], cursor: None, ascii: model.look.ascii }.render(plot, buf);
}
