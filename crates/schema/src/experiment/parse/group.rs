//! The runs of a file with `seeds` or `grid`: each is parsed and checked as an experiment.

use serde_yaml::Value;

use super::checked::from_document;
use super::locate::locate_keys;
use super::problem::Problem;
use super::settings::{apply, changed_field, document, put, with_changes, without};
use crate::experiment::members::{self, Group, Member, Mistake, Settings};
use crate::experiment::{Experiment, halving};

/// The runs of an experiment with `seeds` or `grid`.
pub(super) fn group(
    experiment: &Experiment,
    source: &str,
    file: &str,
    overrides: &[String],
) -> Result<Group, Vec<Problem>> {
    let label = with_changes(file, overrides);
    // What `--set` changed has no line.
    let lines = overrides.is_empty().then_some(source);
    let problems = |mistakes: Vec<Mistake>| -> Vec<Problem> {
        let problem = |mistake| located(mistake, &label, lines);
        mistakes.into_iter().map(problem).collect()
    };
    let all = members::combinations(experiment).map_err(problems)?;
    let mut document = document(source, file)?;
    apply(&mut document, overrides)?;
    if let Some(mistake) = unused(experiment, &document, overrides) {
        return Err(problems(vec![mistake]));
    }
    let common = without(document, &["seeds", "grid"]);
    // The group has it in common, and no member has it.
    let of_each = without(common.clone(), &["halving"]);
    let of_first_seed = parsed(&all, &of_each, &label).map_err(problems)?;
    let members = of_seeds(experiment, &of_first_seed);
    let rounds =
        halving::of_members(experiment, &members).map_err(|mistake| problems(vec![mistake]))?;
    Ok(Group {
        identity: identity(experiment, common),
        members,
        rounds,
    })
}

/// The problem of a mistake, with its line if there is a text to find it in.
fn located(mistake: Mistake, label: &str, source: Option<&str>) -> Problem {
    let keys: Vec<&str> = mistake.keys.iter().map(String::as_str).collect();
    let problem = Problem::new(label, mistake.message)
        .field(&keys.join("."))
        .help(mistake.help);
    match source {
        Some(source) => problem.at(locate_keys(source, &keys), source),
        None => problem,
    }
}

/// A value that no run would use.
fn unused(experiment: &Experiment, document: &Value, overrides: &[String]) -> Option<Mistake> {
    if experiment.seeds.is_some() && document.get("seed").is_some() {
        let message = "is not used, because `seeds` names the seeds; expected one of the two";
        return Some(Mistake::at(&["seed"], message, "remove one of the two"));
    }
    let grid = experiment.grid.as_ref()?;
    overrides.iter().find_map(|change| {
        let changed = changed_field(change);
        let is_varied = |(field, _): &&(String, _)| members::overlap(field, changed);
        let (field, _) = grid.0.iter().find(is_varied)?;
        Some(Mistake::at(
            &["grid", field],
            format!("`--set {changed}` changes this field too; expected it in one of the two"),
            "change its values in the file, or leave out the `--set`",
        ))
    })
}

/// The members that have these settings, all with the seed of the document.
fn parsed(all: &[Settings], document: &Value, label: &str) -> Result<Vec<Member>, Vec<Mistake>> {
    let member = |settings: &Settings| {
        let mistakes = |found: Vec<Problem>| -> Vec<Mistake> {
            let mistake = |found| mistake_of(settings, found);
            found.into_iter().map(mistake).collect()
        };
        with_settings(document, settings, label)
            .map(|experiment| members::member(settings, experiment))
            .map_err(mistakes)
    };
    all.iter().map(member).collect()
}

fn with_settings(
    document: &Value,
    settings: &[(&str, &serde_json::Value)],
    label: &str,
) -> Result<Experiment, Vec<Problem>> {
    let mut document = document.clone();
    for (field, value) in settings {
        let fail = |message: String| vec![Problem::new(label, message).field(field)];
        let value = serde_yaml::to_value(value).map_err(|error| fail(error.to_string()))?;
        put(&mut document, field, value).map_err(fail)?;
    }
    from_document(document, label)
}

/// The members of all seeds: first every member with the first seed, then every member with the second.
fn of_seeds(experiment: &Experiment, of_first_seed: &[Member]) -> Vec<Member> {
    let one_seed = [experiment.seed];
    let seeds = experiment.seeds.as_deref().unwrap_or(&one_seed);
    let members = seeds.iter().flat_map(|&seed| {
        of_first_seed.iter().cloned().map(move |mut member| {
            member.experiment.seed = seed;
            member
        })
    });
    members.collect()
}

/// The problem of one member, at the field of the grid that it comes from.
fn mistake_of(settings: &[(&str, &serde_json::Value)], found: Problem) -> Mistake {
    let own = settings
        .iter()
        .find(|(field, _)| members::overlap(field, &found.field));
    let message = match own {
        Some((field, value)) if *field == found.field && !found.message.contains("found") => {
            format!("{}, with the value {value}", found.message)
        }
        Some((field, _)) if *field == found.field => found.message,
        Some(_) => format!("{}: {}", found.field, found.message),
        None => {
            let words: Vec<String> = settings
                .iter()
                .map(|(field, value)| format!("{field}={value}"))
                .collect();
            format!(
                "{}: {}, with {}",
                found.field,
                found.message,
                words.join(" ")
            )
        }
    };
    let keys = match own {
        Some((field, _)) => vec!["grid", field],
        None => vec!["grid"],
    };
    Mistake {
        help: found.help,
        ..Mistake::at(&keys, message, "")
    }
}

/// What two files of the same group have in common, as JSON with sorted keys.
fn identity(experiment: &Experiment, mut document: Value) -> String {
    let varied = experiment.grid.iter().flat_map(|grid| &grid.0);
    for (field, _) in varied {
        // The value below the grid is that of no run.
        let _ = put(&mut document, field, Value::Null);
    }
    let described = ["name", "group", "question", "reference", "seed", "slurm"];
    serde_json::to_value(without(document, &described))
        .map(|document| document.to_string())
        .unwrap_or_default()
}
