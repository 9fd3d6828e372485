//! `warmstart list`

use clap::Args;
use serde::Serialize;
use warmstart_schema::experiment::Experiment;

use super::figures::Figures;
use super::{Context, Exit, output, shown};
use warmstart_report::fit::Column;
use warmstart_runs::store::{ExperimentFile, Home, Run, Runs, experiments};

/// List the experiments and the state of their newest runs
#[derive(Debug, Default, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    columns: output::ColumnsArgument,
}

#[derive(Serialize)]
struct Listed<'a> {
    experiment: String,
    file: String,
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
    #[serde(flatten)]
    figures: Figures,
}

impl<'a> From<&'a Run> for Newest<'a> {
    fn from(run: &'a Run) -> Self {
        Self {
            run: run.id.as_str(),
            state: run.status().as_str(),
            figures: Figures::of(run),
        }
    }
}

pub(super) fn list(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let files = experiments(&context.experiments)?;
    let (_, runs) = context.runs();
    let listed: Vec<Listed> = files
        .iter()
        .map(|file| describe(file, &files, runs.latest_of(&file.home())))
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
            let (folder, runs) = (shown(&context.checkpoints), counted(runs.len()));
            text = format!("{text}; {folder} has {runs}: `warmstart runs` lists them");
        }
        output::note(context, &text);
        return Ok(Exit::Done);
    }
    let mut columns = vec![
        Column::names("experiment"),
        Column::words("name", 7),
        Column::words("group", 9),
        Column::words("backbone", 6),
        Column::figures("px", 8),
        Column::words("state", 1),
    ];
    columns.extend(Figures::columns());
    output::answer(&output::chosen(
        &columns,
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
    if let Some(text) = runs.passed_over() {
        output::note(context, text);
    }
    for broken in listed.iter().filter(|listed| !listed.problems.is_empty()) {
        output::warn(
            context,
            &format!(
                "{} is not valid; `warmstart check {0}` says why",
                broken.file
            ),
        );
    }
    Ok(Exit::Done)
}

/// `1 run`, `2 runs`
pub(super) fn counted(runs: usize) -> String {
    format!("{runs} {}", if runs == 1 { "run" } else { "runs" })
}

/// Says how many runs have no experiment file here.
fn say_of_orphans(context: &Context, files: &[ExperimentFile], runs: &Runs) {
    let is_gone = |home: &&Home| !files.iter().any(|file| file.home() == **home);
    let mut gone: Vec<String> = runs.homes().filter(is_gone).map(Home::shown).collect();
    gone.sort_unstable();
    let count: usize = runs
        .homes()
        .filter(is_gone)
        .map(|home| runs.all_of(home).count())
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
    file: &'a ExperimentFile,
    files: &[ExperimentFile],
    newest: Option<&'a Run>,
) -> Listed<'a> {
    let problems = file.loaded.as_ref().err().into_iter().flatten();
    Listed {
        experiment: file.handle(files),
        changed: newest.map(|run| run.is_changed_since(file)),
        file: shown(&file.path),
        facts: file.loaded.as_ref().ok().map(Facts::from),
        problems: problems.map(ToString::to_string).collect(),
        newest: newest.map(Newest::from),
    }
}

fn row(listed: &Listed) -> Vec<String> {
    let fact = |of: fn(&Facts) -> String| listed.facts.as_ref().map_or_else(String::new, of);
    let newest = listed.newest.as_ref();
    let state = if listed.facts.is_none() {
        "not valid"
    } else {
        newest.map_or("never run", |newest| newest.state)
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
