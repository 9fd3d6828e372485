//! `warmstart-worker`: carries out one run, fetches what runs need, or says what this installation can do.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use warmstart_engine::{doctor, prefetch, report::log, worker};

const USAGE: &str = "usage: warmstart-worker train RUN_FOLDER | prefetch NAME… | doctor | --version
The worker is started by `warmstart`, one process a run; see `warmstart --help`.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["train", folder] => match worker::run(Path::new(folder)) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                log::line(&format!("failed: {error:#}"));
                ExitCode::FAILURE
            }
        },
        ["prefetch", names @ ..] => prefetch::run(names),
        ["doctor"] => say(&doctor::report().to_string()),
        ["--version"] => say(concat!("warmstart-worker ", env!("CARGO_PKG_VERSION"))),
        _ => {
            log::line(USAGE);
            ExitCode::from(2)
        }
    }
}

/// Answers on stdout; a reader that went away is no error.
fn say(answer: &str) -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{answer}");
    ExitCode::SUCCESS
}
