//! A line chart of training and validation by epoch, small and quiet: Braille lines, round numbers on the axes.

mod axis;
mod canvas;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

pub use self::axis::Axis;
use self::canvas::Canvas;
use super::theme::THEME;

/// What is drawn:
/// ```text
/// 0.8 ┤            ⢀⣀⠤⠒⠉      training: a thin dim line
///     │     ⣀●⠤●⠒⠊●⠁▲         validation: bright, with marks; the best epoch is ▲
/// 0.4 ┤ ●⠤⠒⠉  ┊               where a run was resumed
///     └── 2 ───── 5 ──────── 10
/// ```
#[derive(Debug)]
pub struct Chart<'a> {
    /// Later ones are drawn over earlier ones.
    pub series: &'a [Series],
    pub x: Axis,
    pub y: Axis,
    pub best: Option<(f64, f64)>,
    /// Where a run was taken up again.
    pub resumes: &'a [f64],
    pub cursor: Option<f64>,
    pub ascii: bool,
}

/// One line of a chart.
#[derive(Debug)]
pub struct Series {
    /// Epoch and figure; a figure that is not a number leaves a gap.
    pub points: Vec<(f64, f64)>,
    pub style: Style,
    /// Drawn on points where there is room.
    pub mark: Option<&'static str>,
}

impl Widget for Chart<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let labels = self.y.labels(usize::from(area.height / 3).clamp(2, 6), 0.0);
        let label_width = labels.iter().map(|(_, text)| text.width()).max().unwrap_or(0);
        // Charts that stand above each other begin at the same column.
        let gutter = u16::try_from(label_width.max(4) + 2).unwrap_or(u16::MAX);
        if area.width < gutter + 4 || area.height < 3 {
            return;
        }
        let [left, plot] = area.layout(&Layout::horizontal([Constraint::Length(gutter), Constraint::Fill(1)]));
        let [plot, foot] = plot.layout(&Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]));
        self.draw_scale(&labels, left, plot, buf);
        self.draw_foot(foot, buf);
        self.draw_plot(plot, buf);
    }
}

impl Chart<'_> {
    fn draw_scale(&self, labels: &[(f64, String)], left: Rect, plot: Rect, buf: &mut Buffer) {
        let axis = left.right() - 1;
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

    fn draw_foot(&self, foot: Rect, buf: &mut Buffer) {
        for x in foot.left()..foot.right() {
            buf.set_string(x, foot.top(), "─", THEME.rule);
        }
        let mut free = foot.left();
        // Only within the first epoch is there anything between two epochs.
        let least = if self.x.high > 1.0 { 1.0 } else { 0.0 };
        for (value, text) in self.x.labels(usize::from(foot.width / 8).clamp(2, 12), least) {
            let text = format!(" {text} ");
            let width = u16::try_from(text.width()).unwrap_or(0);
            let middle = foot.left() + column_of(self.x.share(value), foot.width);
            let start = middle.saturating_sub(width / 2).min(foot.right().saturating_sub(width)).max(foot.left());
            if start >= free && start + width <= foot.right() {
                buf.set_string(start, foot.top(), &text, THEME.label);
                free = start + width + 1;
            }
        }
    }

    fn draw_plot(&self, plot: Rect, buf: &mut Buffer) {
        for x in self.resumes.iter().map(|x| self.x.share(*x)).filter(|share| (0.0..=1.0).contains(share)) {
            vertical(buf, plot, x, "┊", THEME.rule);
        }
        if let Some(x) = self.cursor {
            vertical(buf, plot, self.x.share(x), "│", THEME.accent);
        }
        let shares = |points: &[(f64, f64)]| -> Vec<Option<(f64, f64)>> {
            let place = |&(x, y): &(f64, f64)| y.is_finite().then(|| (self.x.share(x), self.y.share(y)));
            points.iter().map(place).collect()
        };
        let mut canvas = Canvas::new(plot.width, plot.height, self.ascii);
        for series in self.series {
            canvas.series(&shares(&series.points), series.style, series.mark);
        }
        if let Some((x, y)) = self.best.filter(|(_, y)| y.is_finite()) {
            canvas.mark((self.x.share(x), self.y.share(y)), "▲", THEME.best);
        }
        canvas.render(plot, buf);
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

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a u16 holds")]
fn scale(share: f64, cells: u16) -> u16 {
    let last = f64::from(cells.saturating_sub(1));
    (share * last).round().clamp(0.0, last) as u16
}
