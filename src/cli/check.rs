//! `warmstart check`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use warmstart_schema::catalog::DatasetName;
use warmstart_schema::experiment::{Experiment, Problem};
use warmstart_schema::pictures::{Class, PictureFolder, UNEVEN, listed};
use warmstart_schema::places::Places;

use super::output::Problems;
use super::{Context, Exit, names, output, shown};
use crate::compare::thousands;
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
        let missing = missing.collect::<Vec<_>>().concat();
        let classes = own_classes(experiment).unwrap_or_default();
        Some(format!("{}: ok: {}\n{classes}{missing}", shown(&file.path), experiment.name))
    };
    output::answer(&files.iter().filter_map(good).collect::<String>())?;
    if problems.is_empty() { Ok(Exit::Done) } else { Err(Problems(problems).into()) }
}

/// What a folder of one's own pictures holds: parts, classes, and how uneven they are. Pictures are counted, not opened.
fn own_classes(experiment: &Experiment) -> Option<String> {
    let path = experiment.dataset.path.as_ref().filter(|_| experiment.dataset.name == DatasetName::ImageFolder)?;
    let folder = PictureFolder::open(path).ok()?;
    let count = |part: &Path| folder.classes.iter().map(|class| class.pictures(part)).sum::<usize>();
    let part = |name: &str, own: Option<&PathBuf>| match own {
        Some(own) => format!("{name} {}", thousands(count(own) as u64)),
        None => format!("{name} split off from them"),
    };
    let counts: Vec<usize> = folder.classes.iter().map(|class| class.pictures(&folder.train)).collect();
    let named = |(class, count): (&Class, &usize)| format!("{} {}", class.name, thousands(*count as u64));
    let names: Vec<String> = folder.classes.iter().zip(&counts).map(named).collect();
    let most = folder.classes.iter().zip(&counts).rev().max_by_key(|(_, count)| **count)?;
    let fewest = folder.classes.iter().zip(&counts).min_by_key(|(_, count)| **count)?;
    let ratio = *most.1 as f64 / (*fewest.1).max(1) as f64;
    let mut out = format!(
        "  pictures: training {}, {}, {}\n  {} classes: {}\n",
        thousands(counts.iter().sum::<usize>() as u64),
        part("validation", folder.validation.as_ref()),
        part("test", folder.test.as_ref()),
        names.len(),
        listed(&names)
    );
    if ratio > 1.0 {
        let (most, fewest) = (named(most), named(fewest));
        let _ = writeln!(out, "  imbalance {ratio:.1} to 1: {most}, {fewest}");
    }
    if ratio >= UNEVEN && experiment.train.class_weights.is_none() {
        out += "  `train.class_weights: balanced` makes up for classes that are so uneven\n";
    }
    Some(out)
}

fn problems(file: &ExperimentFile) -> &[Problem] {
    file.loaded.as_ref().err().map_or(&[], Vec::as_slice)
}

fn checked(file: &ExperimentFile) -> Checked<'_> {
    let problems: Vec<Found> = problems(file).iter().map(Found::from).collect();
    Checked { file: shown(&file.path), ok: problems.is_empty(), problems }
}
