//! Ranges of axes, linear or logarithmic, and the round numbers on them.

mod text;

use self::text::{clock, number, size, whole};

/// The unit of an axis, which says which numbers are round and how to write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    #[default]
    Number,
    /// Whole numbers, for epochs and steps. Fractions appear only if the axis is shorter than one.
    Whole,
    Seconds,
    Bytes,
}

/// The range of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    pub low: f64,
    pub high: f64,
    /// Equal ratios take equal lengths; both ends are above 0.
    pub log: bool,
    pub unit: Unit,
}

/// Values that differ by less than this share of their size are equal up to the errors of rounding.
const ROUNDING: f64 = 1e-9;

/// Round numbers of seconds: minutes, hours, days.
const ROUND_SECONDS: [f64; 16] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    21_600.0, 43_200.0,
];

impl Axis {
    pub fn linear(low: f64, high: f64) -> Self {
        Self {
            low,
            high,
            log: false,
            unit: Unit::Number,
        }
    }

    /// The range of all finite values, with round ends; 0 to 1 without values.
    pub fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extremes(values.into_iter().filter(|value| value.is_finite()));
        if low > high {
            return Self::linear(0.0, 1.0);
        }
        let size = low.abs().max(high.abs());
        // Otherwise the errors of rounding would fill the chart, between ends that read the same.
        let span = if high - low > ROUNDING * size {
            high - low
        } else {
            size.max(1e-3)
        };
        let step = nice(span / 4.0);
        let (low, top) = ((low / step).floor() * step, (high / step).ceil() * step);
        Self::linear(low, if top > low { top } else { low + step })
    }

    /// The same for a logarithmic axis, from the values above 0; 0.1 to 1 without any.
    pub fn around_log(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extremes(
            values
                .into_iter()
                .filter(|value| value.is_finite() && *value > 0.0),
        );
        if low > high {
            return Self {
                log: true,
                ..Self::linear(0.1, 1.0)
            };
        }
        let below = mantissas(low)
            .filter(|round| *round <= low * 1.000_001)
            .fold(low, |_, round| round);
        let above =
            mantissas(high).find(|round| *round >= high * 0.999_999 && *round > below * 1.5);
        Self {
            log: true,
            ..Self::linear(below, above.unwrap_or(high.max(below * 2.0)))
        }
    }

    #[must_use]
    pub fn in_unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// The same range on a logarithmic axis, if both ends are above 0.
    #[must_use]
    pub fn logarithmic(self) -> Self {
        Self {
            log: self.low > 0.0 && self.high > self.low,
            ..self
        }
    }

    /// The position of a value: 0 at the low end, 1 at the high end; NaN if its logarithm does not exist.
    pub fn share(self, value: f64) -> f64 {
        let (low, high, value) = (
            self.scaled(self.low),
            self.scaled(self.high),
            self.scaled(value),
        );
        let span = high - low;
        if span > 0.0 {
            (value - low) / span
        } else {
            0.5
        }
    }

    /// The value at a position from 0 to 1.
    pub fn at(self, share: f64) -> f64 {
        let (low, high) = (self.scaled(self.low), self.scaled(self.high));
        let value = low + share * (high - low);
        if self.log { value.exp() } else { value }
    }

    fn scaled(self, value: f64) -> f64 {
        match self.log {
            false => value,
            true if value > 0.0 => value.ln(),
            true => f64::NAN,
        }
    }

    /// The axis `factor` times as long; the value at the position `about` keeps its place.
    #[must_use]
    pub fn zoomed(self, factor: f64, about: f64) -> Self {
        let share = self.share(about).clamp(0.0, 1.0);
        Self {
            low: self.at(share - share * factor),
            high: self.at(share + (1.0 - share) * factor),
            ..self
        }
    }

    /// The axis moved by a share of its length.
    #[must_use]
    pub fn panned(self, share: f64) -> Self {
        Self {
            low: self.at(share),
            high: self.at(1.0 + share),
            ..self
        }
    }

    /// The axis moved or shortened to fit within another.
    #[must_use]
    pub fn within(self, whole: Self) -> Self {
        let length = self.scaled(self.high) - self.scaled(self.low);
        let room = whole.scaled(whole.high) - whole.scaled(whole.low);
        if length.partial_cmp(&room) != Some(std::cmp::Ordering::Less) {
            return Self {
                low: whole.low,
                high: whole.high,
                ..self
            };
        }
        let moved = if self.low < whole.low {
            whole.share(whole.low) - whole.share(self.low)
        } else {
            (whole.share(whole.high) - whole.share(self.high)).min(0.0)
        };
        self.panned(moved * room / length)
    }

    /// At most about `most` round values within the range. No two have the same text.
    pub fn labels(self, most: usize) -> Vec<(f64, String)> {
        let span = self.high - self.low;
        if !span.is_finite() || span <= 0.0 {
            return vec![(self.low, format!("{:.0}", self.low))];
        }
        if self.log {
            let labels = self.log_labels(most);
            if labels.len() > 1 {
                return labels;
            }
        }
        let step = self.step(span / most.max(1) as f64);
        let first = (self.low / step - 1e-9).ceil();
        (0..=most + 1)
            .map(|n| (first + n as f64) * step)
            .take_while(|value| *value <= self.high + step * 1e-6)
            .map(|value| (value, self.text(value, step)))
            .collect()
    }

    fn step(self, least: f64) -> f64 {
        match self.unit {
            // An axis within one epoch may have no whole numbers, so show fractions.
            Unit::Whole if self.high - self.low >= 1.0 => nice(least).max(1.0),
            Unit::Number | Unit::Bytes | Unit::Whole => nice(least),
            Unit::Seconds if least <= 0.5 => nice(least),
            Unit::Seconds => {
                let days = || 86_400.0 * nice(least / 86_400.0).max(1.0);
                let round = ROUND_SECONDS.into_iter().find(|round| *round >= least);
                round.unwrap_or_else(days)
            }
        }
    }

    /// Powers of ten; if few fit, also 2 and 5 times them.
    fn log_labels(self, most: usize) -> Vec<(f64, String)> {
        let values: Vec<f64> = mantissas(self.low)
            .take_while(|value| *value <= self.high * 1.000_001)
            .filter(|value| *value >= self.low * 0.999_999)
            .collect();
        let is_power = |value: &f64| (value.log10() - value.log10().round()).abs() < 1e-9;
        let powers: Vec<f64> = values.iter().copied().filter(is_power).collect();
        let chosen = if values.len() <= most || powers.len() < 2 {
            values
        } else {
            powers
        };
        let every = chosen.len().div_ceil(most.max(1)).max(1);
        chosen
            .into_iter()
            .step_by(every)
            .map(|value| {
                let step = match self.unit {
                    // The two largest parts are enough: `2h46m`.
                    Unit::Seconds => (value / 100.0).max(value.min(1.0)),
                    _ => value,
                };
                (value, self.text(value, step))
            })
            .collect()
    }

    /// A value, exact enough to tell it from those a step away.
    fn text(self, value: f64, step: f64) -> String {
        match self.unit {
            Unit::Number => number(value, step),
            Unit::Whole => whole(value, step),
            Unit::Seconds => clock(value, step),
            Unit::Bytes => size(value, step),
        }
    }
}

fn extremes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    })
}

/// 1, 2 and 5 times the powers of ten, from the one below a value upwards.
fn mantissas(from: f64) -> impl Iterator<Item = f64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the exponent of a finite number above 0"
    )]
    let first = from.log10().floor() as i32;
    (first..first.saturating_add(40))
        .flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * 10_f64.powi(power)))
}

/// The next of 1, 2, 5 × 10ⁿ that is not smaller.
fn nice(span: f64) -> f64 {
    if !span.is_finite() || span <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(span.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= span * 0.999)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn texts(axis: Axis, most: usize) -> Vec<String> {
        axis.labels(most)
            .into_iter()
            .map(|(_, text)| text)
            .collect()
    }

    #[test]
    fn steps_are_one_two_or_five() {
        let steps = [0.013, 0.2, 3.0, 70.0, 0.0, f64::NAN, f64::INFINITY]
            .map(|span| format!("{:.2}", nice(span)));
        assert_eq!(
            steps,
            ["0.02", "0.20", "5.00", "100.00", "1.00", "1.00", "1.00"]
        );
    }

    #[rstest]
    #[case(Axis::linear(0.0, 1.0), 4, "0.0 0.5 1.0")]
    #[case(Axis::linear(1.0, 30.0), 4, "10 20 30")]
    #[case(Axis::linear(0.0, 0.1), 5, "0.00 0.02 0.04 0.06 0.08 0.10")]
    #[case(Axis::linear(1.0, 3.0).in_unit(Unit::Whole), 6, "1 2 3")]
    #[case(Axis::linear(0.0, 1.0).in_unit(Unit::Whole), 2, "0 1")]
    #[case(Axis::linear(1.0, 2.0).in_unit(Unit::Whole), 5, "1 2")]
    #[case(Axis::linear(0.2, 0.8).in_unit(Unit::Whole), 3, "0.2 0.4 0.6 0.8")]
    #[case(
        Axis::linear(12_345.0, 12_345.5).in_unit(Unit::Whole),
        5,
        "12345.0 12345.1 12345.2 12345.3 12345.4 12345.5"
    )]
    #[case(Axis::linear(0.0, 1.5e-4), 3, "0 5e-5 1.0e-4 1.5e-4")]
    #[case(
        Axis::linear(0.0, 300_000.0),
        6,
        "0 50000 1.0e5 1.5e5 2.0e5 2.5e5 3.0e5"
    )]
    #[case(Axis::linear(90_000.0, 92_700.0).in_unit(Unit::Seconds), 4, "1d1h 1d1h15m 1d1h30m 1d1h45m")]
    #[case(Axis::linear(100.0, 101.0).in_unit(Unit::Seconds), 5, "1m40s 1m40.2s 1m40.4s 1m40.6s 1m40.8s 1m41s")]
    #[case(Axis::linear(119.4, 120.2).in_unit(Unit::Seconds), 4, "1m59.4s 1m59.6s 1m59.8s 2m 2m0.2s")]
    #[case(Axis::linear(10.0, 20_000.0).in_unit(Unit::Seconds).logarithmic(), 4, "10s 1m40s 16m40s 2h46m")]
    #[case(Axis::linear(0.0, 100_000.0).in_unit(Unit::Whole), 5, "0 20k 40k 60k 80k 100k")]
    #[case(Axis::linear(0.0, 300.0).in_unit(Unit::Seconds), 5, "0 1m 2m 3m 4m 5m")]
    #[case(Axis::linear(0.0, 5400.0).in_unit(Unit::Seconds), 4, "0 30m 1h 1h30m")]
    #[case(Axis::linear(0.0, 1.0).in_unit(Unit::Seconds), 2, "0 0.5s 1.0s")]
    #[case(Axis::linear(0.0, 200_000.0).in_unit(Unit::Seconds), 3, "0 1d 2d")]
    #[case(Axis::linear(0.0, 8e9).in_unit(Unit::Bytes), 4, "0 2.0 GB 4.0 GB 6.0 GB 8.0 GB")]
    #[case(Axis::linear(1.1e9, 1.13e9).in_unit(Unit::Bytes), 4, "1.10 GB 1.11 GB 1.12 GB 1.13 GB")]
    #[case(Axis::linear(0.001, 10.0).logarithmic(), 5, "0.001 0.01 0.1 1 10")]
    #[case(Axis::linear(0.5, 5.0).logarithmic(), 5, "0.5 1 2 5")]
    #[case(Axis::linear(1e-5, 1e-3).logarithmic(), 3, "1e-5 0.0001 0.001")]
    #[case(Axis::linear(0.31, 0.34).logarithmic(), 3, "0.31 0.32 0.33 0.34")]
    fn labels_are_round_numbers_that_differ(
        #[case] axis: Axis,
        #[case] most: usize,
        #[case] expected: &str,
    ) {
        assert_eq!(
            texts(axis, most),
            expected
                .split("  ")
                .flat_map(|part| split(part, axis.unit))
                .collect::<Vec<_>>()
        );
    }

    /// Splits into words, but keeps a number with its unit of bytes.
    fn split(text: &str, unit: Unit) -> Vec<String> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        if unit != Unit::Bytes {
            return words;
        }
        let mut joined: Vec<String> = Vec::new();
        for word in words {
            match joined.last_mut().filter(|_| word == "GB") {
                Some(number) => *number = format!("{number} {word}"),
                None => joined.push(word),
            }
        }
        joined
    }

    #[test]
    fn a_range_contains_every_finite_value() {
        let axis = Axis::around([f64::NAN, 0.13, 0.47, f64::INFINITY]);
        assert!(
            axis.low <= 0.13 && axis.high >= 0.47 && axis.high < 1.0,
            "{axis:?}"
        );
        assert_eq!(Axis::around([]), Axis::linear(0.0, 1.0));
        let one = Axis::around([0.5]);
        assert!(one.low <= 0.5 && one.high > one.low);
    }

    #[test]
    fn errors_of_rounding_do_not_fill_an_axis() {
        for value in [0.1_f64, 0.8, -2.5] {
            let values = [value, value.next_up()];
            let axis = Axis::around(values);
            assert!(axis.low <= values[0] && values[1] <= axis.high, "{axis:?}");
            assert!(axis.share(values[1]) - axis.share(values[0]) < 1e-6);
            let mut texts = texts(axis, 6);
            let count = texts.len();
            texts.dedup();
            assert!(count > 1 && texts.len() == count, "{texts:?}");
        }
    }

    #[test]
    fn a_logarithmic_range_contains_every_value_above_zero() {
        let axis = Axis::around_log([0.0, -3.0, f64::NAN, 0.03, 4.2]);
        assert_eq!((axis.low, axis.high, axis.log), (0.02, 5.0, true));
        let one = Axis::around_log([0.2]);
        assert!(one.low <= 0.2 && one.high > one.low * 1.5, "{one:?}");
        assert!((Axis::around_log([0.0]).high - 1.0).abs() < 1e-12);
    }

    #[test]
    fn positions_and_values_convert_back() {
        for axis in [
            Axis::linear(-2.0, 6.0),
            Axis::linear(0.01, 100.0).logarithmic(),
        ] {
            for share in [0.0, 0.25, 0.9, 1.0] {
                assert!(
                    (axis.share(axis.at(share)) - share).abs() < 1e-12,
                    "{axis:?}"
                );
            }
        }
        assert!((Axis::linear(0.01, 100.0).logarithmic().share(1.0) - 0.5).abs() < 1e-12);
        assert!(Axis::linear(0.01, 100.0).logarithmic().share(0.0).is_nan());
    }

    #[test]
    fn a_zoom_keeps_its_centre_in_place() {
        let axis = Axis::linear(0.0, 100.0);
        let ends = |axis: Axis| format!("{:.6} {:.6}", axis.low, axis.high);
        let zoomed = axis.zoomed(0.5, 20.0);
        assert_eq!(ends(zoomed), ends(Axis::linear(10.0, 60.0)));
        assert!((zoomed.share(20.0) - axis.share(20.0)).abs() < 1e-12);
        assert_eq!(ends(zoomed.panned(0.5)), ends(Axis::linear(35.0, 85.0)));
        assert_eq!(
            ends(zoomed.panned(-2.0).within(axis)),
            ends(Axis::linear(0.0, 50.0))
        );
        assert_eq!(
            ends(zoomed.panned(9.0).within(axis)),
            ends(Axis::linear(50.0, 100.0))
        );
        assert_eq!(ends(axis.zoomed(3.0, 50.0).within(axis)), ends(axis));
        let log = Axis::linear(1.0, 100.0).logarithmic();
        assert_eq!(
            ends(log.zoomed(0.5, 10.0)),
            ends(Axis::linear(10_f64.sqrt(), 1000_f64.sqrt()))
        );
        assert_eq!(
            ends(log.zoomed(0.5, 10.0).panned(9.0).within(log)),
            ends(Axis::linear(10.0, 100.0))
        );
    }

    #[test]
    fn extreme_values_give_few_labels() {
        for value in [f64::MAX, f64::MIN_POSITIVE, -f64::MAX, 0.0, 5e-324] {
            for axis in [Axis::around([value, 1.0]), Axis::around_log([value, 1.0])] {
                assert!(axis.labels(6).len() <= 8, "{value}");
            }
        }
    }
}
