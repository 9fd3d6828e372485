//! A download that is killed many times. `WARMSTART_DOWNLOAD_KILLS` sets the number of kills (default 12; the soak test does 50).

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use warmstart_schema::seed::SplitMix64;

use crate::server::{Reply, Server};
use crate::worker::{backbone, left, online};

/// Bytes that one connection delivers before it stalls.
const PIECE: usize = 700_000;
/// Longer than a piece takes on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn start(server: &Server, folder: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warmstart-worker"));
    online(
        command.args(["prefetch", "efficientnet_b0"]),
        server,
        folder,
    );
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Size of the largest file in the cache.
fn largest_file(folder: &Path) -> u64 {
    left(folder)
        .iter()
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|meta| meta.len())
        .max()
        .unwrap_or(0)
}

#[test]
fn a_download_killed_many_times_resumes_and_has_the_right_hash() {
    let kills =
        std::env::var("WARMSTART_DOWNLOAD_KILLS").map_or(12, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let bytes = backbone();
    let digest = format!("{:x}", Sha256::digest(&bytes));
    let (size, piece) = (bytes.len(), PIECE.min(bytes.len() / (kills + 1)));
    let (linked, is_over) = (digest.clone(), Arc::new(AtomicBool::new(false)));
    let is_last = Arc::clone(&is_over);
    let server = Server::new(move |seen, _| {
        if seen.method == "HEAD" {
            return Reply::redirect(302, "/bytes")
                .with("x-repo-commit", &"ab".repeat(20))
                .with("x-linked-size", &bytes.len().to_string())
                .with("x-linked-etag", &format!("\"{linked}\""));
        }
        let reply = Reply::file(seen, &bytes, "\"bytes\"");
        if is_last.load(Ordering::Relaxed) {
            reply
        } else {
            reply.stalling_after(piece)
        }
    });
    let mut random = SplitMix64::new(23);
    for kill in 0..kills {
        let (before, began) = (largest_file(folder.path()), Instant::now());
        let mut child = start(&server, folder.path());
        // Most kills come when the next piece is there, every fourth at a random time.
        let early = (kill % 4 == 3).then(|| Duration::from_millis(random.below(900)));
        while largest_file(folder.path()) < before + piece as u64
            && early.is_none_or(|early| began.elapsed() < early)
        {
            assert!(
                child.try_wait().unwrap().is_none(),
                "it ended before it was killed {kill} times"
            );
            assert!(
                began.elapsed() < PATIENCE,
                "{before} bytes were here, and no piece came on top of them"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        let found = left(folder.path());
        // No file has a final name.
        assert!(
            found
                .iter()
                .all(|path| path.extension().is_some_and(|end| end == "incomplete")),
            "{found:?}"
        );
    }
    is_over.store(true, Ordering::Relaxed);
    assert!(start(&server, folder.path()).wait().unwrap().success());
    let whole = left(folder.path())
        .into_iter()
        .find(|path| path.ends_with(&digest))
        .unwrap();
    assert_eq!(
        format!("{:x}", Sha256::digest(std::fs::read(whole).unwrap())),
        digest
    );
    let asked: Vec<usize> = server
        .seen()
        .iter()
        .filter(|seen| seen.method == "GET")
        .map(|seen| seen.from().unwrap_or(0))
        .collect();
    assert!(
        asked.is_sorted(),
        "what was here was fetched again: {asked:?}"
    );
    let again = asked.iter().filter(|from| **from == 0).count();
    let target = if std::env::var_os("WARMSTART_DOWNLOAD_KILLS").is_some() {
        50
    } else {
        12
    };
    let verdict = if kills >= target { "ok" } else { "UNDER" };
    println!(
        "FIGURE D7\tkills of a download of {:.0} MB, resumed each time ({again} began at 0), then proven\t{kills}\t{target}\t{verdict}",
        size as f64 / 1e6
    );
}
