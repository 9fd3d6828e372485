//! Writes lines to stderr, which the launcher sends to `worker.log`.

use std::io::Write;

/// Writes a line with the time. A failure is ignored: there is nowhere to report it.
pub fn line(text: &str) {
    let _ = writeln!(
        std::io::stderr(),
        "{} {text}",
        jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ")
    );
}
