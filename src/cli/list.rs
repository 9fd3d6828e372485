//! `warmstart list`

use std::borrow::Cow;
use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::metric::Metric;

use super::figures::Figures;
use super::{Context, Exit, output, shown};
use warmstart_report::fit::Column;
use warmstart_report::format::plural;
use warmstart_report::group::Summary;
use warmstart_runs::shell;
use warmstart_runs::store::{ExperimentFile, ExperimentKey, Run, Runs, experiments};

/// List the experiments and the state of their newest runs
#[derive(Debug, Default, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    columns: output::ColumnsArgument,
}

#[derive(Serialize)]
struct Listed<'a> {
    experiment: String,
    file: Cow<'a, str>,
    /// Whether the file changed since its newest run was launched.
    changed: Option<bool>,
    #[serde(flatten)]
    facts: Option<Facts<'a>>,
    problems: Vec<String>,
    newest: Option<Newest<'a>>,
}

#[derive(Serialize)]
struct Facts<'a> {
    name: &'a str,
    group: &'a str,
    question: Option<&'a str>,
    backbone: &'static str,
    pixels: u32,
    dataset: &'static str,
    epochs: u32,
}

impl<'a> From<&'a Experiment> for Facts<'a> {
    fn from(experiment: &'a Experiment) -> Self {
        Self {
            name: &experiment.name,
            group: &experiment.group,
            question: experiment.question.as_deref(),
            backbone: experiment.model.backbone.as_str(),
            pixels: experiment.pixels(),
            dataset: experiment.dataset.name().as_str(),
            epochs: experiment.train.epochs,
        }
    }
}

#[derive(Serialize)]
struct Newest<'a> {
    run: &'a str,
    state: &'static str,
    /// Its group: the figures are then means over the members that are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Members>,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
struct Members {
    done: usize,
    all: usize,
    /// Members that halving stopped.
    #[serde(skip_serializing_if = "is_zero")]
    halved: usize,
    /// The settings of the means: those that validation chose, or the best so far.
    settings: String,
    chosen: bool,
    standard_deviation: BTreeMap<&'static str, Option<f64>>,
    #[serde(skip)]
    state: String,
}

impl<'a> Newest<'a> {
    fn of(runs: &Runs, run: &'a Run) -> Self {
        let group = Summary::of(runs, run);
        let figures = group
            .as_ref()
            .map_or_else(|| Figures::of(run), |group| Figures::of_group(run, group));
        Self {
            run: run.id.as_str(),
            state: run.status().as_str(),
            members: group.as_ref().map(Members::from),
            figures,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's `skip_serializing_if` passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl From<&Summary> for Members {
    fn from(group: &Summary) -> Self {
        let deviation = |metric: &Metric| {
            let (_, spread) = group.figure(*metric)?;
            Some((metric.key(), spread.deviation))
        };
        Self {
            done: group.done,
            all: group.all,
            halved: group.halved,
            settings: group.settings.clone(),
            chosen: group.is_chosen,
            standard_deviation: Metric::ALL.iter().filter_map(deviation).collect(),
            state: group.state(),
        }
    }
}

pub(super) fn list(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let files = experiments(&context.experiments)?;
    let (_, runs) = context.runs();
    let listed: Vec<Listed> = files
        .iter()
        .map(|file| describe(context, file, &files, &runs))
        .collect();
    if context.json {
        output::answer_json(&listed)?;
        return Ok(Exit::Done);
    }
    if listed.is_empty() {
        let mut text = format!(
            "there is no experiment file in {}",
            shown(&context.experiments)
        );
        if !runs.is_empty() {
            let (folder, runs) = (shown(&context.checkpoints), plural(runs.len(), "run"));
            text = format!("{text}; {folder} has {runs}: `warmstart runs` lists them");
        }
        output::note(context, &text);
        return Ok(Exit::Done);
    }
    output::answer(&output::chosen(
        &columns(),
        &listed.iter().map(row).collect::<Vec<_>>(),
        &arguments.columns,
    )?)?;
    let changed: Vec<&str> = listed
        .iter()
        .filter(|listed| listed.changed == Some(true))
        .map(|listed| listed.experiment.as_str())
        .collect();
    if !changed.is_empty() {
        output::note(
            context,
            &format!(
                "changed since the run that is shown: {}",
                changed.join(", ")
            ),
        );
    }
    say_of_orphans(context, &files, &runs);
    if let Some(text) = runs.ignored_folders() {
        output::note(context, text);
    }
    for broken in files.iter().filter(|file| file.loaded.is_err()) {
        let path = shown(&broken.path);
        let word = shell::word(&path);
        output::warn(
            context,
            &format!("{path} is not valid; `warmstart check {word}` says why"),
        );
    }
    Ok(Exit::Done)
}

/// The columns of the table.
pub(super) fn columns() -> Vec<Column> {
    let own = [
        Column::names("experiment"),
        Column::words("name", 7),
        Column::words("group", 9),
        Column::words("backbone", 6),
        Column::figures("px", 8),
        Column::words("state", 1),
    ];
    own.into_iter().chain(Figures::columns()).collect()
}

/// Says how many runs have no experiment file here.
fn say_of_orphans(context: &Context, files: &[ExperimentFile], runs: &Runs) {
    let is_gone = |key: &&ExperimentKey| !files.iter().any(|file| file.experiment_key() == **key);
    let mut gone: Vec<String> = runs
        .experiment_keys()
        .filter(is_gone)
        .map(ExperimentKey::shown)
        .collect();
    gone.sort_unstable();
    let count: usize = runs
        .experiment_keys()
        .filter(is_gone)
        .map(|key| runs.all_of(key).count())
        .sum();
    if count > 0 {
        let (are, listed) = (
            if count == 1 { "run is" } else { "runs are" },
            warmstart_runs::pictures::listed(&gone),
        );
        output::note(
            context,
            &format!(
                "{count} {are} of files that are not here ({listed}): `warmstart runs` lists them"
            ),
        );
    }
}

fn describe<'a>(
    context: &Context,
    file: &'a ExperimentFile,
    files: &[ExperimentFile],
    runs: &'a Runs,
) -> Listed<'a> {
    let newest = runs.latest_of(&file.experiment_key());
    let problems = file.loaded.as_ref().err().into_iter().flatten();
    Listed {
        experiment: file.handle(&context.experiments, files),
        changed: newest.map(|run| run.is_changed_since(file)),
        file: output::json_path(&file.path),
        facts: file.loaded.as_ref().ok().map(Facts::from),
        problems: problems.map(ToString::to_string).collect(),
        newest: newest.map(|run| Newest::of(runs, run)),
    }
}

fn row(listed: &Listed) -> Vec<String> {
    let fact = |of: fn(&Facts) -> String| listed.facts.as_ref().map_or_else(String::new, of);
    let newest = listed.newest.as_ref();
    let state = if listed.facts.is_none() {
        "not valid"
    } else {
        newest.map_or("never run", |newest| {
            let of_group = newest.members.as_ref();
            of_group.map_or(newest.state, |members| members.state.as_str())
        })
    };
    let mut row = vec![
        listed.experiment.clone(),
        fact(|facts| facts.name.to_owned()),
        fact(|facts| facts.group.to_owned()),
        fact(|facts| facts.backbone.to_owned()),
        fact(|facts| facts.pixels.to_string()),
        state.to_owned(),
    ];
    match newest {
        Some(newest) => row.extend(newest.figures.cells()),
        None => row.extend(Figures::no_cells()),
    }
    row
}
