//! Dots finer than a character: 2×4 in each cell by Braille, one in each by ASCII.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// A point as shares of width and height, from the lower left.
pub(super) type Point = (f64, f64);

#[derive(Debug, Clone, Copy, Default)]
struct Dots {
    bits: u8,
    style: Style,
    faint: bool,
    mark: Option<&'static str>,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    pub style: Style,
    /// Covered by every line that is not faint.
    pub faint: bool,
}

/// A grid that series are drawn on, later ones over earlier ones.
#[derive(Debug)]
pub(super) struct Canvas {
    width: u16,
    height: u16,
    ascii: bool,
    cells: Vec<Dots>,
}

impl Canvas {
    pub(super) fn new(width: u16, height: u16, ascii: bool) -> Self {
        let cells = vec![Dots::default(); usize::from(width) * usize::from(height)];
        Self {
            width,
            height,
            ascii,
            cells,
        }
    }

    /// How many columns of dots there are.
    pub(super) fn columns(&self) -> usize {
        usize::from(self.width) * 2
    }

    /// Draws a line through the points; `None` is a gap. A point alone between gaps is a point.
    pub(super) fn path(&mut self, points: impl IntoIterator<Item = Option<Point>>, pen: Pen) {
        let mut previous: Option<Point> = None;
        let mut is_drawn = true;
        for point in points {
            match (previous, point) {
                (Some(from), Some(to)) => {
                    self.line(from, to, pen);
                    is_drawn = true;
                }
                (Some(alone), None) if !is_drawn => self.line(alone, alone, pen),
                (None, Some(_)) => is_drawn = false,
                _ => {}
            }
            previous = point;
        }
        if let Some(alone) = previous.filter(|_| !is_drawn) {
            self.line(alone, alone, pen);
        }
    }

    /// Draws a vertical line in a column of dots, between two shares of the height.
    pub(super) fn bar(&mut self, column: usize, low: f64, high: f64, pen: Pen) {
        // Both columns of a cell, from its upper row to its lower one.
        const FROM: [[u8; 2]; 4] = [[0x47, 0xb8], [0x46, 0xb0], [0x44, 0xa0], [0x40, 0x80]];
        const TO: [[u8; 2]; 4] = [[0x01, 0x08], [0x03, 0x18], [0x07, 0x38], [0x47, 0xb8]];
        if high < 0.0 || low > 1.0 {
            return;
        }
        let (top, bottom) = (self.dot((0.0, high)).1, self.dot((0.0, low)).1);
        let (Ok(top), Ok(bottom)) = (usize::try_from(top), usize::try_from(bottom)) else {
            return;
        };
        for row in top / 4..=bottom / 4 {
            let from = if row == top / 4 {
                FROM[top % 4][column % 2]
            } else {
                0xff
            };
            let to = if row == bottom / 4 {
                TO[bottom % 4][column % 2]
            } else {
                0xff
            };
            let side = FROM[0][column % 2];
            let at = row * usize::from(self.width) + column / 2;
            if let Some(cell) = self.cells.get_mut(at) {
                cell.add(from & to & side, pen);
            }
        }
    }

    /// Puts a glyph at a point that lies on the canvas.
    pub(super) fn mark(&mut self, point: Point, mark: &'static str, style: Style) {
        if !is_inside(point) {
            return;
        }
        let (x, y) = self.dot(point);
        if let Some(cell) = self.cell(x, y) {
            (cell.mark, cell.style, cell.faint) = (Some(mark), style, false);
        }
    }

    pub(super) fn render(&self, area: Rect, buf: &mut Buffer) {
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
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to the number of dots"
    )]
    fn dot(&self, (x, y): Point) -> (i32, i32) {
        let last =
            |cells: u16, per_cell: u16| f64::from(u32::from(cells) * u32::from(per_cell)) - 1.0;
        let (right, bottom) = (last(self.width, 2).max(0.0), last(self.height, 4).max(0.0));
        // Of what is not below 0, cutting off rounds, without the call that `round` is.
        let nearest = |dot: f64, last: f64| (dot.clamp(0.0, last) + 0.5) as i32;
        (
            nearest(x * right, right),
            nearest((1.0 - y) * bottom, bottom),
        )
    }

    fn cell(&mut self, x: i32, y: i32) -> Option<&mut Dots> {
        let (x, y) = (usize::try_from(x / 2).ok()?, usize::try_from(y / 4).ok()?);
        self.cells.get_mut(y * usize::from(self.width) + x)
    }

    fn set(&mut self, (x, y): (i32, i32), pen: Pen) {
        // Unicode numbers the dots of a cell down the left column, then the right one, the bottom row last.
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let (Ok(column), Ok(row)) = (usize::try_from(x % 2), usize::try_from(y % 4)) else {
            return;
        };
        if let Some(cell) = self.cell(x, y) {
            cell.add(BITS[row][column], pen);
        }
    }

    /// Bresenham's line, of the part that lies on the canvas.
    fn line(&mut self, from: Point, to: Point, pen: Pen) {
        let Some((from, to)) = clipped(from, to) else {
            return;
        };
        let (from, to) = (self.dot(from), self.dot(to));
        let (dx, dy) = ((to.0 - from.0).abs(), -(to.1 - from.1).abs());
        let (sx, sy) = ((to.0 - from.0).signum(), (to.1 - from.1).signum());
        let ((mut x, mut y), mut error) = (from, dx + dy);
        loop {
            self.set((x, y), pen);
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

impl Dots {
    fn add(&mut self, bits: u8, pen: Pen) {
        let is_taken = self.bits != 0 || self.mark.is_some();
        if pen.faint && is_taken && !self.faint {
            return;
        }
        if self.faint && !pen.faint {
            self.bits = 0;
        }
        *self = Self {
            bits: self.bits | bits,
            style: pen.style,
            faint: pen.faint,
            mark: None,
        };
    }
}

fn is_inside((x, y): Point) -> bool {
    // Rounding may put what lies on the border just beyond it.
    let inside = -1e-9..=1.0 + 1e-9;
    inside.contains(&x) && inside.contains(&y)
}

/// The part of a line that lies within 0..1, by Liang and Barsky.
fn clipped(from: Point, to: Point) -> Option<(Point, Point)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enters, mut leaves) = (0.0_f64, 1.0_f64);
    for (step, room) in [
        (-dx, from.0),
        (dx, 1.0 - from.0),
        (-dy, from.1),
        (dy, 1.0 - from.1),
    ] {
        // A line along a border that rounding put just beyond it.
        let room = if room.abs() < 1e-9 { 0.0 } else { room };
        if step == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if step < 0.0 {
            enters = enters.max(room / step);
        } else {
            leaves = leaves.min(room / step);
        }
    }
    let at = |share: f64| (from.0 + share * dx, from.1 + share * dy);
    (enters <= leaves).then(|| (at(enters), at(leaves)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEN: Pen = Pen {
        style: Style::new(),
        faint: false,
    };

    fn lines(canvas: &Canvas) -> Vec<String> {
        let area = Rect::new(0, 0, canvas.width, canvas.height);
        let mut buf = Buffer::empty(area);
        canvas.render(area, &mut buf);
        buf.content
            .chunks(usize::from(canvas.width))
            .map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect())
            .collect()
    }

    #[test]
    fn lines_outside_the_canvas_are_clipped_at_the_border() {
        let mut canvas = Canvas::new(4, 2, false);
        canvas.path([Some((0.0, 3.0)), Some((1.0, 2.0))], PEN);
        canvas.path([Some((-2.0, 0.5)), Some((-1.0, 0.5))], PEN);
        canvas.mark((1.2, 0.5), "●", Style::new());
        assert_eq!(lines(&canvas), ["    ", "    "]);
        canvas.path([Some((-1.0, -1.0)), Some((2.0, 2.0))], PEN);
        assert_eq!(lines(&canvas), ["  ⡠⠊", "⡠⠊  "]);
    }

    #[test]
    fn a_bar_equals_its_dots() {
        for column in 0..6 {
            for (low, high) in [
                (0.0, 1.0),
                (0.3, 0.3),
                (0.1, 0.62),
                (0.55, 2.0),
                (-1.0, 0.2),
            ] {
                let (mut by_bar, mut by_dots) =
                    (Canvas::new(3, 3, false), Canvas::new(3, 3, false));
                by_bar.bar(column, low, high, PEN);
                let x = column as f64 / 5.0;
                by_dots.path([Some((x, low)), Some((x, high))], PEN);
                assert_eq!(lines(&by_bar), lines(&by_dots), "{column} {low} {high}");
            }
        }
    }

    #[test]
    fn a_normal_line_covers_a_faint_one_in_every_cell() {
        let faint = Pen { faint: true, ..PEN };
        for order in [[faint, PEN], [PEN, faint]] {
            let mut canvas = Canvas::new(2, 1, false);
            for pen in order {
                // The faint line is high, the other one is low.
                let y = if pen.faint { 1.0 } else { 0.0 };
                canvas.path(
                    [Some((0.0, y)), Some((if pen.faint { 1.0 } else { 0.3 }, y))],
                    pen,
                );
            }
            assert_eq!(lines(&canvas), ["⣀⠉"]);
        }
    }

    #[test]
    fn a_single_point_between_gaps_is_drawn() {
        let mut canvas = Canvas::new(1, 1, false);
        canvas.path([None, Some((0.0, 0.0)), None, Some((1.0, 1.0))], PEN);
        assert_eq!(lines(&canvas), ["⡈"]);
    }
}
