//! Smoothing by an exponential moving average without bias to its first value.

/// The debiased exponential moving average of `values`: `yₙ = Σ wⁱ xₙ₋ᵢ / Σ wⁱ`, what pandas calls
/// `ewm(alpha=1 - w, adjust=True).mean()`. A value that is not finite stays where it is and ages what was before it. A value
/// with a count acts as that many equal values, so that a curve of means is as smooth as one of all points.
pub(super) fn smooth(values: impl IntoIterator<Item = (f64, u32)>, weight: f64) -> Vec<f64> {
    let weight = weight.clamp(0.0, 1.0);
    let (mut sum, mut weights) = (0.0, 0.0);
    let mut next = |(value, count): (f64, u32)| {
        let left = weight.powi(i32::try_from(count).unwrap_or(i32::MAX));
        (sum, weights) = (sum * left, weights * left);
        if !value.is_finite() {
            return value;
        }
        // 1 + w + w² + …, as many as there are.
        let own = if count == 1 || weight >= 1.0 {
            f64::from(count)
        } else {
            (1.0 - left) / (1.0 - weight)
        };
        (sum, weights) = (sum + value * own, weights + own);
        sum / weights
    };
    values.into_iter().map(&mut next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x, w, y` from pandas; the head of the file says how.
    const REFERENCE: &str = include_str!("../../../../tests/data/smoothing.csv");

    fn each(values: &[f64], weight: f64) -> Vec<f64> {
        smooth(values.iter().map(|value| (*value, 1)), weight)
    }

    #[test]
    fn smoothing_equals_pandas() {
        let rows: Vec<Vec<&str>> = REFERENCE
            .lines()
            .filter(|line| !line.starts_with('#'))
            .skip(1)
            .map(|line| line.split(',').collect())
            .collect();
        let column = |at: usize| -> Vec<f64> {
            rows.iter()
                .map(|row| row[at].parse().unwrap_or(f64::NAN))
                .collect()
        };
        let values = column(0);
        for (at, weight) in [(1, 0.0), (2, 0.6), (3, 0.9), (4, 0.99)] {
            for ((smoothed, expected), value) in
                each(&values, weight).iter().zip(column(at)).zip(&values)
            {
                // In a gap, pandas repeats the last average; here the gap stays.
                let agrees = if value.is_nan() {
                    smoothed.is_nan()
                } else {
                    (smoothed - expected).abs() < 1e-12
                };
                assert!(agrees, "{smoothed} for {value} at {weight}: {expected}");
            }
        }
        assert!(rows.len() >= 30);
    }

    #[test]
    fn the_first_value_has_no_extra_weight() {
        assert!(
            each(&[5.0, 5.0, 5.0], 0.99)
                .iter()
                .all(|y| (y - 5.0).abs() < 1e-12)
        );
        assert!((each(&[0.0, 1.0], 0.5)[1] - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_value_with_a_count_equals_repeated_values() {
        for weight in [0.0, 0.6, 0.97, 1.0] {
            let all = each(&[3.0, 1.0, 1.0, 1.0, 1.0, f64::NAN, f64::NAN, 2.0], weight);
            let few = smooth([(3.0, 1), (1.0, 4), (f64::NAN, 2), (2.0, 1)], weight);
            for (few, all) in [(few[0], all[0]), (few[1], all[4]), (few[3], all[7])] {
                assert!((few - all).abs() < 1e-12, "{few} {all} at {weight}");
            }
        }
    }
}
