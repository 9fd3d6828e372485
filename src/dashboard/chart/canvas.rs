//! Dots finer than a character: 2×4 in each cell by Braille, one in each by ASCII.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Points of a series as shares of width and height; `None` is a gap.
type Points<'a> = &'a [Option<(f64, f64)>];

#[derive(Debug, Clone, Copy, Default)]
struct Dots {
    bits: u8,
    style: Style,
    mark: Option<&'static str>,
}

/// A grid that series are drawn on, later ones over earlier ones.
#[derive(Debug)]
pub struct Canvas {
    width: u16,
    height: u16,
    ascii: bool,
    cells: Vec<Dots>,
}

impl Canvas {
    pub fn new(width: u16, height: u16, ascii: bool) -> Self {
        let cells = vec![Dots::default(); usize::from(width) * usize::from(height)];
        Self { width, height, ascii, cells }
    }

    /// Draws a line through the points, and marks on them where there is room. A point alone between gaps is a point.
    pub fn series(&mut self, points: Points, style: Style, mark: Option<&'static str>) {
        let mut previous: Option<(i32, i32)> = None;
        for point in points {
            let here = point.map(|point| self.dot(point));
            if let (Some(from), Some(to)) = (previous, here) {
                self.line(from, to, style);
            } else if let Some(here) = here {
                self.set(here, style);
            }
            previous = here;
        }
        // In ASCII the marks are the curve: a training line without marks gets its own.
        let Some(mark) = mark.or(self.ascii.then_some("o")) else { return };
        let every = (points.len() * 4).div_ceil(usize::from(self.width).max(1)).max(1);
        for point in points.iter().step_by(if self.ascii { 1 } else { every }).flatten() {
            self.mark(*point, mark, style);
        }
    }

    /// Puts a glyph at a point.
    pub fn mark(&mut self, point: (f64, f64), mark: &'static str, style: Style) {
        let (x, y) = self.dot(point);
        if let Some(cell) = self.cell(x, y) {
            cell.mark = Some(mark);
            cell.style = style;
        }
    }

    pub fn render(&self, area: Rect, buf: &mut Buffer) {
        let rows = self.cells.chunks(usize::from(self.width).max(1));
        for (y, row) in (area.top()..area.bottom()).zip(rows) {
            for (x, dots) in (area.left()..area.right()).zip(row) {
                let symbol = match dots.mark {
                    Some(mark) => mark.chars().next().unwrap_or(' '),
                    None if dots.bits == 0 => continue,
                    None if self.ascii => '.',
                    None => char::from_u32(0x2800 + u32::from(dots.bits)).unwrap_or(' '),
                };
                // A guide line that lies beneath keeps none of its style.
                let cell = &mut buf[(x, y)];
                cell.reset();
                cell.set_char(symbol).set_style(dots.style);
            }
        }
    }

    /// The dot of a point; shares outside 0..1 land on the border.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the number of dots")]
    fn dot(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let last = |cells: u16, per_cell: u16| f64::from(u32::from(cells) * u32::from(per_cell)) - 1.0;
        let (right, bottom) = (last(self.width, 2).max(0.0), last(self.height, 4).max(0.0));
        ((x * right).round().clamp(0.0, right) as i32, ((1.0 - y) * bottom).round().clamp(0.0, bottom) as i32)
    }

    fn cell(&mut self, x: i32, y: i32) -> Option<&mut Dots> {
        let (x, y) = (usize::try_from(x / 2).ok()?, usize::try_from(y / 4).ok()?);
        self.cells.get_mut(y * usize::from(self.width) + x)
    }

    fn set(&mut self, (x, y): (i32, i32), style: Style) {
        // Unicode numbers the dots of a cell down the left column, then the right one, the bottom row last.
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let (Ok(column), Ok(row)) = (usize::try_from(x % 2), usize::try_from(y % 4)) else { return };
        if let Some(cell) = self.cell(x, y) {
            cell.bits |= BITS[row][column];
            cell.style = style;
            cell.mark = None;
        }
    }

    /// Bresenham's line.
    fn line(&mut self, from: (i32, i32), to: (i32, i32), style: Style) {
        let (dx, dy) = ((to.0 - from.0).abs(), -(to.1 - from.1).abs());
        let (sx, sy) = ((to.0 - from.0).signum(), (to.1 - from.1).signum());
        let ((mut x, mut y), mut error) = (from, dx + dy);
        loop {
            self.set((x, y), style);
            if (x, y) == to {
                return;
            }
            let double = 2 * error;
            if double >= dy {
                error += dy;
                x += sx;
            }
            if double <= dx {
                error += dx;
                y += sy;
            }
        }
    }
}
