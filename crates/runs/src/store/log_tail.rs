//! The last lines of a worker's output, which explain an end that it could not log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::launcher;
use crate::run::{RunDir, RunId};
use warmstart_schema::text;

/// Bytes read from the end.
const TAIL: u64 = 64 << 10;

/// Up to `lines` last lines of a run's `worker.log`, sanitized; none if there is no log or it cannot be read.
pub fn worker_log_tail(root: &Path, id: &RunId, lines: usize) -> Vec<String> {
    log_tail(&RunDir::of(root, id), lines)
}

/// Up to `lines` last lines of the `worker.log` of a run in any folder, as [`worker_log_tail`] returns them.
pub(crate) fn log_tail(run: &RunDir, lines: usize) -> Vec<String> {
    let tail = tail_bytes(&launcher::default().log(run)).unwrap_or_default();
    let shown: Vec<String> = String::from_utf8_lossy(&tail)
        .lines()
        .map(|line| text::line(line, 400))
        .filter(|line| !line.is_empty())
        .collect();
    shown[shown.len().saturating_sub(lines)..].to_vec()
}

/// The end of a file: whole lines, or the end of its last line if that is longer than [`TAIL`].
fn tail_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let skipped = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    if skipped > 0 {
        // The first line is incomplete. It stays if it is all there is.
        let first = bytes.iter().position(|&byte| byte == b'\n');
        if let Some(end) = first.filter(|&end| !bytes[end..].trim_ascii().is_empty()) {
            bytes.drain(..=end);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_a_long_log_is_sanitized() {
        let root = tempfile::tempdir().unwrap();
        let id: RunId = "r".parse().unwrap();
        std::fs::create_dir(root.path().join("r")).unwrap();
        let log = format!("{}\nkilled \u{1b}[31mhere\n\nlast", "x\n".repeat(100_000));
        std::fs::write(root.path().join("r/worker.log"), log).unwrap();
        assert_eq!(
            worker_log_tail(root.path(), &id, 2),
            ["killed [31mhere", "last"]
        );
        assert!(worker_log_tail(root.path(), &"none".parse().unwrap(), 2).is_empty());
    }

    #[test]
    fn of_a_last_line_longer_than_the_tail_its_end_is_shown() {
        let root = tempfile::tempdir().unwrap();
        let id: RunId = "r".parse().unwrap();
        std::fs::create_dir(root.path().join("r")).unwrap();
        for end in ["", "\n", "\n\n"] {
            let log = format!("first\n{}{end}", "x".repeat(100_000));
            std::fs::write(root.path().join("r/worker.log"), log).unwrap();
            let lines = worker_log_tail(root.path(), &id, 2);
            assert_eq!(lines, [format!("{}…", "x".repeat(400))], "{end:?}");
        }
    }
}
