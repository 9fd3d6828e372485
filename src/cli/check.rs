//! `warmstart check`

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use warmstart_runs::pictures::{UNEVEN, listed};
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::experiment::{Experiment, Problem};
use warmstart_schema::finding::{Checked, Counts, Finding, Severity};
use warmstart_schema::text;

use super::output::Problems;
use super::train::ensure_source;
use super::{Context, Exit, experiment, output, shown};
use warmstart_report::compare::thousands;
use warmstart_runs::failure::Failure;
use warmstart_runs::store::{ExperimentFile, experiments};
use warmstart_runs::worker::check_experiments;

/// Check experiments: their files, and everything that a launch would find out. Every problem of every file is shown
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files or names of experiments; all of the folder when left out
    #[arg(value_name = "FILE")]
    files: Vec<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    file: Cow<'a, str>,
    ok: bool,
    problems: Vec<ProblemAnswer<'a>>,
    /// Findings that do not prevent a launch.
    notes: Vec<&'a Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pictures: Option<&'a Counts>,
}

#[derive(Serialize)]
struct ProblemAnswer<'a> {
    line: Option<usize>,
    column: Option<usize>,
    field: &'a str,
    message: &'a str,
    help: Option<&'a str>,
}

impl<'a> From<&'a Problem> for ProblemAnswer<'a> {
    fn from(problem: &'a Problem) -> Self {
        let (line, column) = problem.at.unzip();
        Self {
            line,
            column,
            field: &problem.field,
            message: &problem.message,
            help: problem.help.as_deref(),
        }
    }
}

/// A file and its findings.
struct Judged {
    file: ExperimentFile,
    problems: Vec<Problem>,
    checked: Checked,
    /// Whether there is a verdict: the worker answered, or problems were found without it.
    has_verdict: bool,
}

impl Judged {
    fn notes(&self) -> impl Iterator<Item = &Finding> {
        self.checked
            .findings
            .iter()
            .filter(|finding| finding.severity != Severity::Error)
    }
}

pub(super) fn check(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut files: Vec<ExperimentFile> = if arguments.files.is_empty() {
        experiments(&context.experiments)?
    } else {
        arguments
            .files
            .iter()
            .map(|name| experiment::named(context, name, &[]))
            .collect::<anyhow::Result<_>>()?
    };
    let sources = experiment::find_sources(context, &mut files);
    let (judged, trouble) = judge(context, files, &sources);
    let problems: Vec<Problem> = judged
        .iter()
        .flat_map(|one| &one.problems)
        .cloned()
        .collect();
    if context.json {
        output::answer_json(&judged.iter().map(answer).collect::<Vec<_>>())?;
    } else if judged.is_empty() {
        let folder = shown(&context.experiments);
        output::note(context, &format!("there is no experiment file in {folder}"));
    } else {
        output::answer(&judged.iter().filter_map(good).collect::<String>())?;
    }
    if problems.is_empty() {
        return trouble.map_or(Ok(Exit::Done), |trouble| Err(trouble.into()));
    }
    // Otherwise a file without problems would be left out, or not be `ok`, without a reason.
    if let Some(Failure { what, help, .. }) = &trouble {
        output::warn(context, what);
        if let Some(help) = help {
            output::help(context, help);
        }
    }
    if context.json {
        Ok(Exit::Input)
    } else {
        Err(Problems(problems).into())
    }
}

/// Checks the files, the downloads that they need and the experiments that they start from, and asks the worker. Also returns why
/// the worker could not answer.
fn judge(
    context: &Context,
    files: Vec<ExperimentFile>,
    sources: &[Option<PathBuf>],
) -> (Vec<Judged>, Option<Failure>) {
    let has_source = |file: &ExperimentFile| {
        file.loaded
            .as_ref()
            .is_ok_and(|experiment| experiment.init.is_some())
    };
    let runs = files.iter().any(has_source).then(|| context.runs().1);
    let lacks_run = |(file, source): (&ExperimentFile, Option<&Path>)| {
        let (Some(runs), Ok(experiment)) = (&runs, &file.loaded) else {
            return None;
        };
        ensure_source(experiment, source, files.iter(), runs).err()
    };
    let sources = sources.iter().map(Option::as_deref);
    let without_run: Vec<Option<Failure>> = files.iter().zip(sources).map(lacks_run).collect();
    let good: Vec<&ExperimentFile> = files.iter().filter(|file| file.loaded.is_ok()).collect();
    let (answers, trouble) = match check_experiments(
        &good
            .iter()
            .map(|file| file.path.as_path())
            .collect::<Vec<_>>(),
    ) {
        Ok(answers) => (answers, None),
        Err(trouble) => (Vec::new(), Some(trouble)),
    };
    let (mut answers, paths) = (answers.into_iter(), SearchPaths::from_env());
    let judged = files
        .into_iter()
        .zip(without_run)
        .map(|(file, without_run)| {
            let mut checked = Checked::default();
            let problems = if let Err(problems) = &file.loaded {
                problems.clone()
            } else {
                checked = answers.next().unwrap_or_default();
                lacks(&file, &paths, &mut checked.findings);
                if let Some(Failure { what, help, .. }) = without_run {
                    checked.findings.push(Finding::error(
                        "init.from",
                        what,
                        help.unwrap_or_default(),
                    ));
                }
                let errors = checked
                    .findings
                    .iter()
                    .filter(|finding| finding.severity == Severity::Error);
                errors
                    .map(|error| {
                        Problem::in_file(&file.path, &error.field, &error.text, &error.help)
                    })
                    .collect()
            };
            let has_verdict = trouble.is_none() || !problems.is_empty();
            Judged {
                file,
                problems,
                checked,
                has_verdict,
            }
        })
        .collect();
    (judged, trouble)
}

/// Adds what is missing here: a launch downloads it, or fails. Leaves out what the worker has found already.
fn lacks(file: &ExperimentFile, paths: &SearchPaths, findings: &mut Vec<Finding>) {
    let experiments = file.of_runs();
    let has_folder = experiments
        .iter()
        .any(|experiment| experiment.dataset.folder().is_some());
    let of_worker = findings.len();
    for lack in paths.missing(&experiments) {
        let is_data = lack.text.starts_with("data:");
        let field = if is_data { "dataset" } else { "model.weights" };
        let is_own = is_data && has_folder;
        let is_reported = findings[..of_worker].iter().any(|one| match one.severity {
            Severity::Error => one.field.starts_with(field),
            _ => lack.is_fetched && !is_data && one.field == field,
        });
        if lack.is_fetched && !is_reported {
            findings.push(Finding::note(field, format!("not here yet: {}", lack.text)));
        } else if !is_reported {
            let field = if is_own { "dataset.path" } else { field };
            findings.push(Finding::error(
                field,
                format!("not here: {}", lack.text),
                "a launch would end with this",
            ));
        }
    }
}

/// The report on a file that can be launched.
fn good(judged: &Judged) -> Option<String> {
    let experiment = judged
        .file
        .loaded
        .as_ref()
        .ok()
        .filter(|_| judged.problems.is_empty() && judged.has_verdict)?;
    let mut out = format!("{}: ok: {}\n", shown(&judged.file.path), experiment.name);
    out += &judged
        .checked
        .pictures
        .as_ref()
        .and_then(|counts| pictures(experiment, counts))
        .unwrap_or_default();
    for note in judged.notes() {
        let label = if note.severity == Severity::Warning {
            "warning: "
        } else {
            ""
        };
        let help = if note.help.is_empty() {
            String::new()
        } else {
            format!("; {}", note.help)
        };
        let _ = writeln!(out, "  {label}{}{help}", note.text);
    }
    Some(out)
}

/// The content of an image folder: splits, classes, and their imbalance. Counts only readable images.
fn pictures(experiment: &Experiment, counts: &Counts) -> Option<String> {
    let all = |part: &[u64]| thousands(part.iter().sum());
    let split = |own: bool| if own { "" } else { " (split off)" };
    let shown = text::distinct(counts.classes.iter().map(String::as_str), 80);
    let named = |class: usize| format!("{} {}", shown[class], thousands(counts.train[class]));
    let classes = 0..shown.len().min(counts.train.len());
    let names: Vec<String> = classes.clone().map(named).collect();
    let most = classes
        .clone()
        .rev()
        .max_by_key(|class| counts.train[*class])?;
    let fewest = classes.min_by_key(|class| counts.train[*class])?;
    let ratio = counts.train[most] as f64 / counts.train[fewest].max(1) as f64;
    let mut out = format!(
        "  pictures: training {}, validation {}{}, test {}{}\n  {} classes: {}\n",
        all(&counts.train),
        all(&counts.validation),
        split(counts.own_validation),
        all(&counts.test),
        split(counts.own_test),
        names.len(),
        listed(&names)
    );
    if ratio > 1.0 {
        let _ = writeln!(
            out,
            "  imbalance {ratio:.1} to 1: {}, {}",
            named(most),
            named(fewest)
        );
    }
    let train = &experiment.train;
    let is_even = train.class_weights.is_some() || train.sampler.is_some();
    if ratio >= UNEVEN && !is_even && experiment.probe.is_none() {
        out += "  `train.class_weights: balanced` makes up for classes that are so uneven\n";
    }
    Some(out)
}

fn answer(judged: &Judged) -> Answer<'_> {
    Answer {
        file: output::json_path(&judged.file.path),
        ok: judged.problems.is_empty() && judged.has_verdict,
        problems: judged.problems.iter().map(ProblemAnswer::from).collect(),
        notes: judged.notes().collect(),
        pictures: judged.checked.pictures.as_ref(),
    }
}
