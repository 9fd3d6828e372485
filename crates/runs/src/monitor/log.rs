//! What the monitor writes to the worker's log.

use std::io::{self, Write};

use jiff::Timestamp;
use warmstart_schema::text;

/// Writes a line to standard error, which is the worker's log.
pub(super) fn say(text: &str) {
    let stamp = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    // There is no other place to report a failure.
    let _ = writeln!(io::stderr(), "{stamp} {}", text::line(text, 1000));
}
