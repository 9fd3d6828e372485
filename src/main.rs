//! `warmstart`: a terminal dashboard for transfer-learning experiments, and its command line. Nothing here links
//! libtorch: training happens in `warmstart-worker`.

mod cli;
mod debug_log;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
