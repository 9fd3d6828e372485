//! Round numbers on an axis.

/// The range of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    pub low: f64,
    pub high: f64,
}

impl Axis {
    /// A range that holds all finite values, its ends on round numbers; 0 to 1 when there are none.
    pub fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return Self { low: 0.0, high: 1.0 };
        }
        let span = if high > low { high - low } else { high.abs().max(1e-3) };
        let step = nice(span / 4.0);
        let (low, top) = ((low / step).floor() * step, (high / step).ceil() * step);
        Self { low, high: if top > low { top } else { low + step } }
    }

    /// Where a value lies, 0 at the low end and 1 at the high end.
    pub fn share(self, value: f64) -> f64 {
        let span = self.high - self.low;
        if span > 0.0 { (value - self.low) / span } else { 0.5 }
    }

    /// At most about `most` round values within the range, `least` or more apart, all with the same number of decimals.
    pub fn labels(self, most: usize, least: f64) -> Vec<(f64, String)> {
        let span = self.high - self.low;
        if !span.is_finite() || span <= 0.0 {
            return vec![(self.low, format!("{:.0}", self.low))];
        }
        let step = nice(span / most.max(1) as f64).max(least);
        let first = (self.low / step - 1e-9).ceil();
        // A step of 0.05 needs two decimals, one of 20 none.
        let decimals = (0..6).find(|&n| fits(step, n)).unwrap_or(6);
        (0..=most + 1)
            .map(|n| (first + n as f64) * step)
            .take_while(|value| *value <= self.high + step * 1e-6)
            .map(|value| (value, label(value, usize::try_from(decimals).unwrap_or(0))))
            .collect()
    }
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

fn fits(step: f64, decimals: i32) -> bool {
    let scaled = step * 10_f64.powi(decimals);
    (scaled - scaled.round()).abs() < 1e-6 && scaled.round() >= 1.0
}

/// Numbers with more digits than an axis has room for are written with an exponent.
fn label(value: f64, decimals: usize) -> String {
    // Adding 0 turns -0 into 0.
    if value.abs() >= 1e5 || decimals >= 6 { format!("{value:.0e}") } else { format!("{:.decimals$}", value + 0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: Axis, most: usize) -> Vec<String> {
        axis.labels(most, 0.0).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn steps_are_one_two_or_five() {
        let steps = [0.013, 0.2, 3.0, 70.0, 0.0, f64::NAN, f64::INFINITY].map(|span| format!("{:.2}", nice(span)));
        assert_eq!(steps, ["0.02", "0.20", "5.00", "100.00", "1.00", "1.00", "1.00"]);
    }

    #[test]
    fn labels_are_round_and_alike() {
        assert_eq!(texts(Axis { low: 0.0, high: 1.0 }, 4), ["0.0", "0.5", "1.0"]);
        assert_eq!(texts(Axis { low: 1.0, high: 30.0 }, 4), ["10", "20", "30"]);
        assert_eq!(texts(Axis { low: 0.0, high: 0.1 }, 5), ["0.00", "0.02", "0.04", "0.06", "0.08", "0.10"]);
    }

    #[test]
    fn epochs_are_whole() {
        let labels = Axis { low: 1.0, high: 3.0 }.labels(6, 1.0);
        assert_eq!(labels.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
    }

    #[test]
    fn a_range_holds_what_is_finite() {
        let axis = Axis::around([f64::NAN, 0.13, 0.47, f64::INFINITY]);
        assert!(axis.low <= 0.13 && axis.high >= 0.47 && axis.high < 1.0, "{axis:?}");
        assert_eq!(Axis::around([]), Axis { low: 0.0, high: 1.0 });
        let one = Axis::around([0.5]);
        assert!(one.low <= 0.5 && one.high > one.low);
    }

    #[test]
    fn extremes_do_not_run_away() {
        for value in [f64::MAX, f64::MIN_POSITIVE, -f64::MAX, 0.0] {
            let axis = Axis::around([value, 1.0]);
            assert!(axis.labels(6, 0.0).len() <= 8, "{value}");
        }
    }
}
