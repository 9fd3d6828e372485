//! Applies the keys of the list of experiments and of its marked runs.

use tui_input::Input;
use warmstart_runs::run::RunId;
use warmstart_schema::annotation;

use crate::available::{expandable, target_ids};
use crate::columns::columns;
use crate::command::{Command, ListCommand};
use crate::effect::{Annotated, AnnotationChange, Effect, Undo};
use crate::format::plural;
use crate::message::Report;
use crate::model::{InputPrompt, Listing, Model, PathPurpose, Popup, PromptKind, Screen};
use warmstart_runs::store::Change;
use warmstart_runs::trash;

/// Deletions and annotations that undo keeps.
const REMEMBERED: usize = 20;

const UNDO: Command = Command::List(ListCommand::Undo);

/// Runs a command of the list.
pub(crate) fn run_command(model: &mut Model, command: ListCommand) -> Vec<Effect> {
    match command {
        ListCommand::Expand => expand(model),
        ListCommand::Flat => flat(model),
        ListCommand::Archived => archived(model),
        ListCommand::Columns => model.popup = Some(Popup::Columns { chosen: 0 }),
        ListCommand::New => {
            model.popup = Some(Popup::Input(InputPrompt::path(PathPurpose::NewExperiment)));
        }
        ListCommand::Mark => mark(model),
        ListCommand::MarkAll => mark_all(model),
        ListCommand::Tag => prompt(model, PromptKind::Tags),
        ListCommand::Note => prompt(model, PromptKind::Note),
        ListCommand::Archive => return archive(model),
        ListCommand::Delete => delete(model),
        ListCommand::Undo => {
            return model.undo.pop().map(Effect::Undo).into_iter().collect();
        }
    }
    Vec::new()
}

fn list(model: &mut Model) -> Option<&mut Listing> {
    if let Screen::Experiments(list) = &mut model.open {
        Some(list)
    } else {
        None
    }
}

fn expand(model: &mut Model) {
    let Ok(path) = expandable(model) else { return };
    let Some(list) = list(model) else { return };
    if !list.expanded.remove(&path) {
        list.expanded.insert(path.clone());
        return;
    }
    // Collapsing from a run selects its experiment.
    list.selection.keep(crate::model::Place::File(path));
}

fn flat(model: &mut Model) {
    if let Some(list) = list(model) {
        list.flat = !list.flat;
    }
}

pub(crate) fn sort(model: &mut Model) {
    if let Some(list) = list(model) {
        list.sort_by_next();
    }
}

/// Sorts by a column of the list, or reverses its order.
pub(crate) fn sort_by(model: &mut Model, column: usize) {
    let Some(list) = list(model) else { return };
    let Some(column) = list.columns.get(column).copied() else {
        return;
    };
    list.reversed = list.sort == Some(column) && !list.reversed;
    list.sort = Some(column);
}

pub(crate) fn reverse(model: &mut Model) {
    if let Some(list) = list(model) {
        list.reversed = !list.reversed;
    }
}

fn archived(model: &mut Model) {
    let Some(list) = list(model) else { return };
    list.archived = !list.archived;
    let text = if list.archived {
        "archived runs are shown"
    } else {
        "archived runs are hidden"
    };
    model.report = Some(Report {
        good: true,
        text: text.to_owned(),
    });
}

fn mark(model: &mut Model) {
    let Some(id) = model.run().map(|run| run.id.clone()) else {
        return;
    };
    if let Some(list) = list(model) {
        if !list.marked.remove(&id) {
            list.marked.insert(id);
        }
        list.step(1);
    }
}

/// Marks every shown run, or none if all are marked.
fn mark_all(model: &mut Model) {
    let shown: Vec<RunId> = model
        .shown_entries()
        .iter()
        .filter_map(|entry| Some(entry.run?.id.clone()))
        .collect();
    let Some(list) = list(model) else { return };
    let before = list.marked.len();
    list.marked.extend(shown);
    if list.marked.len() == before {
        list.marked.clear();
    }
}

fn prompt(model: &mut Model, kind: PromptKind) {
    let runs = model.targets();
    let input = match (kind, &runs[..]) {
        (PromptKind::Note, [run]) => Input::new(run.annotation.note.clone()),
        _ => Input::default(),
    };
    model.popup = Some(Popup::Prompt {
        kind,
        runs: runs.into_iter().map(|run| run.id.clone()).collect(),
        input,
    });
}

/// Toggles the chosen column, or accepts the open prompt; `None` if neither is open.
pub(crate) fn accept(model: &mut Model) -> Option<Vec<Effect>> {
    let chosen = match &model.popup {
        Some(Popup::Columns { chosen }) => Some(*chosen),
        _ => None,
    };
    if let Some(chosen) = chosen {
        match &mut model.open {
            Screen::Compare(view) => view.toggle(chosen),
            _ => list(model)?.toggle(columns().nth(chosen)?),
        }
        return Some(Vec::new());
    }
    let Some(Popup::Prompt { kind, runs, input }) = &model.popup else {
        return None;
    };
    let change = match kind {
        // The mistake is shown below the input.
        PromptKind::Tags => match annotation::tag_changes(input.value()) {
            Ok(changes) if changes.is_empty() => None,
            Ok(changes) => Some(AnnotationChange::Tags(changes)),
            Err(_) => return Some(Vec::new()),
        },
        PromptKind::Note => Some(AnnotationChange::Note(input.value().to_owned())),
    };
    let runs = runs.clone();
    model.popup = None;
    Some(
        change
            .into_iter()
            .map(|change| Effect::Annotate {
                runs: runs.clone(),
                change,
            })
            .collect(),
    )
}

/// Archives runs, or restores them if all are archived.
fn archive(model: &mut Model) -> Vec<Effect> {
    let archived = !model.targets().iter().all(|run| run.annotation.archived);
    vec![Effect::Annotate {
        runs: target_ids(model),
        change: AnnotationChange::Archived(archived),
    }]
}

fn delete(model: &mut Model) {
    let runs = model.targets();
    let what = match &runs[..] {
        [run] => format!("Delete {} ({})?", run.label(), run.id),
        runs => format!("Delete {}?", plural(runs.len(), "run")),
    };
    let done = runs.iter().filter(|run| run.state.test.is_some()).count();
    let mut lines = vec![what];
    let have = if done == 1 { "has" } else { "have" };
    lines.extend(
        (done > 0 && runs.len() > 1).then(|| format!("{done} of them {have} been tested.")),
    );
    let days = trash::KEPT.as_secs() / (24 * 60 * 60);
    let it = if runs.len() == 1 { "it" } else { "them" };
    let undo = model.key_hint(UNDO, &format!("restores {it}"));
    lines.push(format!("The trash keeps {it} for {days} days{undo}."));
    let effects = vec![Effect::Delete(
        runs.iter().map(|run| run.id.clone()).collect(),
    )];
    model.popup = Some(Popup::Question { lines, effects });
}

/// Records a change that undo can restore.
pub(crate) fn apply_done(
    model: &mut Model,
    undo: Option<Undo>,
    changes: Vec<Change>,
    mut report: Report,
) {
    if let Some(Undo::Deleted(runs)) = &undo {
        let it = if runs.len() == 1 { "it" } else { "them" };
        report.text += &model.key_hint(UNDO, &format!("restores {it}"));
    }
    let is_archived = |one: &Annotated| one.after.archived && !one.before.archived;
    if let Some(Undo::Annotated(annotated)) = &undo
        && report.good
        && annotated.iter().any(is_archived)
    {
        let archived = Command::List(ListCommand::Archived);
        report.text += &model.key_hint(archived, "shows archived runs");
        report.text += &model.key_hint(UNDO, "undoes it");
    }
    for change in changes {
        model.runs.apply(change);
    }
    model.undo.extend(undo);
    let old = model.undo.len().saturating_sub(REMEMBERED);
    model.undo.drain(..old);
    model.report = Some(report);
}

/// The marked runs, if there are at least two.
pub(crate) fn compared(model: &Model) -> Option<Vec<RunId>> {
    let marked = target_ids(model);
    (marked.len() > 1).then_some(marked)
}
