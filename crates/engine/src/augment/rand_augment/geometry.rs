//! Rotation, shear and translation: Pillow's `transform` by an affine map.

use super::lookup::truncated;
use super::picture::Picture;

/// What comes in from outside: the mean colour of `ImageNet` in whole 255ths, as timm fills.
const FILL: [u8; 3] = [124, 116, 104];

/// An affine map from each output position to the input position that it shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Affine {
    /// In pixels: x becomes `m0·x + m1·y + m2`, and y `m3·x + m4·y + m5`.
    pub matrix: [f64; 6],
    pub is_cubic: bool,
}

/// The matrix of a rotation about the centre.
pub(super) fn rotation(degrees: f64, width: f64, height: f64) -> [f64; 6] {
    let angle = -degrees.rem_euclid(360.0).to_radians();
    let rounded = |value: f64| {
        // Pillow rounds to fifteen decimals.
        format!("{value:.15}").parse().unwrap_or(value)
    };
    let (cos, sin) = (rounded(angle.cos()), rounded(angle.sin()));
    let (across, down) = (width / 2.0, height / 2.0);
    let minus_sin: f64 = rounded(-angle.sin());
    [
        cos,
        sin,
        cos * -across + sin * -down + across,
        minus_sin,
        cos,
        minus_sin * -across + cos * -down + down,
    ]
}

impl Affine {
    pub(super) fn apply(self, picture: &mut Picture) {
        let (height, width) = (picture.height(), picture.width());
        let size = height * width;
        let before = picture.bytes().to_vec();
        let map = self.matrix;
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let (across, down) = (x as f64 + 0.5, y as f64 + 0.5);
            let (from_x, from_y) = (
                map[0] * across + map[1] * down + map[2],
                map[3] * across + map[4] * down + map[5],
            );
            let is_inside =
                (0.0..width as f64).contains(&from_x) && (0.0..height as f64).contains(&from_y);
            let at = y * width + x;
            for (channel, plane) in before.chunks_exact(size.max(1)).enumerate() {
                let value = if is_inside {
                    let plane = Plane {
                        bytes: plane,
                        height,
                        width,
                    };
                    plane.at(from_x - 0.5, from_y - 0.5, self.is_cubic)
                } else {
                    FILL[channel]
                };
                picture.bytes_mut()[channel * size + at] = value;
            }
        }
    }
}

/// One channel of an image.
struct Plane<'a> {
    bytes: &'a [u8],
    height: usize,
    width: usize,
}

impl Plane<'_> {
    /// The value between pixels.
    fn at(&self, x: f64, y: f64, is_cubic: bool) -> u8 {
        let (left, top) = (x.floor(), y.floor());
        let (dx, dy) = (x - left, y - top);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a position within an image, or a pixel before it"
        )]
        let (left, top) = (left as i64, top as i64);
        if !is_cubic {
            let row = |y| {
                let [first, second] = [0, 1].map(|step| self.pixel(left + step, y));
                first + (second - first) * dx
            };
            let upper = row(top);
            let lower = self.row(top + 1).map_or(upper, row);
            return truncated(upper + (lower - upper) * dy);
        }
        let row = |y| cubic([-1, 0, 1, 2].map(|step| self.pixel(left + step, y)), dx);
        let first = row(top - 1);
        let mut last = first;
        let [second, third, fourth] = [0, 1, 2].map(|step| {
            last = self.row(top + step).map_or(last, row);
            last
        });
        truncated(cubic([first, second, third, fourth], dy))
    }

    /// A row if the image has it.
    fn row(&self, y: i64) -> Option<i64> {
        usize::try_from(y)
            .is_ok_and(|row| row < self.height)
            .then_some(y)
    }

    /// The pixel, or the nearest one at the border.
    fn pixel(&self, x: i64, y: i64) -> f64 {
        let within = |at: i64, size: usize| usize::try_from(at).unwrap_or(0).min(size - 1);
        let (x, y) = (within(x, self.width), within(y, self.height));
        f64::from(self.bytes[y * self.width + x])
    }
}

/// Pillow's cubic through four values, between the second and the third.
fn cubic([v1, v2, v3, v4]: [f64; 4], d: f64) -> f64 {
    let p1 = v2;
    let p2 = -v1 + v3;
    let p3 = 2.0 * (v1 - v2) + v3 - v4;
    let p4 = -v1 + v2 - v3 + v4;
    p1 + d * (p2 + d * (p3 + d * p4))
}
