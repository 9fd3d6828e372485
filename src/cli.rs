//! The command line: one verb, one file. Answers go to stdout, progress and diagnostics to stderr.

mod cache;
mod check;
mod compare;
mod completions;
mod config;
mod context;
mod docs;
mod doctor;
mod experiment;
mod export;
mod figures;
mod follow;
mod home;
mod list;
mod look;
mod models;
mod new;
mod output;
mod params;
mod plot;
mod predict;
mod prefetch;
mod progress;
mod queue;
mod resume;
mod runs;
mod selftest;
mod show;
mod stop;
mod tag;
mod train;
mod trash;
mod verify_resume;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::context::{Color, Context, Exit, Globals, shown};
use self::output::ClosedPipe;
use crate::debug_log;
use warmstart_runs::monitor;

const AFTER_HELP: &str = "\
Experiments are named by file, by the file's name without `.yaml`, or by its first letters where they are unique.
Runs are named by id, by its first characters, or by an experiment: its newest run.

Exit codes:
    0  done as asked
    1  a run failed, or a download, or the disk
    2  wrong input: the command line, an experiment file, or a run that is not in the right state
    3  nothing has that name, or a folder is not there
    4  the worker or its libtorch is missing
  130  interrupted: runs were saved and can be resumed";

/// A terminal dashboard for transfer-learning experiments.
///
/// Without a command it opens the dashboard. The commands do the same from scripts.
#[derive(Debug, Parser)]
#[command(name = "warmstart", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(flatten)]
    drawing: home::Drawing,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(new::Arguments),
    List(list::Arguments),
    Models(models::Arguments),
    Check(check::Arguments),
    Params(params::Arguments),
    Train(train::Arguments),
    Resume(resume::Arguments),
    Stop(stop::Arguments),
    Queue(queue::Arguments),
    Runs(runs::Arguments),
    Show(show::Arguments),
    Tag(tag::TagArguments),
    Note(tag::NoteArguments),
    Archive(tag::ArchiveArguments),
    Trash(trash::Arguments),
    Cache(cache::Arguments),
    Compare(compare::Arguments),
    Plot(plot::Arguments),
    Look(look::Arguments),
    Predict(predict::Arguments),
    Export(export::Arguments),
    Prefetch(prefetch::Arguments),
    VerifyResume(verify_resume::Arguments),
    Selftest(selftest::Arguments),
    /// Say what this installation has and what it lacks
    Doctor,
    Completions(completions::Arguments),
    Config(config::Arguments),
    Docs(docs::Arguments),
}

/// Parses the arguments, runs the command, and returns its exit code.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some((worker, folder)) = monitor::arguments(&arguments) {
        if let Some(path) = std::env::var_os(debug_log::VARIABLE) {
            // A monitor runs even without the debug log.
            let _ = debug_log::start(Path::new(&path));
        }
        return monitor::run(&worker, &folder, notify);
    }
    completions::answer_shell(Cli::command);
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let Cli {
        globals,
        drawing,
        verb,
    } = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let log = globals.log.clone();
    let context = match Context::new(globals) {
        Ok(context) => context,
        Err(mistake) => {
            return usage(&Cli::command().error(ErrorKind::ValueValidation, mistake));
        }
    };
    let started = log.map_or(Ok(()), |path| start_log(&path));
    let exit = match started.and_then(|()| dispatch(&context, verb, drawing)) {
        Ok(exit) => exit,
        Err(error) if error.is::<ClosedPipe>() => Exit::Done,
        Err(error) => {
            tracing::error!(%error, "failed");
            output::explain(&context, &error)
        }
    };
    tracing::info!(code = exit as u8, "warmstart ends");
    ExitCode::from(exit as u8)
}

/// Starts the debug log, also for the processes that this one starts.
fn start_log(path: &Path) -> anyhow::Result<()> {
    let cannot = || format!("the debug log {} cannot be written", shown(path));
    let path = std::path::absolute(path).with_context(cannot)?;
    debug_log::start(&path).with_context(cannot)
}

/// The command for the end of a run, from the environment or the settings.
fn notify() -> Option<String> {
    let chosen = std::env::var("WARMSTART_NOTIFY")
        .ok()
        .or_else(|| warmstart_tui::config::load().config.notify);
    chosen.filter(|command| !command.trim().is_empty())
}

fn dispatch(context: &Context, verb: Option<Verb>, drawing: home::Drawing) -> anyhow::Result<Exit> {
    match verb {
        None => home::open(context, drawing),
        Some(Verb::New(arguments)) => new::new(context, &arguments),
        Some(Verb::List(arguments)) => list::list(context, &arguments),
        Some(Verb::Models(arguments)) => models::models(context, &arguments),
        Some(Verb::Check(arguments)) => check::check(context, &arguments),
        Some(Verb::Params(arguments)) => params::params(context, &arguments),
        Some(Verb::Train(arguments)) => train::train(context, &arguments),
        Some(Verb::Resume(arguments)) => resume::resume(context, &arguments),
        Some(Verb::Stop(arguments)) => stop::stop(context, &arguments),
        Some(Verb::Queue(arguments)) => queue::queue(context, &arguments),
        Some(Verb::Runs(arguments)) => runs::runs(context, &arguments),
        Some(Verb::Tag(arguments)) => tag::tag(context, &arguments),
        Some(Verb::Note(arguments)) => tag::note(context, &arguments),
        Some(Verb::Archive(arguments)) => tag::archive(context, &arguments),
        Some(Verb::Trash(arguments)) => trash::trash(context, &arguments),
        Some(Verb::Cache(arguments)) => cache::cache(context, &arguments),
        Some(Verb::Show(arguments)) => show::show(context, &arguments),
        Some(Verb::Plot(arguments)) => plot::plot(context, &arguments),
        Some(Verb::Compare(arguments)) => compare::compare(context, &arguments),
        Some(Verb::Look(arguments)) => look::look(context, &arguments),
        Some(Verb::Predict(arguments)) => predict::predict(context, &arguments),
        Some(Verb::Export(arguments)) => export::export(context, &arguments),
        Some(Verb::Prefetch(arguments)) => prefetch::prefetch(context, &arguments),
        Some(Verb::VerifyResume(arguments)) => verify_resume::verify_resume(context, &arguments),
        Some(Verb::Selftest(arguments)) => selftest::selftest(context, &arguments),
        Some(Verb::Config(arguments)) => config::run(context, &arguments),
        Some(Verb::Doctor) => doctor::doctor(context),
        Some(Verb::Completions(arguments)) => completions::completions(&arguments),
        Some(Verb::Docs(arguments)) => docs::docs(&arguments, &Cli::command()),
    }
}

/// Help and version are answers; anything else is a mistake in the command line.
fn usage(error: &clap::Error) -> ExitCode {
    // A closed pipe is no error.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() {
        Exit::Input
    } else {
        Exit::Done
    } as u8)
}
