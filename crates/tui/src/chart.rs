//! A line chart, small and quiet: many series of many points, Braille lines, round numbers on linear or logarithmic axes.

mod canvas;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use self::canvas::{Canvas, Pen};
use super::theme::THEME;
pub(crate) use warmstart_report::plot::{Axis, Curve, Unit};

/// Cells from one mark of a dense line to the next.
const MARK_EVERY: usize = 8;

/// What is drawn:
/// ```text
/// 0.8 ┤            ⢀⣀⠤⠒⠉      training: a thin dim line
///     │     ⣀●⠤●⠒⠊●⠁▲         validation: bright, with marks; the best epoch is ▲
/// 0.4 ┤ ●⠤⠒⠉  ┊               where a run was resumed
///     └── 2 ───── 5 ──────── 10
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chart<'a> {
    /// Later ones are drawn over earlier ones, and faint ones under all others.
    pub series: &'a [Series<'a>],
    pub x: Axis,
    pub y: Axis,
    /// Points to mark with ▲: the best epochs.
    pub best: &'a [(f64, f64)],
    /// Where something happened: a line from top to bottom.
    pub events: &'a [f64],
    pub cursor: Option<f64>,
    pub ascii: bool,
}

/// One line of a chart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series<'a> {
    pub curve: &'a Curve,
    pub style: Style,
    /// Drawn on points where there is room.
    pub mark: Option<&'static str>,
    /// Drawn under all series that are not faint.
    pub faint: bool,
}

impl Widget for Chart<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let labels = self.labels(area);
        let Some([y_axis, plot, x_axis]) = layout(area, &labels) else {
            return;
        };
        self.draw_y_axis(&labels, y_axis, plot, buf);
        self.draw_x_axis(x_axis, buf);
        self.draw_plot(plot, buf);
    }
}

/// The areas of the y axis, the plot and the x axis; `None` where there is too little room. `labels` are those of the y axis.
fn layout(area: Rect, labels: &[(f64, String)]) -> Option<[Rect; 3]> {
    let label_width = labels
        .iter()
        .map(|(_, text)| text.width())
        .max()
        .unwrap_or(0);
    // Charts above each other begin at the same column.
    let gutter = u16::try_from(label_width.max(4) + 2).unwrap_or(u16::MAX);
    if area.width < gutter + 4 || area.height < 3 {
        return None;
    }
    let [y_axis, plot] = area.layout(&Layout::horizontal([
        Constraint::Length(gutter),
        Constraint::Fill(1),
    ]));
    let [plot, x_axis] = plot.layout(&Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(1),
    ]));
    Some([y_axis, plot, x_axis])
}

impl Chart<'_> {
    /// Where its lines are drawn.
    pub(crate) fn plot(&self, area: Rect) -> Rect {
        layout(area, &self.labels(area)).map_or_else(Rect::default, |[_, plot, _]| plot)
    }

    /// The column where a position is drawn; `None` if it is out of sight.
    pub(crate) fn column(&self, area: Rect, x: f64) -> Option<u16> {
        let (plot, share) = (self.plot(area), self.x.share(x));
        let is_in_sight = !plot.is_empty() && (0.0..=1.0).contains(&share);
        is_in_sight.then(|| plot.left() + column_of(share, plot.width))
    }

    /// The y values to label, with their texts.
    fn labels(&self, area: Rect) -> Vec<(f64, String)> {
        self.y.labels(usize::from(area.height / 3).clamp(2, 6))
    }

    fn draw_y_axis(&self, labels: &[(f64, String)], area: Rect, plot: Rect, buf: &mut Buffer) {
        let axis = area.right() - 1;
        for y in plot.top()..plot.bottom() {
            buf.set_string(axis, y, "│", THEME.rule);
        }
        buf.set_string(axis, plot.bottom(), "└", THEME.rule);
        for (value, text) in labels {
            let y = plot.top() + row_of(self.y.share(*value), plot.height);
            let width = u16::try_from(text.width()).unwrap_or(0);
            buf.set_string(axis.saturating_sub(width + 1), y, text, THEME.label);
            buf.set_string(axis, y, "┤", THEME.rule);
        }
    }

    fn draw_x_axis(&self, area: Rect, buf: &mut Buffer) {
        for x in area.left()..area.right() {
            buf.set_string(x, area.top(), "─", THEME.rule);
        }
        let mut free = area.left();
        for (value, text) in self.x.labels(usize::from(area.width / 8).clamp(2, 12)) {
            let text = format!(" {text} ");
            let width = u16::try_from(text.width()).unwrap_or(0);
            let middle = area.left() + column_of(self.x.share(value), area.width);
            let start = middle
                .saturating_sub(width / 2)
                .min(area.right().saturating_sub(width))
                .max(area.left());
            if start >= free && start + width <= area.right() {
                buf.set_string(start, area.top(), &text, THEME.label);
                free = start + width + 1;
            }
        }
    }

    fn draw_plot(&self, plot: Rect, buf: &mut Buffer) {
        let is_on = |share: &f64| (0.0..=1.0).contains(share);
        for share in self.events.iter().map(|x| self.x.share(*x)).filter(is_on) {
            vertical(buf, plot, share, "┊", THEME.rule);
        }
        if let Some(share) = self.cursor.map(|x| self.x.share(x)).filter(is_on) {
            vertical(buf, plot, share, "│", THEME.accent);
        }
        let mut canvas = Canvas::new(plot.width, plot.height, self.ascii);
        for series in self.series {
            self.draw_series(&mut canvas, series);
        }
        for point in self.best.iter().filter_map(|point| self.place(*point)) {
            canvas.mark(point, "▲", THEME.best);
        }
        canvas.render(plot, buf);
    }

    /// Point by point where there are few; else by columns of dots, each with the extremes of all points in it.
    fn draw_series(&self, canvas: &mut Canvas, series: &Series) {
        let Series {
            curve,
            style,
            mark,
            faint,
        } = *series;
        let pen = Pen { style, faint };
        // In ASCII the marks are the curve: a line without marks gets its own.
        let mark = mark.or((self.ascii && !faint).then_some("o"));
        let count = curve.count(self.x);
        if count <= canvas.columns() {
            canvas.path(curve.around(self.x).map(|point| self.place(point)), pen);
            for (x, (low, high)) in curve.y_ranges(self.x) {
                let ends = [self.place((x, low)), self.place((x, high))];
                canvas.path(ends, pen);
            }
            let every = if self.ascii {
                1
            } else {
                (count * MARK_EVERY)
                    .div_ceil(canvas.columns().max(1))
                    .max(1)
            };
            let stretch = curve.stretch(self.x.low, self.x.high);
            // Counted from the curve's first point, marks stay on theirs while the axis moves.
            let marked = curve
                .points()
                .enumerate()
                .take(stretch.end)
                .skip(stretch.start)
                .filter(|(index, _)| index % every == 0);
            if let Some(mark) = mark {
                for point in marked.filter_map(|(_, point)| self.place(point)) {
                    canvas.mark(point, mark, style);
                }
            }
        } else {
            self.draw_dense(canvas, curve, pen, mark);
        }
    }

    fn draw_dense(&self, canvas: &mut Canvas, curve: &Curve, pen: Pen, mark: Option<&'static str>) {
        let columns = canvas.columns();
        let right = (columns.max(2) - 1) as f64;
        let mut previous: Option<(usize, [f64; 3])> = None;
        for column in curve.columns(self.x, columns) {
            let [first, low, high, last] =
                [column.first, column.low, column.high, column.last].map(|y| self.y.share(y));
            let x = column.index as f64 / right;
            let before = previous
                .filter(|(_, [.., y])| y.is_finite() && first.is_finite() && !column.after_gap);
            if let Some((index, [least, most, y])) = before {
                // Between neighbours that reach to each other's ends, the line lies within both.
                let is_within = (least..=most).contains(&first) && (low..=high).contains(&y);
                if index + 1 != column.index || !is_within {
                    canvas.path([Some((index as f64 / right, y)), Some((x, first))], pen);
                }
            }
            // On a logarithmic axis, values that are not above 0 have no position: if others are, draw the bar down to the x axis.
            if !high.is_nan() {
                let low = if low.is_nan() { 0.0 } else { low };
                canvas.bar(column.index, low, high, pen);
            }
            previous = Some((column.index, [low, high, last]));
            if let Some(mark) = mark.filter(|_| column.index % (MARK_EVERY * 2) == MARK_EVERY) {
                canvas.mark((x, last), mark, pen.style);
            }
        }
    }

    /// A point as shares of width and height; `None` where it has no position on these axes.
    fn place(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let place = (self.x.share(x), self.y.share(y));
        (y.is_finite() && place.0.is_finite() && place.1.is_finite()).then_some(place)
    }
}

fn vertical(buf: &mut Buffer, plot: Rect, share: f64, symbol: &str, style: Style) {
    let x = plot.left() + column_of(share, plot.width);
    for y in plot.top()..plot.bottom() {
        buf.set_string(x, y, symbol, style);
    }
}

/// The row of a share of the height, counted from the top.
fn row_of(share: f64, height: u16) -> u16 {
    height.saturating_sub(1) - scale(share, height)
}

fn column_of(share: f64, width: u16) -> u16 {
    scale(share, width)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a u16 holds"
)]
fn scale(share: f64, cells: u16) -> u16 {
    let last = f64::from(cells.saturating_sub(1));
    (share * last).round().clamp(0.0, last) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_points_without_a_position_on_a_logarithmic_axis_are_not_drawn() {
        // More points than columns of dots: 0 on the left, 1 on the right.
        let curve = Curve::new((0..1000).map(|x| (f64::from(x), f64::from(u8::from(x >= 500)))));
        let series = [Series {
            curve: &curve,
            style: Style::new(),
            mark: None,
            faint: false,
        }];
        let chart = Chart {
            series: &series,
            x: Axis::linear(0.0, 999.0),
            y: Axis::linear(0.1, 10.0).logarithmic(),
            best: &[],
            events: &[],
            cursor: None,
            ascii: false,
        };
        let area = Rect::new(0, 0, 40, 10);
        let mut buf = Buffer::empty(area);
        let plot = chart.plot(area);
        chart.render(area, &mut buf);
        let is_drawn = |x: u16| (plot.top()..plot.bottom()).any(|y| buf[(x, y)].symbol() != " ");
        assert!(!is_drawn(plot.left()), "{buf:?}");
        assert!(is_drawn(plot.right() - 1), "{buf:?}");
    }

    #[test]
    fn no_line_crosses_a_gap_among_few_points_or_many() {
        for points in [30, 1000] {
            let curve = Curve::new((0..points).map(|n| {
                let x = f64::from(n) / f64::from(points);
                (x, if (0.3..0.7).contains(&x) { f64::NAN } else { x })
            }));
            let series = [Series {
                curve: &curve,
                style: Style::new(),
                mark: None,
                faint: false,
            }];
            let chart = Chart {
                series: &series,
                x: Axis::linear(0.0, 1.0),
                y: Axis::linear(0.0, 1.0),
                best: &[],
                events: &[],
                cursor: None,
                ascii: false,
            };
            let area = Rect::new(0, 0, 40, 10);
            let mut buf = Buffer::empty(area);
            let plot = chart.plot(area);
            chart.render(area, &mut buf);
            let is_drawn = |share: f64| {
                let x = plot.left() + column_of(share, plot.width);
                (plot.top()..plot.bottom()).any(|y| buf[(x, y)].symbol() != " ")
            };
            let drawn = [0.2, 0.5, 0.8].map(is_drawn);
            assert_eq!(drawn, [true, false, true], "{points}: {buf:?}");
        }
    }

    #[test]
    fn a_position_has_the_column_of_its_line_beside_wide_labels_too() {
        for high in [1.0, 1e6] {
            let chart = Chart {
                series: &[],
                x: Axis::linear(-15.0, 5.0),
                y: Axis::linear(0.0, high),
                best: &[],
                events: &[0.0],
                cursor: None,
                ascii: false,
            };
            let area = Rect::new(3, 1, 40, 10);
            let mut buf = Buffer::empty(Rect::new(0, 0, 50, 12));
            chart.render(area, &mut buf);
            let top = chart.plot(area).top();
            let line = (area.left()..area.right()).find(|x| buf[(*x, top)].symbol() == "┊");
            assert!(line.is_some(), "{buf:?}");
            assert_eq!(chart.column(area, 0.0), line, "{buf:?}");
            assert_eq!(chart.column(area, 5.1), None);
        }
    }
}
