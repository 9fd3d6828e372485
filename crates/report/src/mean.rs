//! The mean of several figures, with its spread.

/// Of a mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The sample's standard deviation (n − 1); none of a single figure.
    pub deviation: Option<f64>,
    /// How many figures there are.
    pub n: usize,
}

/// Mean of the figures, with the sample's standard deviation if there are two or more; none without figures.
pub fn mean(figures: &[f64]) -> Option<(f64, Spread)> {
    let n = figures.len();
    let mean = figures.iter().sum::<f64>() / n as f64;
    let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    let deviation = (n > 1).then(|| (squares / (n as f64 - 1.0)).sqrt());
    (n > 0).then_some((mean, Spread { deviation, n }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: Python 3.11, `statistics.mean` and `statistics.stdev`.
    #[test]
    fn means_and_deviations_are_those_of_an_independent_reference() {
        for (figures, expected, deviation) in [
            (
                &[0.7123, 0.7188, 0.7056, 0.7201, 0.7145][..],
                0.714_26,
                0.005_779_532_853_094_601,
            ),
            (&[1.3685, 1.301], 1.334_75, 0.047_729_707_730_092_04),
            (&[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0], 1_000_000_002.0, 1.0),
            (&[0.5, 0.5, 0.5], 0.5, 0.0),
        ] {
            let (mean, spread) = mean(figures).unwrap();
            assert!((mean - expected).abs() <= expected.abs() * 1e-14, "{mean}");
            let found = spread.deviation.unwrap();
            assert!((found - deviation).abs() <= deviation * 1e-12, "{found}");
            assert_eq!(spread.n, figures.len());
        }
        assert_eq!(
            mean(&[0.25]),
            Some((
                0.25,
                Spread {
                    deviation: None,
                    n: 1
                }
            ))
        );
        assert_eq!(mean(&[]), None);
        assert!(
            mean(&[0.1, f64::NAN]).unwrap().0.is_nan(),
            "a diverged run does not vanish in a mean"
        );
    }
}
