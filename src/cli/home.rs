//! `warmstart` without a command.

use super::{Context, Exit, list, output};
use crate::{config, dashboard};

const GO_ON: &str = "\
There is no terminal here to open the dashboard in. From a script:
  warmstart train EXPERIMENT   train one and follow it
  warmstart runs               all runs
  warmstart compare            the table of results
  warmstart --help             everything else";

/// Opens the dashboard, or prints the plain table where there is no terminal.
pub fn open(context: &Context, ascii: bool) -> anyhow::Result<Exit> {
    if !context.json && dashboard::has_terminal() {
        let (experiments, checkpoints) = (context.experiments.clone(), context.checkpoints.clone());
        dashboard::run(dashboard::Options { experiments, checkpoints, ascii, settings: config::load() })?;
        return Ok(Exit::Done);
    }
    let exit = list::list(context)?;
    if !context.json {
        output::note(context, GO_ON);
    }
    Ok(exit)
}
