//! Smoothing as an exponential moving average without the pull of its first value.

/// The debiased exponential moving average of `values`: `yₙ = Σ wⁱ xₙ₋ᵢ / Σ wⁱ`, what pandas calls
/// `ewm(alpha=1 - w, adjust=True).mean()`. A value that is not finite stays where it is and ages what was before it.
pub fn smooth(values: impl IntoIterator<Item = f64>, weight: f64) -> Vec<f64> {
    let weight = weight.clamp(0.0, 1.0);
    let (mut sum, mut weights) = (0.0, 0.0);
    let mut next = |value: f64| {
        (sum, weights) = (sum * weight, weights * weight);
        if !value.is_finite() {
            return value;
        }
        (sum, weights) = (sum + value, weights + 1.0);
        sum / weights
    };
    values.into_iter().map(&mut next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x, w, y` from pandas: its head says how.
    const REFERENCE: &str = include_str!("../../../tests/data/smoothing.csv");

    #[test]
    fn it_is_what_pandas_computes() {
        let rows: Vec<Vec<&str>> = REFERENCE
            .lines()
            .filter(|line| !line.starts_with('#'))
            .skip(1)
            .map(|line| line.split(',').collect())
            .collect();
        let column = |at: usize| -> Vec<f64> { rows.iter().map(|row| row[at].parse().unwrap_or(f64::NAN)).collect() };
        let values = column(0);
        for (at, weight) in [(1, 0.0), (2, 0.6), (3, 0.9), (4, 0.99)] {
            for ((smoothed, expected), value) in smooth(values.clone(), weight).iter().zip(column(at)).zip(&values) {
                // Where there is no figure pandas carries the last average on; here the gap stays a gap.
                let agrees = if value.is_nan() { smoothed.is_nan() } else { (smoothed - expected).abs() < 1e-12 };
                assert!(agrees, "{smoothed} for {value} at {weight}: {expected}");
            }
        }
        assert!(rows.len() >= 30);
    }

    #[test]
    fn the_first_value_does_not_pull() {
        assert!(smooth([5.0, 5.0, 5.0], 0.99).iter().all(|y| (y - 5.0).abs() < 1e-12));
        assert!((smooth([0.0, 1.0], 0.5)[1] - 2.0 / 3.0).abs() < 1e-12);
    }
}
