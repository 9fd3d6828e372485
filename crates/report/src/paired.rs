//! The paired t-test of two samples (Student 1908), two-sided.

/// The result of a paired t-test of the differences `b − a`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TTest {
    /// How many pairs.
    pub n: usize,
    /// Mean of the differences.
    pub mean: f64,
    /// Standard deviation of the differences (n − 1).
    pub deviation: f64,
    pub t: f64,
    /// Degrees of freedom: n − 1.
    pub df: usize,
    /// The probability of a |t| at least as large if the true mean difference is 0.
    pub p: f64,
}

/// Why there is no test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTest {
    /// Fewer than two pairs have no deviation.
    TooFew(usize),
    /// All differences are the same, so that t is not defined.
    Constant,
    /// A value is not a number.
    NotFinite,
}

/// Tests pairs of `(a, b)`.
pub fn t_test(pairs: &[(f64, f64)]) -> Result<TTest, NoTest> {
    let n = pairs.len();
    if n < 2 {
        return Err(NoTest::TooFew(n));
    }
    if pairs.iter().any(|(a, b)| !(b - a).is_finite()) {
        return Err(NoTest::NotFinite);
    }
    // Beside the first difference, so that a sum of many equal ones does not round.
    let first = pairs[0].1 - pairs[0].0;
    let beside: Vec<f64> = pairs.iter().map(|(a, b)| b - a - first).collect();
    let count = n as f64;
    let center = beside.iter().sum::<f64>() / count;
    let mean = first + center;
    let squares: f64 = beside.iter().map(|one| (one - center).powi(2)).sum();
    let deviation = (squares / (count - 1.0)).sqrt();
    // Equal differences of decimal fractions differ by rounding.
    let scale = pairs
        .iter()
        .fold(0.0, |most: f64, (a, b)| most.max(a.abs()).max(b.abs()));
    if deviation <= scale * 4.0 * f64::EPSILON {
        return Err(NoTest::Constant);
    }
    let t = mean / (deviation / count.sqrt());
    let df = n - 1;
    Ok(TTest {
        n,
        mean,
        deviation,
        t,
        df,
        p: two_sided(t, df as f64),
    })
}

/// P(|T| ≥ |t|) of Student's distribution: the incomplete beta function at `df / (df + t²)` (DLMF 8.17, Abramowitz and Stegun
/// 26.7.1).
fn two_sided(t: f64, df: f64) -> f64 {
    incomplete_beta(df / (df + t * t), df / 2.0, 0.5)
}

/// The regularized incomplete beta function for `x` in 0..=1 and positive `a`, `b`.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    // The fraction converges fast on this side of the mean, and the function is symmetric.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    }
}

/// The continued fraction of DLMF 8.17.22, from the front (Lentz 1976).
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    const TERMS: u32 = 1000;
    let nonzero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut numerator = 1.0;
    let mut denominator = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = denominator;
    for index in 1..=TERMS {
        let index = f64::from(index);
        let even = index * (b - index) * x / ((a + 2.0 * index - 1.0) * (a + 2.0 * index));
        let odd =
            -(a + index) * (a + b + index) * x / ((a + 2.0 * index) * (a + 2.0 * index + 1.0));
        let mut step = 1.0;
        for term in [even, odd] {
            denominator = 1.0 / nonzero(1.0 + term * denominator);
            numerator = nonzero(1.0 + term / numerator);
            step = numerator * denominator;
            value *= step;
        }
        if (step - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    value
}

/// ln Γ(x) for positive x, by the Stirling series (DLMF 5.11.1) after the recurrence has made x large.
fn ln_gamma(x: f64) -> f64 {
    const LARGE: f64 = 15.0;
    let (mut x, mut below) = (x, 0.0);
    while x < LARGE {
        below += x.ln();
        x += 1.0;
    }
    let terms = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
    ];
    let square = 1.0 / (x * x);
    let series = terms
        .iter()
        .rev()
        .fold(0.0, |sum, term| sum * square + term)
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - below
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Case {
        a: Vec<f64>,
        b: Vec<f64>,
        mean: f64,
        deviation: f64,
        t: f64,
        df: usize,
        p: f64,
    }

    /// Reference: `scipy.stats.ttest_rel`, by `tests/reference/paired.py`.
    #[test]
    fn paired_tests_are_those_of_scipy() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../tests/data/paired.json")).unwrap();
        assert!(cases.len() >= 40);
        let near = |found: f64, expected: f64| {
            assert!(
                (found - expected).abs() <= expected.abs() * 1e-9 + 1e-300,
                "{found} {expected}"
            );
        };
        for case in cases {
            let pairs: Vec<(f64, f64)> = case.a.iter().copied().zip(case.b).collect();
            let found = t_test(&pairs).unwrap();
            assert_eq!((found.n, found.df), (pairs.len(), case.df));
            near(found.mean, case.mean);
            near(found.deviation, case.deviation);
            near(found.t, case.t);
            near(found.p, case.p);
        }
    }

    #[test]
    fn samples_without_a_deviation_have_no_test() {
        assert_eq!(t_test(&[]), Err(NoTest::TooFew(0)));
        assert_eq!(t_test(&[(0.1, 0.2)]), Err(NoTest::TooFew(1)));
        let constant = [(0.1, 0.2), (0.2, 0.3), (0.7, 0.8)];
        assert_eq!(t_test(&constant), Err(NoTest::Constant));
        assert_eq!(t_test(&[(0.1, 0.1), (0.2, 0.2)]), Err(NoTest::Constant));
        let long: Vec<(f64, f64)> = (0..200)
            .map(|right| (f64::from(right) / 600.0, f64::from(right + 37) / 600.0))
            .collect();
        assert_eq!(t_test(&long), Err(NoTest::Constant));
        let diverged = [(0.1, f64::NAN), (0.2, 0.3)];
        assert_eq!(t_test(&diverged), Err(NoTest::NotFinite));
    }
}
