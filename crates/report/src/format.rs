//! Formats numbers, times and problems: one precision per kind of figure, `–` for missing values.

use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use warmstart_schema::experiment::Problem;
use warmstart_schema::text;

/// Shown for a figure that does not exist yet.
pub const NOT_YET: &str = "–";

/// A figure with a fixed number of decimals; "NaN" and "inf" are shown as such.
pub fn figure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| NOT_YET.to_owned(), |value| format!("{value:.decimals$}"))
}

/// An accuracy or a loss.
pub fn metric(value: Option<f64>) -> String {
    value.map_or_else(|| NOT_YET.to_owned(), |value| bounded(value, 4))
}

/// The norm of a gradient.
pub fn norm(value: f64) -> String {
    bounded(value, 3)
}

/// A figure that may become very large: a power of ten from 100,000 on, so that it keeps its width.
fn bounded(value: f64, decimals: usize) -> String {
    if value.is_finite() && value.abs() >= 1e5 {
        format!("{value:.3e}")
    } else {
        figure(Some(value), decimals)
    }
}

/// A count with thousands separators.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Seconds as `31s`, `7m 19s` or `2h 05m`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return NOT_YET.to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "finite and not negative, and it saturates"
    )]
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) if seconds < 9.95 => format!("{seconds:.1}s"),
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
        (hours, minutes, _) if hours < 100 => format!("{hours}h {minutes:02}m"),
        (hours, ..) => format!("{}d {:02}h", hours / 24, hours % 24),
    }
}

/// A coarse time since, so that the screen does not change every second.
pub fn ago(seconds: f64) -> String {
    if seconds < 10.0 {
        "just now".to_owned()
    } else if seconds < 60.0 {
        format!("{:.0}0 s ago", (seconds / 10.0).floor())
    } else if seconds < 3600.0 {
        format!("{:.0} min ago", (seconds / 60.0).floor())
    } else {
        format!("{:.0} h ago", (seconds / 3600.0).floor())
    }
}

/// The time of day as `10:01:07`, from seconds since the Unix epoch; empty where no calendar has that time.
pub fn time_of_day(seconds: f64, zone: &TimeZone) -> String {
    let time = SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|since| Timestamp::from_duration(since).ok());
    time.map_or_else(String::new, |time| {
        let local = time.to_zoned(zone.clone());
        local.strftime("%H:%M:%S").to_string()
    })
}

/// Bytes in decimal units. A value that would round to 1000 of a unit takes the next unit.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..999_500 => format!("{:.0} kB", bytes as f64 / 1e3),
        999_500..999_500_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A learning rate: short, and never rounded to 0.
pub fn rate(value: f64) -> String {
    format!("{value:.2e}")
}

/// A path, sanitized: a file name may contain anything.
pub fn path(path: &Path) -> String {
    text::line(&path.display().to_string(), 300)
}

/// The lines of a file's problems, each with its excerpt and its help.
pub fn problem_lines(problems: &[Problem]) -> Vec<String> {
    let texts = problems.iter().map(ToString::to_string);
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// A file's problem on one line.
pub fn problem(problem: &Problem) -> String {
    let lines = [
        Some(
            Problem {
                excerpt: None,
                help: None,
                ..problem.clone()
            }
            .to_string(),
        ),
        problem.help.clone(),
    ];
    lines.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// `1 run`, `2 runs`.
pub fn plural(count: usize, one: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {one}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_durations_are_coarser() {
        let texts = [3.21, 31.4, 439.0, 7500.0, 900_000.0, f64::NAN].map(duration);
        assert_eq!(texts, ["3.2s", "31s", "7m 19s", "2h 05m", "10d 10h", "–"]);
    }

    #[test]
    fn an_impossible_time_has_no_time_of_day() {
        let texts = [1_795_341_667.4, 1e300, -1e18, f64::NAN]
            .map(|seconds| time_of_day(seconds, &TimeZone::UTC));
        assert_eq!(texts, ["10:01:07", "", "", ""]);
    }

    #[test]
    fn bytes_never_round_to_a_thousand_of_a_unit() {
        assert_eq!(
            [999_499, 999_500, 999_499_999, 999_500_000, 1_234_000_000].map(bytes),
            ["999 kB", "1 MB", "999 MB", "1.0 GB", "1.2 GB"]
        );
    }

    #[test]
    fn counts_have_thousands_separators() {
        assert_eq!(
            [0, 999, 1000, 4_404_224].map(count),
            ["0", "999", "1,000", "4,404,224"]
        );
    }

    #[test]
    fn figures_keep_precision_and_missing_ones_are_marked() {
        assert_eq!(metric(Some(0.5)), "0.5000");
        assert_eq!(metric(Some(f64::NAN)), "NaN");
        assert_eq!(metric(None), "–");
        assert_eq!(
            [99_999.0, 43_557_888_241_985_780_288.0, -1e5].map(|value| metric(Some(value))),
            ["99999.0000", "4.356e19", "-1.000e5"]
        );
        assert_eq!(
            [2.7373, 17_457_053_488_381_952.0, f64::INFINITY].map(norm),
            ["2.737", "1.746e16", "inf"]
        );
    }
}
