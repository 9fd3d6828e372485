//! The last lines of a worker's output, which explain an end that it could not log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::launcher;
use crate::run::{RunDir, RunId};
use warmstart_schema::text;

/// Bytes read from the end.
const TAIL: u64 = 64 << 10;

/// Up to `lines` last lines of a run's `worker.log`, sanitized; none if there is no log.
pub fn worker_log_tail(root: &Path, id: &RunId, lines: usize) -> Vec<String> {
    log_tail(&RunDir::of(root, id), lines)
}

/// The same, of a run in any folder.
pub(crate) fn log_tail(run: &RunDir, lines: usize) -> Vec<String> {
    let tail = tail_bytes(&launcher::default().log(run)).unwrap_or_default();
    let shown: Vec<String> = String::from_utf8_lossy(&tail)
        .lines()
        .map(|line| text::line(line, 400))
        .filter(|line| !line.is_empty())
        .collect();
    shown[shown.len().saturating_sub(lines)..].to_vec()
}

fn tail_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let skipped = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    if skipped > 0 {
        // The first line is incomplete.
        let begin = bytes
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        bytes.drain(..begin);
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
}
