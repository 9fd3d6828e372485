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
use warmstart_report::{edit, fit};
use warmstart_runs::store::{Runs, Watcher, experiments};
use warmstart_runs::{change, trash};

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

/// Bash splits words at `=` and `:`, and completes what follows. This function gives warmstart whole words, and takes out of its
/// answers what bash has already.
const WHOLE_WORDS: &str = r#"
_warmstart() {
    local -a words=() answers=()
    local part joins rest=$COMP_LINE splits='^[=:]+$' last=-1 current=0 i
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        part=${COMP_WORDS[i]}
        joins=false
        # Where the line has no blank before it, bash has split a word.
        if [[ $i -gt 1 && $rest != [[:blank:]]* ]]; then
            if [[ $part =~ $splits || ${COMP_WORDS[i - 1]} =~ $splits ]]; then
                joins=true
            fi
        fi
        rest=${rest#*"$part"}
        # Only what is left of the cursor is completed.
        if [[ $i -eq $COMP_CWORD && ! $part =~ $splits ]]; then
            part=$2
        fi
        if [[ $joins == false ]]; then
            last=$((last + 1))
            words[last]=$part
        elif [[ $i -le $COMP_CWORD || $current -lt $last ]]; then
            words[last]+=$part
        fi
        if [[ $i -eq $COMP_CWORD ]]; then
            current=$last
        fi
    done
    local whole=${words[current]}
    local before=${whole%"$2"}
    local -a COMP_WORDS=("${words[@]}")
    local COMP_CWORD=$current
    _clap_complete_warmstart "$1" "$whole" "$3"
    if [[ -n $before ]]; then
        for part in "${COMPREPLY[@]}"; do
            part=${part#"$before"}
            if [[ -n $part ]]; then
                answers+=("$part")
            fi
        done
        COMPREPLY=("${answers[@]}")
    fi
}
complete -o nospace -o bashdefault -o nosort -F _warmstart warmstart 2> /dev/null ||
    complete -o nospace -o bashdefault -F _warmstart warmstart
"#;

/// The script for a shell, which asks `program` for completions.
pub(super) fn script(shell: Shell, program: &str) -> anyhow::Result<String> {
    let name = shell.to_string();
    let shells = Shells::builtins();
    let completer = shells
        .completer(&name)
        .with_context(|| format!("there are no completions for {name}"))?;
    let mut printed = Vec::new();
    completer.write_registration(ASKS, "warmstart", "warmstart", program, &mut printed)?;
    let mut script = String::from_utf8_lossy(&printed).into_owned();
    if shell == Shell::Bash {
        script.push_str(WHOLE_WORDS);
    }
    Ok(script)
}

/// Answers a shell that asks for completions, and ends the program; otherwise does nothing.
pub(super) fn answer_shell(command: fn() -> Command) {
    CompleteEnv::with_factory(|| completing(command()))
        .var(ASKS)
        .complete();
}

/// The command line with completions for each value, by the value's name in the help.
fn completing(command: Command) -> Command {
    let name = command.get_name().to_owned();
    command
        .mut_args(|argument| with_values(&name, argument))
        .mut_subcommands(completing)
}

fn with_values(command: &str, argument: Arg) -> Arg {
    let name = argument
        .get_value_names()
        .and_then(|names| names.first())
        .map(ToString::to_string);
    let id = argument.get_id().as_str().to_owned();
    let list: fn() -> Vec<CompletionCandidate> = match (id.as_str(), name.as_deref(), command) {
        ("dataset", ..) => datasets,
        ("columns", _, "list") => || titles(&super::list::columns()),
        ("columns", _, "models") => || titles(&super::models::columns()),
        ("columns", _, "runs") => || titles(&super::runs::columns()),
        ("sort" | "columns", ..) => columns,
        ("backbone", ..) => backbones,
        ("baseline", ..) => baselines,
        (_, Some("RUN"), "restore") => deleted_runs,
        (_, Some("RUN"), _) => runs,
        ("slurm", ..) => slurm_fields,
        ("set", _, "resume") => changes,
        (_, Some("FIELD=VALUE"), _) => fields,
        // `check` calls experiments FILE; elsewhere a FILE is one to write.
        (_, Some("EXPERIMENT"), _) | ("files", Some("FILE"), _) => {
            return argument.add(ArgValueCompleter::new(Experiments));
        }
        _ => return argument,
    };
    argument.add(ArgValueCompleter::new(of_list(list)))
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
            .map(|file| candidate(&file.handle(&folder, &files), file.label()))
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

/// The folder of the runs that the completed line is about.
fn checkpoints() -> PathBuf {
    folder_option("--checkpoints", "WARMSTART_CHECKPOINTS").unwrap_or_else(|| "checkpoints".into())
}

/// Runs by id, the newest first, and then by experiment, which means the newest of it. `Watcher::read_all` would also wait for
/// Slurm, and a press of tab must not.
fn runs() -> Vec<CompletionCandidate> {
    let (mut watcher, mut runs) = (Watcher::new(&checkpoints()), Runs::default());
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

/// The runs in the trash by id, the last deleted first.
fn deleted_runs() -> Vec<CompletionCandidate> {
    let deleted = trash::list(&checkpoints()).unwrap_or_default();
    deleted
        .iter()
        .enumerate()
        .map(|(place, one)| candidate(one.id.as_str(), "").display_order(Some(place)))
        .collect()
}

/// What a comparison gives differences to: a run, or what was published.
fn baselines() -> Vec<CompletionCandidate> {
    let published = candidate("published", "the published figures of each experiment");
    let mut all = runs();
    all.push(published.display_order(Some(all.len())));
    all
}

/// The columns of the comparison.
fn columns() -> Vec<CompletionCandidate> {
    let (own, fields) = (Column::own(), edit::settings());
    let names = own.iter().map(Column::key).chain(fields.iter().cloned());
    names.map(|name| candidate(&name, "")).collect()
}

/// The columns of a list.
fn titles(columns: &[fit::Column]) -> Vec<CompletionCandidate> {
    columns
        .iter()
        .map(|column| candidate(&output::key(&column.title), ""))
        .collect()
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
    fields_below("", |_| true)
}

/// The fields of a run that may change.
fn changes() -> Vec<CompletionCandidate> {
    fields_below("", |path| change::FIELDS.contains(&path))
}

/// `time=`: what a job of Slurm asks for.
fn slurm_fields() -> Vec<CompletionCandidate> {
    fields_below("slurm.", |_| true)
}

/// The fields of experiments below a prefix, without it.
fn fields_below(prefix: &str, is_offered: fn(&str) -> bool) -> Vec<CompletionCandidate> {
    let schema = experiment::json_schema();
    let described = super::docs::fields(&schema);
    let named = described
        .iter()
        .filter(|field| is_offered(&field.path))
        .filter_map(|field| Some((field.path.strip_prefix(prefix)?, field)));
    let offered = named.flat_map(|(name, field)| {
        let open = candidate(&format!("{name}="), &field.description);
        let values = field.values.iter().map(move |value| {
            let text = format!("{name}={}", value.name);
            candidate(&text, &value.description)
        });
        std::iter::once(open).chain(values)
    });
    offered.collect()
}

/// A folder from the completed line, or from the environment.
fn folder_option(option: &str, variable: &str) -> Option<PathBuf> {
    let words: Vec<OsString> = std::env::args_os().collect();
    // To the scripts of earlier versions, bash gives `=` as a word.
    let after = words
        .iter()
        .skip_while(|word| *word != option)
        .skip(1)
        .find(|word| *word != "=");
    // A shell replaces `~` when it runs the line, but not behind `=`.
    let after = after.map(|word| {
        let folder = PathBuf::from(word);
        experiment::whole(&folder).unwrap_or(folder)
    });
    let joined = words.iter().find_map(|word| {
        let folder = word.to_str()?.strip_prefix(option)?.strip_prefix('=')?;
        Some(PathBuf::from(folder))
    });
    let set = std::env::var_os(variable).filter(|value| !value.is_empty());
    after.or(joined).or_else(|| set.map(PathBuf::from))
}
