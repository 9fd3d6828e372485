//! What every verb gets: where things are, how to answer, and the exit codes.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::output::{self, Problems};
use warmstart_runs::launcher::{self, Choice, SlurmRequest, torch};
use warmstart_runs::shell::FolderOptions;
use warmstart_runs::store::{Runs, Watcher, experiments};
use warmstart_schema::experiment::Problem;
use warmstart_schema::slurm::Slurm;
use warmstart_tui::config::{self, Config, LauncherName, Loaded};

#[derive(Debug, Clone, Args)]
pub(super) struct Globals {
    /// Folder of experiment files [default: experiments]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "WARMSTART_EXPERIMENTS",
        hide_env_values = true
    )]
    pub experiments: Option<PathBuf>,
    /// Folder of runs [default: checkpoints]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "WARMSTART_CHECKPOINTS",
        hide_env_values = true
    )]
    pub checkpoints: Option<PathBuf>,
    /// Folder of an installed `torch`, for a worker without libtorch; else that of the active environment
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = warmstart_runs::launcher::torch::VARIABLE,
        hide_env_values = true
    )]
    pub torch: Option<PathBuf>,
    /// Where workers run: on this machine, or as jobs of Slurm [default: the setting `launcher`]
    #[arg(long, global = true, value_name = "WHERE")]
    pub launcher: Option<LauncherName>,
    /// What jobs of Slurm ask for, besides settings and experiment: for example time=2:00:00, gres=gpu:1. It implies
    /// `--launcher slurm`
    #[arg(long, global = true, value_name = "FIELD=VALUE", value_parser = slurm_field)]
    pub slurm: Vec<String>,
    /// Append a debug log to this file; `WARMSTART_LOG` also covers the monitors of runs
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = crate::debug_log::VARIABLE,
        hide_env_values = true
    )]
    pub log: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress, only answers and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Colours in progress, errors and pictures
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

/// The exit codes, as `--help` describes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    Done = 0,
    RunFailed = 1,
    Input = 2,
    NotFound = 3,
    Worker = 4,
    Interrupted = 130,
}

/// Where things are, and how to answer.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub experiments: PathBuf,
    pub checkpoints: PathBuf,
    /// The options for commands that users copy and paste.
    pub folders: FolderOptions,
    pub json: bool,
    pub quiet: bool,
    /// Whether progress and errors are coloured.
    pub color: bool,
    /// What `--color` says, for a picture on stdout. `color` depends on stderr.
    pub color_choice: Color,
    /// What is wrong in the settings that say where workers run.
    launcher_problems: Vec<Problem>,
}

/// Checks one `--slurm`.
fn slurm_field(text: &str) -> Result<String, String> {
    match Slurm::default().set(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(mistake) => Err(format!("{}; {}", mistake.message, mistake.help)),
    }
}

/// Where the command line and the settings want workers to run. Each `--slurm` is valid, but there may be too many.
fn launcher_choice(globals: &Globals, settings: Config) -> Result<Choice, String> {
    let implied = (!globals.slurm.is_empty()).then_some(LauncherName::Slurm);
    let named = globals.launcher.or(implied).or(settings.launcher);
    Ok(match named {
        None => Choice::Unspecified,
        Some(LauncherName::Local) => Choice::Local,
        Some(LauncherName::Slurm) => {
            let mut command_line = Slurm::default();
            for field in &globals.slurm {
                command_line.set(field).map_err(|mistake| {
                    format!(
                        "--slurm {}: {}; {}",
                        mistake.field, mistake.message, mistake.help
                    )
                })?;
            }
            Choice::Slurm(Box::new(SlurmRequest {
                settings: settings.slurm,
                command_line,
            }))
        }
    })
}

impl Context {
    /// The error is a mistake in `--slurm`.
    pub(super) fn new(globals: Globals) -> Result<Self, String> {
        if let Some(folder) = &globals.torch {
            torch::choose(folder);
        }
        let Loaded {
            config, problems, ..
        } = config::load();
        let launcher_problems = if globals.launcher == Some(LauncherName::Local) {
            Vec::new()
        } else {
            let says_where = |problem: &Problem| {
                let section = problem.field.split(['.', '[']).next();
                matches!(section, Some("" | "launcher" | "slurm"))
            };
            problems.into_iter().filter(says_where).collect()
        };
        launcher::choose(launcher_choice(&globals, config)?);
        Ok(Self {
            launcher_problems,
            folders: FolderOptions::new(
                globals.experiments.as_deref(),
                globals.checkpoints.as_deref(),
            ),
            experiments: globals.experiments.unwrap_or_else(default_experiments),
            checkpoints: globals
                .checkpoints
                .unwrap_or_else(|| PathBuf::from("checkpoints")),
            json: globals.json,
            quiet: globals.quiet,
            color: output::use_color(globals.color, &std::io::stderr()),
            color_choice: globals.color,
        })
    }

    /// Refuses to start a worker while the settings that say where workers run are wrong.
    pub(super) fn ensure_launcher(&self) -> Result<(), Problems> {
        if self.launcher_problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(self.launcher_problems.clone()))
        }
    }

    /// The state of all runs.
    pub(super) fn runs(&self) -> (Watcher, Runs) {
        // Without the files, runs have the names that they recorded.
        let (watcher, runs) = Watcher::read_all(
            &self.checkpoints,
            &experiments(&self.experiments).unwrap_or_default(),
        );
        if let Some(problem) = runs.problem() {
            output::warn(self, problem);
        }
        (watcher, runs)
    }
}

/// The folder here, or the installed one.
pub(super) fn default_experiments() -> PathBuf {
    let here = PathBuf::from("experiments");
    let program = std::env::current_exe()
        .and_then(|path| path.canonicalize())
        .unwrap_or_default();
    let installed = program
        .ancestors()
        .nth(2)
        .map(|prefix| prefix.join("share/warmstart/experiments"));
    if here.is_dir() {
        here
    } else {
        installed.filter(|path| path.is_dir()).unwrap_or(here)
    }
}

/// A path for messages.
pub(super) fn shown(path: &Path) -> String {
    warmstart_schema::text::line(&path.display().to_string(), 300)
}
