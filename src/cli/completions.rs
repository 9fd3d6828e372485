//! `warmstart completions`, and the answers that its scripts ask for.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Arg, Args, Command};
use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};
use warmstart_schema::architecture::Backbone;
use warmstart_schema::catalog::DatasetName;
use warmstart_schema::{experiment, text};

use super::context::default_experiments;
use super::{Exit, output};
use warmstart_report::compare::Column;
use warmstart_report::edit;
use warmstart_runs::store::{Runs, Watcher, experiments};

/// The variable by which a shell's script asks for completions.
const ASKS: &str = "WARMSTART_COMPLETE";

/// Print a completion script for a shell
///
/// The script asks warmstart at each press of tab, so it knows the experiments and runs of the current folder.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    shell: Shell,
}

pub(super) fn completions(arguments: &Arguments) -> anyhow::Result<Exit> {
    output::answer(&script(arguments.shell, &own_name())?)?;
    Ok(Exit::Done)
}

/// The command that starts this program: its name if it is on the PATH, or its path.
fn own_name() -> String {
    let name = PathBuf::from(
        std::env::args_os()
            .next()
            .unwrap_or_else(|| "warmstart".into()),
    );
    let path = if name.components().count() > 1 {
        std::path::absolute(&name).unwrap_or(name)
    } else {
        name
    };
    path.to_string_lossy().into_owned()
}

/// The script for a shell, which asks `program` for completions.
pub(super) fn script(shell: Shell, program: &str) -> anyhow::Result<String> {
    let name = shell.to_string();
    let shells = Shells::builtins();
    let completer = shells
        .completer(&name)
        .with_context(|| format!("there are no completions for {name}"))?;
    let mut script = Vec::new();
    completer.write_registration(ASKS, "warmstart", "warmstart", program, &mut script)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Answers a shell that asks for completions, and ends the program; otherwise does nothing.
pub(super) fn answer_shell(command: fn() -> Command) {
    CompleteEnv::with_factory(|| completing(command()))
        .var(ASKS)
        .complete();
}

/// The command line with completions for each value, by the value's name in the help.
fn completing(command: Command) -> Command {
    command.mut_args(with_values).mut_subcommands(completing)
}

fn with_values(argument: Arg) -> Arg {
    let name = argument
        .get_value_names()
        .and_then(|names| names.first())
        .map(ToString::to_string);
    let id = argument.get_id().as_str().to_owned();
    match (id.as_str(), name.as_deref()) {
        ("dataset", _) => argument.add(ArgValueCompleter::new(of_list(datasets))),
        ("sort" | "columns", _) => argument.add(ArgValueCompleter::new(columns)),
        ("backbone", _) => argument.add(ArgValueCompleter::new(of_list(backbones))),
        ("baseline", _) | (_, Some("RUN")) => argument.add(ArgValueCompleter::new(of_list(runs))),
        (_, Some("FIELD=VALUE")) => argument.add(ArgValueCompleter::new(of_list(fields))),
        // `check` calls experiments FILE; elsewhere a FILE is one to write.
        (_, Some("EXPERIMENT")) | ("files", Some("FILE")) => {
            argument.add(ArgValueCompleter::new(Experiments))
        }
        _ => argument,
    }
}

/// The entries that start with the typed text.
fn of_list(list: fn() -> Vec<CompletionCandidate>) -> impl Fn(&OsStr) -> Vec<CompletionCandidate> {
    move |typed| beginning_with(typed, list())
}

fn beginning_with(typed: &OsStr, all: Vec<CompletionCandidate>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    all.into_iter()
        .filter(|one| one.get_value().to_string_lossy().starts_with(&*typed))
        .collect()
}

fn candidate(value: &str, help: &str) -> CompletionCandidate {
    CompletionCandidate::new(value).help((!help.is_empty()).then(|| text::line(help, 80).into()))
}

/// Experiments by name, or by the path of a file.
struct Experiments;

impl ValueCompleter for Experiments {
    fn complete(&self, typed: &OsStr) -> Vec<CompletionCandidate> {
        let folder = folder_option("--experiments", "WARMSTART_EXPERIMENTS")
            .unwrap_or_else(default_experiments);
        let files = experiments(&folder).unwrap_or_default();
        let named = files
            .iter()
            .map(|file| candidate(&file.stem, file.label()))
            .collect();
        let is_experiment = |path: &Path| {
            path.extension()
                .is_some_and(|end| end == "yaml" || end == "yml")
        };
        let paths = PathCompleter::any().filter(is_experiment).complete(typed);
        beginning_with(typed, named)
            .into_iter()
            .chain(paths)
            .collect()
    }
}

/// Runs by experiment, which means the newest of it, and by id, the newest first.
fn runs() -> Vec<CompletionCandidate> {
    let folder = folder_option("--checkpoints", "WARMSTART_CHECKPOINTS");
    let (mut watcher, mut runs) = (
        Watcher::new(&folder.unwrap_or_else(|| "checkpoints".into())),
        Runs::default(),
    );
    loop {
        for change in watcher.poll() {
            runs.apply(change);
        }
        if watcher.unread() == 0 {
            break;
        }
    }
    let mut stems: Vec<&str> = runs.iter().filter_map(|run| run.stem()).collect();
    stems.sort_unstable();
    stems.dedup();
    let newest = stems
        .into_iter()
        .map(|stem| candidate(stem, "its newest run"));
    let ids = runs.iter().rev().map(|run| {
        candidate(
            run.id.as_str(),
            &format!("{}, {}", run.label(), run.status().as_str()),
        )
    });
    ids.chain(newest)
        .enumerate()
        .map(|(place, one)| one.display_order(Some(place)))
        .collect()
}

/// The columns of the comparison; after a comma the next one.
fn columns(typed: &OsStr) -> Vec<CompletionCandidate> {
    let text = typed.to_string_lossy();
    let before = text.rfind(',').map_or("", |comma| &text[..=comma]);
    let (own, fields) = (Column::own(), edit::settings());
    let names = own.iter().map(Column::key).chain(fields.iter().cloned());
    beginning_with(
        typed,
        names
            .map(|name| candidate(&format!("{before}{name}"), ""))
            .collect(),
    )
}

fn backbones() -> Vec<CompletionCandidate> {
    Backbone::ALL
        .iter()
        .map(|backbone| candidate(backbone.as_str(), ""))
        .collect()
}

/// The datasets that are downloaded as an archive.
fn datasets() -> Vec<CompletionCandidate> {
    let published = DatasetName::ALL
        .into_iter()
        .filter(|name| name.archive().is_some());
    published.map(|name| candidate(name.as_str(), "")).collect()
}

/// `train.epochs=`, and `model.backbone=resnet18` where the values are known.
fn fields() -> Vec<CompletionCandidate> {
    let schema = experiment::json_schema();
    let described = super::docs::fields(&schema);
    let lines = described.iter().flat_map(|field| {
        let open = std::iter::once((format!("{}=", field.path), field.description.clone()));
        let values = field.values.iter().map(|value| {
            (
                format!("{}={}", field.path, value.name),
                value.description.clone(),
            )
        });
        open.chain(values)
    });
    lines.map(|(text, help)| candidate(&text, &help)).collect()
}

/// A folder from the completed line, or from the environment.
fn folder_option(option: &str, variable: &str) -> Option<PathBuf> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let after = words
        .iter()
        .position(|word| word == option)
        .and_then(|place| words.get(place + 1));
    let joined = words.iter().find_map(|word| {
        word.to_str()?
            .strip_prefix(option)?
            .strip_prefix('=')
            .map(OsString::from)
    });
    let set = std::env::var_os(variable).filter(|value| !value.is_empty());
    after.cloned().or(joined).or(set).map(PathBuf::from)
}
