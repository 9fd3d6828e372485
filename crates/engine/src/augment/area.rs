//! Random rectangles of a given share of an image's area, as torchvision and timm draw them.

use warmstart_schema::seed::SplitMix64;

/// How many rectangles are drawn before none is found to fit, as in torchvision and timm.
const TRIES: u32 = 10;

/// A rectangle of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub top: i64,
    pub left: i64,
    pub height: i64,
    pub width: i64,
}

/// The shares of area and the shapes that a rectangle may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub min_area: f64,
    pub max_area: f64,
    /// The largest ratio of one side to the other.
    pub max_aspect: f64,
}

impl Range {
    /// A rectangle within an image of `height` by `width`; `None` where none was found that `fits`, by height and width.
    pub(super) fn draw(
        self,
        (height, width): (i64, i64),
        random: &mut SplitMix64,
        fits: impl Fn(i64, i64) -> bool,
    ) -> Option<Frame> {
        let mut between = |low: f64, high: f64| low + (high - low) * random.uniform();
        let mut found = None;
        for _ in 0..TRIES {
            let area = (height * width) as f64 * between(self.min_area, self.max_area);
            let aspect = between(-self.max_aspect.ln(), self.max_aspect.ln()).exp();
            let (wide, high) = (
                rounded((area * aspect).sqrt()),
                rounded((area / aspect).sqrt()),
            );
            if wide > 0 && high > 0 && fits(high, wide) {
                found = Some((high, wide));
                break;
            }
        }
        let (high, wide) = found?;
        Some(Frame {
            top: place(random, height - high),
            left: place(random, width - wide),
            height: high,
            width: wide,
        })
    }
}

/// A random number from 0 to `most`, both included.
pub(super) fn place(random: &mut SplitMix64, most: i64) -> i64 {
    let bound = u64::try_from(most + 1).unwrap_or(1);
    i64::try_from(random.below(bound)).unwrap_or(0)
}

/// To the nearest whole number, halves to the even one, as Python rounds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a side is no longer than a few times that of an image"
)]
pub(super) fn rounded(side: f64) -> i64 {
    side.round_ties_even() as i64
}
