//! What is wrong or odd about the pictures of an experiment. `warmstart check` and a launch use the same findings, and fail on the
//! same errors.

use std::collections::BTreeMap;

use warmstart_runs::pictures::{Content, listed};
use warmstart_schema::experiment::{Experiment, ImageFolder, SplitRule};
use warmstart_schema::finding::{Finding, Severity};
use warmstart_schema::look::Split;

use super::folder_splits::InspectedFolder;
use super::inspect::{Inspected, Unread};
use super::splits::Splits;
use crate::failure::UserError;
use crate::train::steps_per_epoch;

const DATASET: &str = "dataset";

/// The findings about the splits, errors first.
pub fn verdict(experiment: &Experiment, splits: &Splits) -> Vec<Finding> {
    let mut findings = splits
        .folder
        .as_ref()
        .zip(experiment.dataset.folder())
        .map(|(folder, wanted)| of_folder(experiment, wanted, splits, folder))
        .unwrap_or_default();
    if !findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
    {
        findings.extend(too_few(experiment, splits));
    }
    if let Some(limit) = experiment.dataset.limit {
        let text = format!(
            "dataset.limit: only {limit} images are used, so do not compare the figures with those of other runs"
        );
        findings.push(Finding::warning("dataset.limit", text));
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// The error that a launch ends with, where it does.
pub fn refusal(findings: &[Finding]) -> Option<anyhow::Error> {
    let error = findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)?;
    Some(UserError::input(&error.text, &error.help))
}

fn too_few(experiment: &Experiment, splits: &Splits) -> Option<Finding> {
    let [train, validation, test] =
        [&splits.train, &splits.validation, &splits.test].map(|part| part.members.len());
    let (batch_size, accumulate) = (
        experiment.train.batch_size as usize,
        experiment.train.accumulate as usize,
    );
    let is_enough =
        steps_per_epoch(train, batch_size, accumulate) > 0 && validation > 0 && test > 0;
    let text =
        format!("{train} training, {validation} validation and {test} test images are too few");
    let help = if experiment.dataset.limit.is_some() {
        "raise dataset.limit, or change dataset.validation"
    } else {
        "change dataset.validation, or bring more images"
    };
    (!is_enough).then(|| Finding::error(DATASET, text, help))
}

fn of_folder(
    experiment: &Experiment,
    wanted: &ImageFolder,
    splits: &Splits,
    folder: &InspectedFolder,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = folder
        .layout
        .remarks
        .iter()
        .map(|remark| Finding::warning("dataset.path", remark))
        .collect();
    let empty = &folder.layout.empty;
    if !empty.is_empty() {
        let text = format!("folders without pictures are no classes: {}", listed(empty));
        findings.push(Finding::warning("dataset.path", text));
    }
    findings.extend(
        folder
            .unused
            .sentences()
            .into_iter()
            .map(|text| Finding::warning("dataset.path", text)),
    );
    findings.extend(
        folder
            .unused
            .plain()
            .map(|text| Finding::note("dataset.path", text)),
    );
    for which in Split::ALL {
        findings.extend(nothing_in((experiment, wanted), splits, folder, which));
    }
    if folder.is_inspected() {
        let names = splits.labels.shown();
        findings.extend(unreadable(wanted.strict, &names, folder));
        findings.extend(lacking(&names, folder));
        findings.extend(copies(folder));
    }
    findings
}

/// That a part has no picture, or none that can be read.
fn nothing_in(
    (experiment, wanted): (&Experiment, &ImageFolder),
    splits: &Splits,
    folder: &InspectedFolder,
    which: Split,
) -> Option<Finding> {
    let found = folder.inspected(which);
    let part = which.adjective();
    if found.kept.is_empty() && !found.unreadable.is_empty() {
        let count = found.unreadable.len();
        let text = format!(
            "none of the {count} {part} pictures can be read: {}",
            texts(&found.unreadable)
        );
        return Some(Finding::error(
            DATASET,
            text,
            "replace or convert them; look at one of them with another program",
        ));
    }
    let members = match which {
        Split::Train => &splits.train.members,
        Split::Validation => &splits.validation.members,
        Split::Test => &splits.test.members,
    };
    if !members.is_empty() || which == Split::Train {
        return None;
    }
    let (field, share, folder) = match which {
        Split::Test => ("dataset.test", wanted.test_share(), "test"),
        _ => ("dataset.validation", experiment.dataset.validation, "val"),
    };
    let (why, change) = match wanted.split_rule() {
        SplitRule::ByName => (
            format!("each comes into it by its own name, with a chance of {share} ({field})"),
            "choose another seed, ",
        ),
        SplitRule::ByOrder => (
            format!("a share of {share} ({field}) of so few pictures is none"),
            "",
        ),
    };
    let text = format!("no picture falls into the {part} part: {why}");
    let help = format!(
        "bring more pictures, raise {field}, {change}or put {part} pictures into {folder}/<class>/"
    );
    Some(Finding::error(field, text, help))
}

/// Some of many pictures that cannot be read, with the reasons.
fn texts(unreadable: &[Unread]) -> String {
    listed(
        &unreadable
            .iter()
            .map(|unread| unread.text.clone())
            .collect::<Vec<_>>(),
    )
}

/// Unreadable images, and classes without a readable one.
fn unreadable(strict: bool, names: &[String], folder: &InspectedFolder) -> Vec<Finding> {
    let train = folder.inspected(Split::Train);
    let mut findings = Vec::new();
    let has_pictures =
        |found: &Inspected, class: usize| found.read.get(class).is_some_and(|count| *count > 0);
    let was_listed = |class: usize| train.listed.get(class).is_some_and(|count| *count > 0);
    for (class, name) in names
        .iter()
        .enumerate()
        .filter(|(class, _)| was_listed(*class) && !has_pictures(train, *class))
    {
        let theirs: Vec<String> = train
            .unreadable
            .iter()
            .filter(|one| one.class as usize == class)
            .map(|one| one.text.clone())
            .collect();
        let text = format!(
            "class {name} is empty: none of its {} training pictures can be read: {}",
            theirs.len(),
            listed(&theirs)
        );
        let help = format!("replace or convert them, or take {name} away");
        findings.push(if strict {
            Finding::error(
                DATASET,
                text,
                format!("{help}; without dataset.strict the run continues without them"),
            )
        } else {
            Finding::warning(DATASET, text)
                .help(format!("{help}; dataset.strict: true makes this end a run"))
        });
    }
    let learnt = (0..names.len())
        .filter(|class| has_pictures(train, *class))
        .count();
    if learnt == 1 {
        let name = (0..names.len())
            .find(|class| has_pictures(train, *class))
            .map_or("", |class| &names[class]);
        let text = format!("only class {name} has training pictures that can be read");
        findings.push(Finding::error(
            DATASET,
            text,
            "expected two classes or more: bring training pictures of the others that can be read",
        ));
    }
    let all: Vec<String> = Split::ALL
        .iter()
        .flat_map(|which| &folder.inspected(*which).unreadable)
        .map(|one| one.text.clone())
        .collect();
    if !all.is_empty() {
        let pictures = if all.len() == 1 {
            "1 picture".to_owned()
        } else {
            format!("{} pictures", all.len())
        };
        findings.push(if strict {
            let text = format!("{pictures} cannot be read: {}", listed(&all));
            Finding::error(
                "dataset.strict",
                text,
                "mend or remove what cannot be read, or leave dataset.strict out",
            )
        } else {
            let that = if all.len() == 1 {
                "picture"
            } else {
                "pictures"
            };
            Finding::warning(
                DATASET,
                format!(
                    "left out {} {that} that cannot be read: {}",
                    all.len(),
                    listed(&all)
                ),
            )
        });
    }
    findings
}

/// Classes that a part lacks.
fn lacking(names: &[String], folder: &InspectedFolder) -> Vec<Finding> {
    let mut findings = Vec::new();
    for which in Split::ALL {
        let found = folder.inspected(which);
        if found.kept.is_empty() {
            continue;
        }
        let lacks = |class: usize| match which {
            // Where there were pictures which cannot be read, that has been said.
            Split::Train => found.listed.get(class).is_none_or(|count| *count == 0),
            _ => found.read.get(class).is_none_or(|count| *count == 0),
        };
        let lacking: Vec<String> = names
            .iter()
            .enumerate()
            .filter(|(class, _)| lacks(*class))
            .map(|(_, name)| name.clone())
            .collect();
        if lacking.is_empty() {
            continue;
        }
        let part = which.adjective();
        let (are, say) = if lacking.len() == 1 {
            ("class has", "it")
        } else {
            ("classes have", "them")
        };
        let what = if which == Split::Train {
            "nothing is learnt of"
        } else {
            "its figures say nothing of"
        };
        let text = format!(
            "{} {are} no {part} picture, so that {what} {say}: {}",
            lacking.len(),
            listed(&lacking)
        );
        findings.push(Finding::warning(DATASET, text));
    }
    findings
}

/// Exact copies of a picture in two parts, or in two classes.
fn copies(folder: &InspectedFolder) -> Vec<Finding> {
    let class = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
    let mut first: BTreeMap<&Content, (Split, &str)> = BTreeMap::new();
    let mut across: BTreeMap<(Split, Split), Vec<String>> = BTreeMap::new();
    let mut two_classes = Vec::new();
    for which in Split::ALL {
        for kept in &folder.inspected(which).kept {
            let (part, name) = *first.entry(&kept.content).or_insert((which, &kept.name));
            if part != which {
                across
                    .entry((which, part))
                    .or_default()
                    .push(format!("{} = {name}", kept.name));
            }
            if class(name) != class(&kept.name) {
                two_classes.push(format!("{} = {name}", kept.name));
            }
        }
    }
    let mut findings: Vec<Finding> = across
        .into_iter()
        .map(|((which, part), names)| {
            let (are, look) = if names.len() == 1 {
                ("picture is an exact copy", "its")
            } else {
                ("pictures are exact copies", "their")
            };
            Finding::warning(
                DATASET,
                format!(
                    "{} {} {are} of {} pictures, so that {look} figures may look better than they are: {}",
                    names.len(),
                    which.adjective(),
                    part.adjective(),
                    listed(&names)
                ),
            )
        })
        .collect();
    if !two_classes.is_empty() {
        let lie = if two_classes.len() == 1 {
            "picture lies"
        } else {
            "pictures lie"
        };
        let text = format!(
            "{} {lie} in two classes: {}",
            two_classes.len(),
            listed(&two_classes)
        );
        findings.push(Finding::warning(DATASET, text));
    }
    findings
}
