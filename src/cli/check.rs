//! `warmstart check`

use clap::Args;
use serde::Serialize;
use warmstart_schema::catalog::Places;
use warmstart_schema::experiment::Problem;

use super::output::Problems;
use super::{Context, Exit, names, output, shown};
use crate::store::{ExperimentFile, experiments};

/// Check experiment files; every problem of every file is shown
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files or names of experiments; all of the folder when left out
    #[arg(value_name = "FILE")]
    files: Vec<String>,
}

#[derive(Serialize)]
struct Checked<'a> {
    file: String,
    ok: bool,
    problems: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    line: Option<usize>,
    column: Option<usize>,
    field: &'a str,
    message: &'a str,
    help: Option<&'a str>,
}

impl<'a> From<&'a Problem> for Found<'a> {
    fn from(problem: &'a Problem) -> Self {
        let (line, column) = problem.at.unzip();
        Self { line, column, field: &problem.field, message: &problem.message, help: problem.help.as_deref() }
    }
}

pub fn check(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut files: Vec<ExperimentFile> = if arguments.files.is_empty() {
        experiments(&context.experiments)?
    } else {
        arguments.files.iter().map(|name| names::experiment(context, name, &[])).collect::<anyhow::Result<_>>()?
    };
    names::check_sources(context, &mut files);
    let problems: Vec<Problem> = files.iter().flat_map(problems).cloned().collect();
    if context.json {
        output::answer_json(&files.iter().map(checked).collect::<Vec<_>>())?;
        return Ok(if problems.is_empty() { Exit::Done } else { Exit::Input });
    }
    let places = Places::from_env();
    let good = |file: &ExperimentFile| {
        let experiment = file.loaded.as_ref().ok()?;
        let missing = places.missing(experiment).into_iter().map(|lack| format!("  not here yet: {}\n", lack.text));
        Some(format!("{}: ok: {}\n{}", shown(&file.path), experiment.name, missing.collect::<Vec<_>>().concat()))
    };
    output::answer(&files.iter().filter_map(good).collect::<String>())?;
    if problems.is_empty() { Ok(Exit::Done) } else { Err(Problems(problems).into()) }
}

fn problems(file: &ExperimentFile) -> &[Problem] {
    file.loaded.as_ref().err().map_or(&[], Vec::as_slice)
}

fn checked(file: &ExperimentFile) -> Checked<'_> {
    let problems: Vec<Found> = problems(file).iter().map(Found::from).collect();
    Checked { file: shown(&file.path), ok: problems.is_empty(), problems }
}
