//! How the numbers on an axis are written: as short as a step to the next one allows.

fn fits(step: f64, decimals: i32) -> bool {
    let scaled = step * 10_f64.powi(decimals);
    (scaled - scaled.round()).abs() < 1e-6 && scaled.round() >= 1.0
}

/// How many decimals a step needs: 0.05 needs two, 20 none; at most six.
fn decimals(step: f64) -> usize {
    (0..6)
        .find(|&n| fits(step, n))
        .map_or(6, |n| usize::try_from(n).unwrap_or(0))
}

/// A number; one with too many digits for an axis gets an exponent.
pub(super) fn number(value: f64, step: f64) -> String {
    let decimals = decimals(step);
    if value == 0.0 && decimals >= 5 {
        return "0".to_owned();
    }
    if value.abs() < 1e5 && decimals < 5 {
        // Adding 0 turns -0 into 0.
        return format!("{:.decimals$}", value + 0.0);
    }
    let power = |number: f64| (number.abs().log10() + 1e-9).floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the digits between two powers of ten, and it saturates"
    )]
    let digits = (power(value) - power(step)).clamp(0.0, 17.0) as usize;
    format!("{value:.digits$e}")
}

/// A count with thousands and millions abbreviated: `20k`.
pub(super) fn whole(value: f64, step: f64) -> String {
    match value.abs() {
        // Between two whole numbers, the fraction must be seen.
        _ if step < 1.0 => number(value, step),
        size if size >= 1e9 => number(value, step),
        size if size >= 1e6 => format!("{}M", value / 1e6),
        size if size >= 1e4 => format!("{}k", value / 1e3),
        _ => number(value, step),
    }
}

/// Bytes in decimal units: `500 MB`, `1.0 GB`; more decimals where a step needs them.
pub(super) fn size(value: f64, step: f64) -> String {
    if value < 1.0 {
        return "0".to_owned();
    }
    // The limits are those of `format::bytes`, which writes the same sizes in tables.
    let (unit, name, least) = match value {
        value if value >= 999_500_000.0 => (1e9, "GB", 1),
        value if value >= 999_500.0 => (1e6, "MB", 0),
        _ => (1e3, "kB", 0),
    };
    let decimals = decimals(step / unit).max(least);
    format!("{:.decimals$} {name}", value / unit)
}

/// Seconds as `30s`, `5m`, `1h30m`, `2d`, down to the unit of the step.
pub(super) fn clock(value: f64, step: f64) -> String {
    const PARTS: [(f64, f64, &str); 3] = [
        (86_400.0, f64::INFINITY, "d"),
        (3600.0, 24.0, "h"),
        (60.0, 60.0, "m"),
    ];
    let decimals = decimals(step);
    if value == 0.0 {
        return "0".to_owned();
    }
    if value < 60.0 {
        return format!("{value:.decimals$}s");
    }
    // A multiple of 0.2 may be a little less than a whole minute.
    let value = (value * 1e6).round() / 1e6;
    // The last part is that of the step.
    let last = PARTS.iter().position(|(unit, ..)| *unit <= step);
    let shown = &PARTS[..last.map_or(PARTS.len(), |last| last + 1)];
    let count = |(unit, most, _): &(f64, f64, _)| (value / unit).floor() % most;
    let parts = shown.iter().filter(|part| count(part) > 0.0);
    let mut texts: Vec<String> = parts
        .map(|part| format!("{:.0}{}", count(part), part.2))
        .collect();
    let seconds = value % 60.0;
    if last.is_none() && seconds > 0.0 {
        let decimals = if fits(seconds, 0) { 0 } else { decimals };
        texts.push(format!("{seconds:.decimals$}s"));
    }
    texts.concat()
}
