//! The points of a line, in order of x, indexed so that a chart reduces 100,000 of them to its columns in microseconds.

use std::ops::Range;
use std::sync::Arc;

use super::axis::Axis;
use super::smooth::smooth;

/// Points that share one pair of extremes.
const BLOCK: usize = 16;

/// Points in order of x. A y that is not finite is a gap.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    xs: Arc<[f64]>,
    ys: Vec<f64>,
    /// The y range of the points that each mean covers; empty if no point is a mean.
    y_ranges: Vec<Extremes>,
    /// How many points each mean covers; empty if no point is a mean.
    counts: Arc<[u32]>,
    /// The least and the greatest finite y of every `BLOCK` points.
    blocks: Vec<Extremes>,
}

/// A point that may be the mean of several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    pub x: f64,
    pub y: f64,
    /// The least and the greatest y that the mean covers.
    pub y_range: Extremes,
    pub count: u32,
}

impl Mean {
    /// A point, or a mean of `count` points whose range is unknown.
    pub fn of(x: f64, y: f64, count: u32) -> Self {
        Self {
            x,
            y,
            y_range: (y, y),
            count,
        }
    }
}

/// The points in one column of a chart, by their finite y.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// The column's number, from 0 at the left.
    pub index: usize,
    /// The y of its first point.
    pub first: f64,
    /// The least y.
    pub low: f64,
    /// The greatest y.
    pub high: f64,
    /// The y of its last point.
    pub last: f64,
    /// Whether a gap lies between the column before and its first point.
    pub after_gap: bool,
}

/// The least and the greatest value; `(∞, -∞)` if there is none.
pub type Extremes = (f64, f64);
const NONE: Extremes = (f64::INFINITY, f64::NEG_INFINITY);

fn widen((low, high): Extremes, y: f64) -> Extremes {
    if y.is_finite() {
        (low.min(y), high.max(y))
    } else {
        (low, high)
    }
}

impl Curve {
    /// Points in any order; leaves out those whose x is not finite.
    pub fn new(points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self::of_means(points.into_iter().map(|(x, y)| Mean::of(x, y, 1)))
    }

    /// As [`Curve::new`], from means.
    pub fn of_means(points: impl IntoIterator<Item = Mean>) -> Self {
        let mut points: Vec<Mean> = points
            .into_iter()
            .filter(|point| point.x.is_finite())
            .collect();
        if !points.is_sorted_by(|a, b| a.x <= b.x) {
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
        }
        let (xs, ys) = points
            .iter()
            .map(|point| (point.x, point.y))
            .unzip::<_, _, Vec<f64>, Vec<f64>>();
        let are_means = points.iter().any(|point| point.count > 1);
        let (y_ranges, counts) = if are_means {
            points
                .iter()
                .map(|point| (point.y_range, point.count))
                .unzip()
        } else {
            (Vec::new(), Vec::new())
        };
        Self::from_parts(xs.into(), ys, y_ranges, counts.into())
    }

    fn from_parts(
        xs: Arc<[f64]>,
        ys: Vec<f64>,
        y_ranges: Vec<Extremes>,
        counts: Arc<[u32]>,
    ) -> Self {
        let mut curve = Self {
            xs,
            ys,
            y_ranges,
            counts,
            blocks: Vec::new(),
        };
        let starts = (0..curve.len()).step_by(BLOCK);
        curve.blocks = starts
            .map(|from| curve.widen_by(from, (from + BLOCK).min(curve.len()), NONE))
            .collect();
        curve
    }

    /// The same points smoothed by a debiased exponential moving average of this weight.
    #[must_use]
    pub fn smoothed(&self, weight: f64) -> Self {
        let counts = self.counts.iter().copied().chain(std::iter::repeat(1));
        let ys = smooth(self.ys.iter().copied().zip(counts), weight);
        Self::from_parts(
            Arc::clone(&self.xs),
            ys,
            Vec::new(),
            Arc::clone(&self.counts),
        )
    }

    /// The y range that each mean on this axis covers, with its x. Leaves out points that are not means.
    pub fn y_ranges(&self, axis: Axis) -> impl Iterator<Item = (f64, Extremes)> {
        let stretch = self.stretch(axis.low, axis.high);
        let xs = self.xs[stretch.clone()].iter().copied();
        xs.zip(self.y_ranges.iter().skip(stretch.start).copied())
            .filter(|(_, (low, high))| low < high)
    }

    fn len(&self) -> usize {
        self.xs.len()
    }

    /// All points as x and y, in order of x.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> + ExactSizeIterator {
        self.xs.iter().copied().zip(self.ys.iter().copied())
    }

    /// The first and the last x.
    pub fn x_range(&self) -> Option<(f64, f64)> {
        Some((*self.xs.first()?, *self.xs.last()?))
    }

    /// The point nearest to an x that lies in the curve's x range, or beyond it by half of the mean distance between points.
    pub fn nearest(&self, x: f64) -> Option<(f64, f64)> {
        let (first, last) = self.x_range()?;
        let slack = (last - first) / (self.len().max(2) - 1) as f64 / 2.0;
        if !(x >= first - slack && x <= last + slack) {
            return None;
        }
        let after = self
            .xs
            .partition_point(|other| *other < x)
            .min(self.len() - 1);
        let before = after.saturating_sub(1);
        let nearest = if (x - self.xs[before]).abs() <= (self.xs[after] - x).abs() {
            before
        } else {
            after
        };
        Some((self.xs[nearest], self.ys[nearest]))
    }

    /// The least and the greatest finite y of the points from x `low` to `high`; if there is none, of the nearest on either side.
    pub fn y_range_on(&self, low: f64, high: f64) -> Option<(f64, f64)> {
        let Range {
            start: mut from,
            end: mut to,
        } = self.stretch(low, high);
        if from >= to {
            (from, to) = (from.saturating_sub(1), (to + 1).min(self.len()));
        }
        let extremes = self.extremes(from, to);
        (extremes.0 <= extremes.1).then_some(extremes)
    }

    /// The indices of the points from x `low` to `high`, ends included.
    pub fn stretch(&self, low: f64, high: f64) -> Range<usize> {
        let from = self.xs.partition_point(|x| *x < low);
        from..from + self.xs[from..].partition_point(|x| *x <= high)
    }

    /// The points on an axis and the nearest on either side of it, so that lines cross its ends.
    pub fn around(&self, axis: Axis) -> impl ExactSizeIterator<Item = (f64, f64)> {
        let stretch = self.stretch(axis.low, axis.high);
        let around = stretch.start.saturating_sub(1)..(stretch.end + 1).min(self.len());
        let xs = self.xs[around.clone()].iter().copied();
        xs.zip(self.ys[around].iter().copied())
    }

    /// How many points lie on an axis.
    pub fn count(&self, axis: Axis) -> usize {
        self.stretch(axis.low, axis.high).len()
    }

    /// Divides the axis into so many columns, and returns those with a finite y.
    pub fn columns(&self, axis: Axis, columns: usize) -> impl Iterator<Item = Column> {
        let Range {
            start: mut from,
            end,
        } = self.stretch(axis.low, axis.high);
        let (mut width, mut last) = (0, None);
        (0..columns).filter_map(move |index| {
            let border = axis.at((index + 1) as f64 / columns as f64);
            let to = if index + 1 == columns {
                end
            } else {
                self.next_after(from, end, from + width, border)
            };
            let start = std::mem::replace(&mut from, to);
            width = to - start;
            self.column(index, start, to, &mut last)
        })
    }

    /// The first index from `from` whose x is at or beyond the border. Looks around a guess in growing steps: a column has about
    /// as many points as the one before, and each look costs a read from memory.
    fn next_after(&self, from: usize, end: usize, guess: usize, border: f64) -> usize {
        let guess = guess.clamp(from, end);
        let (mut low, mut high, mut step) = (guess, guess, 4);
        while high < end && self.xs[high] < border {
            low = high + 1;
            high = (high + step).min(end);
            step *= 2;
        }
        while low > from && self.xs[low - 1] >= border {
            high = low - 1;
            low = low.saturating_sub(step).max(from);
            step *= 2;
        }
        low + self.xs[low..high].partition_point(|x| *x < border)
    }

    /// The column of a range of points. `before` is the last point of the column before, and becomes that of this one.
    fn column(
        &self,
        index: usize,
        from: usize,
        to: usize,
        before: &mut Option<usize>,
    ) -> Option<Column> {
        let inside = &self.ys[from..to];
        let first = from + inside.iter().position(|y| y.is_finite())?;
        let last = from + inside.iter().rposition(|y| y.is_finite())?;
        let (low, high) = self.extremes(from, to);
        Some(Column {
            index,
            first: self.ys[first],
            low,
            high,
            last: self.ys[last],
            after_gap: before
                .replace(last)
                .is_some_and(|before| before + 1 < first),
        })
    }

    /// The extremes of a range of points: from whole blocks, and point by point at either end.
    fn extremes(&self, from: usize, to: usize) -> Extremes {
        let (first, last) = (from.div_ceil(BLOCK), to / BLOCK);
        if first >= last {
            return self.widen_by(from, to, NONE);
        }
        let ends = self.widen_by(last * BLOCK, to, self.widen_by(from, first * BLOCK, NONE));
        self.blocks[first..last]
            .iter()
            .fold(ends, |(low, high), block| {
                (low.min(block.0), high.max(block.1))
            })
    }

    /// Widens `extremes` by each of a range of points.
    fn widen_by(&self, from: usize, to: usize, extremes: Extremes) -> Extremes {
        if self.y_ranges.is_empty() {
            self.ys[from..to]
                .iter()
                .fold(extremes, |extremes, y| widen(extremes, *y))
        } else {
            self.y_ranges[from..to]
                .iter()
                .fold(extremes, |extremes, (low, high)| {
                    widen(widen(extremes, *low), *high)
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use warmstart_schema::seed::SplitMix64;

    use super::*;

    fn noise(points: usize, seed: u64) -> Vec<(f64, f64)> {
        let mut random = SplitMix64::new(seed);
        let mut x = 0.0;
        (0..points)
            .map(|_| {
                x += random.below(4) as f64;
                let y = random.below(1_000_000) as f64 / 1e6;
                (x, if random.below(9) == 0 { f64::NAN } else { y })
            })
            .collect()
    }

    /// The same as `columns`, computed point by point.
    fn columns_point_by_point(points: &[(f64, f64)], axis: Axis, columns: usize) -> Vec<Column> {
        let column_of = |x: f64| {
            (0..columns)
                .find(|at| x < axis.at((at + 1) as f64 / columns as f64) || at + 1 == columns)
        };
        let mut found: Vec<Column> = Vec::new();
        let mut in_gap = false;
        for &(x, y) in points
            .iter()
            .filter(|(x, _)| *x >= axis.low && *x <= axis.high)
        {
            let after_gap = std::mem::replace(&mut in_gap, !y.is_finite()) && !found.is_empty();
            if in_gap {
                continue;
            }
            let index = column_of(x).unwrap();
            match found.last_mut().filter(|column| column.index == index) {
                Some(column) => {
                    (column.low, column.high, column.last) =
                        (column.low.min(y), column.high.max(y), y);
                }
                None => found.push(Column {
                    index,
                    first: y,
                    low: y,
                    high: y,
                    last: y,
                    after_gap,
                }),
            }
        }
        found
    }

    #[test]
    fn columns_keep_every_extreme_on_any_stretch_of_any_axis() {
        for (points, columns) in [(0, 10), (1, 10), (500, 7), (5_000, 40), (20_000, 400)] {
            let points = noise(points, 7);
            let curve = Curve::new(points.clone());
            let end = points.last().map_or(10.0, |point| point.0);
            for (low, high) in [
                (0.0, end),
                (end * 0.31, end * 0.33),
                (end * 0.4, end * 2.0),
                (-50.0, -1.0),
            ] {
                let linear = Axis::linear(low, high);
                let log = Axis::linear(low.max(1.0), high.max(2.0)).logarithmic();
                for axis in [linear, log] {
                    let fast: Vec<Column> = curve.columns(axis, columns).collect();
                    assert_eq!(
                        fast,
                        columns_point_by_point(&points, axis, columns),
                        "{axis:?} {columns}"
                    );
                }
                let stretch = curve.stretch(low, high);
                let of_points = columns_point_by_point(&points, linear, 1)
                    .first()
                    .map(|column| (column.low, column.high));
                if !stretch.is_empty() {
                    assert_eq!(curve.y_range_on(low, high), of_points);
                }
            }
        }
    }

    #[test]
    fn one_spike_among_a_hundred_thousand_points_is_kept() {
        let curve = Curve::new(
            (0..100_000_u32).map(|n| (f64::from(n), if n == 77_777 { 9.0 } else { 0.5 })),
        );
        let columns: Vec<Column> = curve.columns(Axis::linear(0.0, 99_999.0), 160).collect();
        let spikes: Vec<usize> = columns
            .iter()
            .filter(|column| column.high > 8.0)
            .map(|column| column.index)
            .collect();
        assert_eq!(spikes, [77_777 * 160 / 99_999]);
        assert!(columns.iter().all(|column| column.low <= 0.5));
    }

    #[test]
    fn merged_points_keep_their_extremes_and_their_weight_in_smoothing() {
        let all = (0..64_000_u32).map(|n| {
            (
                f64::from(n),
                if n == 40_003 {
                    9.0
                } else {
                    f64::from(n % 10) / 10.0
                },
            )
        });
        let all: Vec<(f64, f64)> = all.collect();
        let means = all.chunks(8).map(|part| {
            let y = part.iter().map(|point| point.1).sum::<f64>() / 8.0;
            let y_range = part.iter().fold(NONE, |range, point| widen(range, point.1));
            Mean {
                x: part[7].0,
                y,
                y_range,
                count: 8,
            }
        });
        let (thin, full) = (Curve::of_means(means), Curve::new(all.iter().copied()));
        let axis = Axis::linear(0.0, 63_999.0);
        assert_eq!(
            thin.y_range_on(0.0, 63_999.0),
            full.y_range_on(0.0, 63_999.0)
        );
        let spikes = |curve: &Curve| -> Vec<usize> {
            curve
                .columns(axis, 160)
                .filter(|column| column.high > 8.0)
                .map(|column| column.index)
                .collect()
        };
        assert_eq!(spikes(&thin), spikes(&full));
        assert_eq!(
            thin.y_ranges(Axis::linear(40_000.0, 40_010.0))
                .map(|(x, (_, high))| (x, high))
                .next(),
            Some((40_007.0, 9.0))
        );
        assert_eq!(full.y_ranges(axis).count(), 0);
        // The smoothed curve of the means nearly equals the one of all points.
        let (thin, full) = (thin.smoothed(0.97), full.smoothed(0.97));
        let apart = thin
            .points()
            .map(|(x, y)| (y - full.nearest(x).unwrap().1).abs())
            .fold(0.0, f64::max);
        assert!(apart < 0.05, "{apart}");
        assert!(
            thin.y_range_on(0.0, 63_999.0).unwrap().1 < 2.0,
            "a smoothed curve reaches no further than it goes"
        );
    }

    #[test]
    fn the_nearest_point_is_found_only_within_the_curve() {
        let curve = Curve::new([(1.0, 0.1), (2.0, 0.2), (4.0, f64::NAN)]);
        assert_eq!(curve.nearest(1.4), Some((1.0, 0.1)));
        assert_eq!(curve.nearest(1.6), Some((2.0, 0.2)));
        assert_eq!(curve.nearest(0.3), Some((1.0, 0.1)));
        assert!(curve.nearest(3.5).unwrap().1.is_nan());
        assert_eq!(
            (
                curve.nearest(9.0),
                curve.nearest(-1.0),
                curve.nearest(f64::NAN)
            ),
            (None, None, None)
        );
        assert_eq!(Curve::new([(3.0, 1.0)]).nearest(3.0), Some((3.0, 1.0)));
        assert!(Curve::default().nearest(0.0).is_none());
    }

    #[test]
    fn points_out_of_order_are_sorted() {
        let curve = Curve::new([(3.0, 0.3), (f64::NAN, 9.0), (1.0, 0.1)]);
        assert_eq!(curve.points().collect::<Vec<_>>(), [(1.0, 0.1), (3.0, 0.3)]);
        assert_eq!(curve.y_range_on(1.5, 2.5), Some((0.1, 0.3)));
    }
}
