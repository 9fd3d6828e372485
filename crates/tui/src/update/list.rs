//! What keys do to the list of experiments and to the runs that are marked in it.

use tui_input::Input;
use warmstart_runs::run::RunId;
use warmstart_schema::annotation::{BadTag, TagChange};

use crate::columns::columns;
use crate::effect::{Effect, Notation, Undo};
use crate::format::plural;
use crate::message::{Command, Report};
use crate::model::{Asked, Kind, Listing, Model, Popup, Screen};
use warmstart_runs::store::Change;
use warmstart_runs::trash;

/// Deletions and notes that can be taken back.
const REMEMBERED: usize = 20;

/// Why a command of the list can do nothing here.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let no_run = || {
        model
            .targets()
            .is_empty()
            .then(|| "there is no run here".to_owned())
    };
    match command {
        Command::Mark | Command::Tag | Command::Note | Command::Archive => no_run(),
        Command::MarkAll => model
            .runs
            .is_empty()
            .then(|| "there is no run to mark".to_owned()),
        Command::Delete => no_run().or_else(|| trash::obstacle(&model.runs, &ids(model))),
        Command::Undo => model
            .undo
            .is_empty()
            .then(|| "there is nothing to take back".to_owned()),
        Command::Expand => expandable(model).err(),
        _ => None,
    }
}

/// Does what a key of the list means.
pub fn run_command(model: &mut Model, command: Command) -> Vec<Effect> {
    match command {
        Command::Expand => expand(model),
        Command::Flat => flat(model),
        Command::Archived => archived(model),
        Command::Columns => model.popup = Some(Popup::Columns { chosen: 0 }),
        Command::Mark => mark(model),
        Command::MarkAll => mark_all(model),
        Command::Tag => prompt(model, Asked::Tags),
        Command::Note => prompt(model, Asked::Note),
        Command::Archive => return archive(model),
        Command::Delete => delete(model),
        Command::Undo => return model.undo.pop().map(Effect::TakeBack).into_iter().collect(),
        _ => {}
    }
    Vec::new()
}

fn ids(model: &Model) -> Vec<RunId> {
    model
        .targets()
        .into_iter()
        .map(|run| run.id.clone())
        .collect()
}

fn list(model: &mut Model) -> Option<&mut Listing> {
    if let Screen::Experiments(list) = &mut model.open {
        Some(list)
    } else {
        None
    }
}

/// The file of the experiment under the cursor, if it has runs.
fn expandable(model: &Model) -> Result<std::path::PathBuf, String> {
    let entry = model
        .selected_entry()
        .filter(|entry| entry.kind != Kind::Run);
    let file = entry
        .as_ref()
        .and_then(|entry| entry.file)
        .ok_or("v shows experiments, each with its runs")?;
    if model.runs.latest_of(&file.home()).is_none() {
        return Err(format!("{} has no run yet", file.label()));
    }
    Ok(file.path.clone())
}

fn expand(model: &mut Model) {
    let Ok(path) = expandable(model) else { return };
    let Some(list) = list(model) else { return };
    if !list.expanded.remove(&path) {
        list.expanded.insert(path.clone());
        return;
    }
    // From one of the runs that are gone back to their experiment.
    list.selection.keep(crate::model::Place::File(path));
}

fn flat(model: &mut Model) {
    if let Some(list) = list(model) {
        list.flat = !list.flat;
    }
}

pub fn sort(model: &mut Model) {
    if let Some(list) = list(model) {
        list.sort_by_next();
    }
}

/// By a column of the list; again: the other way round.
pub fn sort_by(model: &mut Model, column: usize) {
    let Some(list) = list(model) else { return };
    let Some(column) = list.columns.get(column).copied() else {
        return;
    };
    list.reversed = list.sort == Some(column) && !list.reversed;
    list.sort = Some(column);
}

pub fn reverse(model: &mut Model) {
    if let Some(list) = list(model) {
        list.reversed = !list.reversed;
    }
}

fn archived(model: &mut Model) {
    let Some(list) = list(model) else { return };
    list.archived = !list.archived;
    let text = if list.archived {
        "what was put away is shown"
    } else {
        "what was put away is hidden"
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

/// Marks every run that is shown; where all are, none.
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

fn prompt(model: &mut Model, asked: Asked) {
    let runs = model.targets();
    let input = match (asked, &runs[..]) {
        (Asked::Note, [run]) => Input::new(run.annotation.note.clone()),
        _ => Input::default(),
    };
    model.popup = Some(Popup::Prompt {
        asked,
        runs: runs.into_iter().map(|run| run.id.clone()).collect(),
        input,
    });
}

/// What is typed as tags: words that begin with + or -.
pub fn tag_changes(text: &str) -> Result<Vec<TagChange>, BadTag> {
    text.split_whitespace().map(TagChange::parse).collect()
}

/// Takes what was typed or chosen; nothing where neither is under way.
pub fn accept(model: &mut Model) -> Option<Vec<Effect>> {
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
    let Some(Popup::Prompt { asked, runs, input }) = &model.popup else {
        return None;
    };
    let notation = match asked {
        // The mistake stands below what is typed.
        Asked::Tags => match tag_changes(input.value()) {
            Ok(changes) if changes.is_empty() => None,
            Ok(changes) => Some(Notation::Tags(changes)),
            Err(_) => return Some(Vec::new()),
        },
        Asked::Note => Some(Notation::Note(input.value().to_owned())),
    };
    let runs = runs.clone();
    model.popup = None;
    Some(
        notation
            .into_iter()
            .map(|notation| Effect::Annotate {
                runs: runs.clone(),
                notation,
            })
            .collect(),
    )
}

/// Puts runs away; those that all are away already come back.
fn archive(model: &mut Model) -> Vec<Effect> {
    let archived = !model.targets().iter().all(|run| run.annotation.archived);
    vec![Effect::Annotate {
        runs: ids(model),
        notation: Notation::Archived(archived),
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
    lines.extend((done > 0 && runs.len() > 1).then(|| format!("{done} of them have been tested.")));
    let days = trash::KEPT.as_secs() / (24 * 60 * 60);
    lines.push(format!(
        "U brings it back; after {days} days in the trash it is gone for good."
    ));
    let effects = vec![Effect::Delete(
        runs.iter().map(|run| run.id.clone()).collect(),
    )];
    model.popup = Some(Popup::Question { lines, effects });
}

/// Something was done that can be taken back.
pub fn take_done(model: &mut Model, undo: Option<Undo>, changes: Vec<Change>, report: Report) {
    for change in changes {
        model.runs.apply(change);
    }
    if matches!(undo, Some(Undo::Deleted(_)))
        && let Some(list) = list(model)
    {
        list.marked.clear();
    }
    model.undo.extend(undo);
    let old = model.undo.len().saturating_sub(REMEMBERED);
    model.undo.drain(..old);
    model.report = Some(report);
}

/// The marked runs, where there are at least two.
pub fn compared(model: &Model) -> Option<Vec<RunId>> {
    let marked = ids(model);
    (marked.len() > 1).then_some(marked)
}
