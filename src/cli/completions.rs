//! `warmstart completions`

use clap::Args;
use clap_complete::Shell;

use super::{Exit, output};

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub struct Arguments {
    shell: Shell,
}

pub fn completions(arguments: &Arguments, mut command: clap::Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "warmstart", &mut script);
    output::answer(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
