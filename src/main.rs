//! `warmstart`: a terminal dashboard for transfer-learning experiments, and its command line. Nothing here links
//! libtorch: training happens in `warmstart-worker`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
