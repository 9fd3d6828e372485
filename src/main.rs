//! `warmstart`: a terminal dashboard for transfer-learning experiments.

use std::process::ExitCode;

fn main() -> ExitCode {
    warmstart::cli::main()
}
