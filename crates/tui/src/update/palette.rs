//! Applies the selected candidate of the palette.

use std::path::Path;

use warmstart_report::query::Subject;
use warmstart_runs::run::RunId;

use super::opening;
use crate::effect::Effect;
use crate::message::Report;
use crate::model::{Filter, Model, Palette, Place, Popup, Purpose, Screen, Target};

/// Runs the selected candidate; without one the palette stays open.
pub(super) fn accept(model: &mut Model) -> Vec<Effect> {
    let Some(Popup::Palette(palette)) = &model.popup else {
        return Vec::new();
    };
    let Some(target) = palette.chosen().map(|candidate| candidate.target.clone()) else {
        return Vec::new();
    };
    let Some(Popup::Palette(Palette { purpose, .. })) = model.popup.take() else {
        return Vec::new();
    };
    match (purpose, target) {
        (Purpose::Run, Target::Action(command)) => super::run_command(model, command),
        (Purpose::Run, Target::Experiment(path)) => go_to_experiment(model, &path),
        (Purpose::Run, Target::Run(id)) => go_to_run(model, id),
        (Purpose::CompareWith(one), other) => super::difference::open(model, &one, &other),
        (Purpose::Field(source), Target::Field(path)) => super::editor::open(model, *source, &path),
        (_, Target::Field(_)) | (Purpose::Field(_), _) => Vec::new(),
    }
}

/// Returns to the list, selects this experiment and removes filters that hide it. Reports an experiment
/// that is gone.
pub(super) fn go_to_experiment(model: &mut Model, path: &Path) -> Vec<Effect> {
    let left = leave_dataset(model);
    if !model.below.is_empty() {
        model.open = model.below.swap_remove(0);
        model.below.clear();
    }
    if select(model, path) {
        return left;
    }
    let text = format!("{} is not in the list any more", crate::format::path(path));
    model.report = Some(Report { good: false, text });
    left
}

/// Selects an experiment in the open list and removes filters that hide it. Returns false, and keeps
/// the filters, if the list would not have it without them either.
fn select(model: &mut Model, path: &Path) -> bool {
    if select_shown(model, path) {
        return true;
    }
    let Screen::Experiments(list) = &mut model.open else {
        return false;
    };
    let filter = std::mem::take(&mut list.filter);
    let flat = std::mem::take(&mut list.flat);
    if select_shown(model, path) {
        return true;
    }
    if let Screen::Experiments(list) = &mut model.open {
        (list.filter, list.flat) = (filter, flat);
    }
    model.refresh_list();
    false
}

/// Selects an experiment that the open list shows. Returns false if it shows none.
fn select_shown(model: &mut Model, path: &Path) -> bool {
    model.refresh_list();
    let Screen::Experiments(list) = &mut model.open else {
        return false;
    };
    list.select_place(&Place::File(path.to_path_buf()))
}

/// Selects the newly written file once the list has it, and removes filters that hide it. A filter that the user is typing stays.
pub(super) fn select_awaited(model: &mut Model) {
    let Some(path) = model.awaited.take() else {
        return;
    };
    let mut files = model
        .catalogue
        .iter()
        .flat_map(|catalogue| catalogue.files.iter().enumerate());
    let Some((index, file)) = files.find(|(_, file)| file.path == path) else {
        model.awaited = Some(path);
        return;
    };
    if let Screen::Experiments(list) = &model.open {
        // Without its filter, the next letters would be commands.
        if matches!(list.filter, Filter::Typing(_)) {
            select_shown(model, &path);
        } else {
            select(model, &path);
        }
    } else if let Some(Screen::Experiments(list)) = model.below.first_mut() {
        // The rows of a list below other screens are not up to date.
        let group = model.groups.get(index).map_or("", String::as_str);
        let run = model.runs.latest_of(&file.experiment_key());
        if list.flat || !list.filter.matches(&Subject::new(Some(file), run, group)) {
            list.filter = Filter::Off;
            list.flat = false;
        }
        list.selection.keep(Place::File(path));
    }
}

/// Opens a run's screen on top of the open one, or leaves it open.
fn go_to_run(model: &mut Model, id: RunId) -> Vec<Effect> {
    if model.runs.get(&id).is_none() {
        model.report = Some(Report {
            good: false,
            text: format!("run {id} is not there any more"),
        });
        return Vec::new();
    }
    let mut effects = leave_dataset(model);
    let is_open = matches!(&model.open, Screen::Run(view) if view.id == id);
    effects.push(if is_open {
        // Its log may have grown.
        Effect::ReadWorkerLog(id)
    } else {
        opening::show_run(model, id, Vec::new())
    });
    effects
}

/// Closes the dataset screen, which ends its worker.
fn leave_dataset(model: &mut Model) -> Vec<Effect> {
    let Screen::Dataset(_) = model.open else {
        return Vec::new();
    };
    let Some(below) = model.below.pop() else {
        return Vec::new();
    };
    model.open = below;
    vec![Effect::CloseDataset]
}
