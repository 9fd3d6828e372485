//! How far computed numbers are from a reference.

use std::fmt;

/// The largest of many errors, each as a share of the error that is allowed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Agreement {
    numbers: usize,
    share: f64,
    worst: String,
}

impl Agreement {
    /// Compares a number with its reference; it may be off by `tolerance` times `scale`.
    pub fn absolute(
        &mut self,
        found: f64,
        expected: f64,
        (tolerance, scale): (f64, f64),
        what: impl FnOnce() -> String,
    ) {
        self.numbers += 1;
        let share = (found - expected).abs() / (tolerance * scale);
        // NaN agrees with nothing.
        let share = if share.is_nan() { f64::INFINITY } else { share };
        if share > self.share || self.worst.is_empty() {
            self.share = self.share.max(share);
            self.worst = format!("{}: {found:.6e}, expected {expected:.6e}", what());
        }
    }

    /// As [`Self::absolute`], with an error relative to the reference.
    pub fn relative(
        &mut self,
        found: f64,
        expected: f64,
        tolerance: f64,
        what: impl FnOnce() -> String,
    ) {
        self.absolute(found, expected, (tolerance, expected.abs().max(1e-6)), what);
    }

    /// Whether there was a comparison, and every error is below its limit.
    pub fn holds(&self) -> bool {
        self.numbers > 0 && self.share < 1.0
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            numbers,
            share,
            worst,
        } = self;
        if *numbers == 0 {
            f.write_str("nothing was compared")
        } else if self.holds() {
            write!(
                f,
                "{numbers} numbers, {share:.2} of the error that is allowed"
            )
        } else {
            write!(
                f,
                "{share:.1} times the error that is allowed, of {numbers} numbers; {worst}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(pairs: &[(f64, f64)]) -> Agreement {
        let mut agreement = Agreement::default();
        for (place, &(found, expected)) in pairs.iter().enumerate() {
            agreement.relative(found, expected, 0.01, || format!("number {place}"));
        }
        agreement
    }

    #[test]
    fn the_largest_difference_decides_and_is_reported() {
        assert!(compared(&[(1.0, 1.0), (2.01, 2.0)]).holds());
        let failed = compared(&[(1.0, 1.0), (2.2, 2.0), (1.02, 1.0)]);
        assert!(!failed.holds());
        assert!(failed.to_string().contains("number 1"), "{failed}");
    }

    #[test]
    fn an_empty_comparison_and_nan_are_failures() {
        let empty = compared(&[]);
        assert!(!empty.holds());
        assert_eq!(empty.to_string(), "nothing was compared");
        for pairs in [[(f64::NAN, 1.0), (1.0, 1.0)], [(1.0, 1.0), (1.0, f64::NAN)]] {
            assert!(!compared(&pairs).holds());
        }
    }
}
