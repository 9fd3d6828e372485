//! ```text
//!  validation accuracy by epoch   ◆ EffNet, freeze  ▲ ResNet, resized input
//!  0.8 ┤                                       ⢀⣀⠤⠒⠉
//! ```
//! One figure of all shown runs in one chart. Each run has its own colour and marker. With a
//! cursor, the legend shows the figures at the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use warmstart_schema::text;

use crate::chart::{Axis, Chart, Curve, Series, Unit};
use crate::format::metric;
use crate::model::{CompareView, Model};
use crate::mouse::{HitBox, HitMap};
use crate::screen::paint;
use crate::theme::THEME;
use warmstart_report::compare::{Metric, Row};
use warmstart_runs::store::Run;

/// Maximum number of curves, because this many runs differ in marker or colour.
const MOST: usize = 40;
/// Lines of figures under the cursor.
const LEGEND: usize = 3;

pub(super) fn draw(
    buf: &mut Buffer,
    area: Rect,
    model: &Model,
    view: &CompareView,
    selected: Option<&Row>,
    hit_map: &mut HitMap,
) {
    let Some(figure) = view.curves.metric() else {
        return;
    };
    let runs = runs(model, view, selected);
    let area = paint::inset(area);
    let legend = legend(view, &runs, figure, usize::from(area.width));
    let height = u16::try_from(legend.len()).unwrap_or(1);
    let [title, plot] = area.layout(&Layout::vertical([
        Constraint::Length(height),
        Constraint::Fill(1),
    ]));
    for (line, y) in legend.iter().zip(0..) {
        paint::left_line(buf, paint::row(title, y), line);
    }
    let curves: Vec<Curve> = runs
        .iter()
        .map(|run| curve(run, figure, view.shown.after(&run.id)))
        .collect();
    let series: Vec<Series> = runs
        .iter()
        .zip(&curves)
        .enumerate()
        .map(|(place, (run, curve))| {
            let (mark, style) = mark(view, run, place);
            let is_selected = selected.is_some_and(|row| row.runs.contains(&run.id));
            Series {
                curve,
                style,
                mark: Some(mark),
                faint: selected.is_some() && !is_selected,
            }
        })
        .collect();
    let last = curves
        .iter()
        .filter_map(Curve::x_range)
        .map(|range| range.1)
        .fold(2.0, f64::max);
    let values = curves.iter().flat_map(Curve::points).map(|point| point.1);
    let (x, y) = (
        Axis::linear(1.0, last).in_unit(Unit::Whole),
        Axis::around(values),
    );
    let cursor = view.cursor.map(f64::from);
    let chart = Chart {
        series: &series,
        x,
        y,
        best: &[],
        events: &[],
        cursor,
        ascii: model.appearance.ascii,
    };
    hit_map.add(chart.plot(plot), HitBox::Chart(x));
    chart.render(plot, buf);
}

/// The runs of the shown rows in order, at most [`MOST`]. Those of the selected row are last, so that
/// they are drawn on top.
fn runs<'a>(model: &'a Model, view: &CompareView, selected: Option<&Row>) -> Vec<&'a Run> {
    let is_selected = |row: &Row| selected.is_some_and(|selected| std::ptr::eq(selected, row));
    let others = view
        .shown
        .table()
        .measured()
        .filter(|row| !is_selected(row))
        .flat_map(|row| &row.runs);
    let own = selected.into_iter().flat_map(|row| &row.runs);
    limited(others, own)
        .into_iter()
        .filter_map(|id| model.runs.get(id))
        .collect()
}

/// As many of `others` as there is room for beside `own`, then `own`; at most [`MOST`].
fn limited<T>(others: impl Iterator<Item = T>, own: impl Iterator<Item = T>) -> Vec<T> {
    // A row of merged seeds alone may have more.
    let own: Vec<T> = own.take(MOST).collect();
    others.take(MOST - own.len()).chain(own).collect()
}

/// A curve by epochs, starting after the runs that this run continues.
fn curve(run: &Run, figure: Metric, after: u32) -> Curve {
    let epochs = run.state.epochs.iter();
    let place = |epoch: u32| f64::from(epoch.saturating_add(after));
    Curve::new(epochs.filter_map(|epoch| Some((place(epoch.epoch), figure.of_epoch(epoch)?))))
}

/// A run's marker and colour, as in the table. With too many runs the table has none; then they follow
/// from the run's place among the curves.
fn mark(view: &CompareView, run: &Run, place: usize) -> (&'static str, Style) {
    THEME.run(view.shown.rank(&run.id).unwrap_or(place))
}

/// The chart's title, then each run's marker with its name, or with its figure under the cursor.
/// Counts the runs that do not fit.
fn legend(view: &CompareView, runs: &[&Run], figure: Metric, width: usize) -> Vec<Line<'static>> {
    let title = match figure {
        Metric::ValAcc => "validation accuracy by epoch",
        Metric::ValLoss => "validation loss by epoch",
        Metric::TrainAcc => "training accuracy by epoch",
        _ => "training loss by epoch",
    };
    let mut lines = vec![Line::from(Span::styled(title, THEME.title))];
    if let Some(epoch) = view.cursor {
        lines[0]
            .spans
            .push(Span::styled(format!("  at epoch {epoch}"), THEME.accent));
    }
    let most = if view.cursor.is_some() { LEGEND } else { 1 };
    // Name the selected run, which is drawn last, first.
    for (named, run) in runs.iter().rev().enumerate() {
        let text = match view.cursor {
            Some(epoch) => {
                let after = view.shown.after(&run.id);
                let at = run
                    .state
                    .epochs
                    .iter()
                    .find(|at| at.epoch.saturating_add(after) == epoch);
                metric(at.and_then(|at| figure.of_epoch(at)))
            }
            None => match view.shown.after(&run.id) {
                0 => run.label().to_owned(),
                epochs => format!("{} after {epochs}", run.label()),
            },
        };
        let rest = runs.len() - named;
        // Leave space for the count of the remaining runs.
        let reserved = if rest > 1 { "  +999".len() } else { 0 };
        // The selected run is named even if its whole name does not fit.
        let text = if named == 0 && lines.len() == most {
            let taken = lines[0].width() + text::columns("  ● ") + reserved;
            text::middle(&text, width.saturating_sub(taken))
        } else {
            text
        };
        let (mark, style) = mark(view, run, rest - 1);
        let spans = [
            Span::styled(format!("  {mark} "), style),
            Span::styled(text, THEME.text),
        ];
        let wide: usize = spans.iter().map(Span::width).sum();
        let is_full = |reserved: usize| {
            lines
                .last()
                .is_some_and(|line| line.width() + wide + reserved > width)
        };
        if lines.len() == most && is_full(reserved) {
            lines[most - 1]
                .spans
                .push(Span::styled(format!("  +{rest}"), THEME.muted));
            break;
        }
        if is_full(0) {
            lines.push(Line::default());
        }
        if let Some(line) = lines.last_mut() {
            line.spans.extend(spans);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_runs_come_last_and_no_more_than_the_limit() {
        let (others, own) = (0..1000, 1000..1003);
        let drawn = limited(others, own);
        assert_eq!(drawn.len(), MOST);
        assert_eq!(drawn[MOST - 3..], [1000, 1001, 1002]);
        assert_eq!(limited(0..2, 2..4), [0, 1, 2, 3]);
        assert_eq!(limited(0..2, 2..1000).len(), MOST);
    }
}
