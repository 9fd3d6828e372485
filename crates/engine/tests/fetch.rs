//! Downloads from a real server on loopback: failing connections, wrong answers, wrong files and hostile archives.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests do"
)]

#[path = "fetch/archives.rs"]
mod archives;
#[path = "fetch/bombs.rs"]
mod bombs;
#[path = "fetch/downloads.rs"]
mod downloads;
#[path = "fetch/hub.rs"]
mod hub;
#[path = "fetch/killed.rs"]
mod killed;
#[path = "support/memory.rs"]
mod memory;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "support/pictures.rs"]
mod pictures;
#[path = "fetch/place.rs"]
mod place;
#[path = "fetch/server.rs"]
mod server;
#[expect(dead_code, reason = "other tests use the rest")]
mod support;
#[path = "fetch/worker.rs"]
mod worker;
