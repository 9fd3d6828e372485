//! `warmstart` without a command.

use clap::Args;

use super::{Context, Exit, list, output};
use warmstart_tui::Theme;
use warmstart_tui::config;

/// Options of the dashboard.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Drawing {
    /// Draw the dashboard with ASCII characters alone
    #[arg(long)]
    ascii: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    no_mouse: bool,
    /// Do not ring the terminal's bell, or have it show a message, when a run ends
    #[arg(long)]
    no_bell: bool,
    /// Colours of the dashboard [default: what suits the terminal]
    #[arg(
        long,
        value_name = "THEME",
        env = "WARMSTART_THEME",
        hide_env_values = true
    )]
    theme: Option<Theme>,
}

const WITHOUT_TERMINAL: &str = "\
There is no terminal here that could show the dashboard. From a script:
  warmstart train EXPERIMENT   train one and follow it
  warmstart runs               all runs
  warmstart compare            the table of results
  warmstart --help             everything else";

/// Opens the dashboard. Prints the table of experiments instead with `--json`, or where there is no terminal.
pub(super) fn open(
    context: &Context,
    Drawing {
        ascii,
        no_mouse,
        no_bell,
        theme,
    }: Drawing,
) -> anyhow::Result<Exit> {
    if !context.json && warmstart_tui::has_terminal() {
        let (experiments, checkpoints) = (context.experiments.clone(), context.checkpoints.clone());
        let folders = context.folders.clone();
        let mut settings = config::load();
        settings.config.bell &= !no_bell;
        let options = warmstart_tui::Options {
            experiments,
            checkpoints,
            folders,
            ascii,
            mouse: !no_mouse,
            theme,
            settings,
        };
        warmstart_tui::run(options)?;
        return Ok(Exit::Done);
    }
    let exit = list::list(context, &list::Arguments::default())?;
    if !context.json {
        output::note(context, WITHOUT_TERMINAL);
    }
    Ok(exit)
}
