//! The debug log, in a file that the user names. Without one, nothing is logged.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use jiff::Timestamp;
use tracing::Level;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// Names the file, as `--log` does. The monitors of runs inherit it and log into the same file.
pub(crate) const VARIABLE: &str = "WARMSTART_LOG";

/// Appends to the file from now on. Several processes may share it: a line is one write.
pub(crate) fn start(path: &Path) -> io::Result<()> {
    let file: File = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_ansi(false)
        .with_timer(Clock)
        .with_writer(Mutex::new(file))
        .finish();
    // The subscriber can be set once; only this function does so.
    let _ = tracing::subscriber::set_global_default(subscriber);
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        ?arguments,
        folder = ?std::env::current_dir().ok(),
        "warmstart starts"
    );
    Ok(())
}

/// UTC, to the microsecond.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{:.6}", Timestamp::now())
    }
}
