//! Compares two experiments side by side.

use crate::available::difference_target;
use crate::effect::Effect;
use crate::message::Report;
use crate::model::{CompareView, Model, Popup, Screen, Target};
use warmstart_report::compare::{Columns, Selection};

/// Compares the experiments of two marked runs; with more marked runs opens the comparison;
/// otherwise asks for the other experiment.
pub(super) fn begin(model: &mut Model) -> Vec<Effect> {
    let marked = super::list::compared(model).unwrap_or_default();
    match &marked[..] {
        [one, other] => {
            let (one, other) = (Target::Run(one.clone()), Target::Run(other.clone()));
            return open(model, &one, &other);
        }
        [] => {}
        _ => {
            let mut view = CompareView::default();
            view.options.selection = Selection::Runs(marked);
            view.options.columns = Columns::Config;
            view.options.transposed = true;
            model.show(Screen::Compare(view));
            return Vec::new();
        }
    }
    if let Some(target) = difference_target(model) {
        model.popup = Some(Popup::Palette(model.partners(target)));
    }
    Vec::new()
}

pub(super) fn open(model: &mut Model, one: &Target, other: &Target) -> Vec<Effect> {
    match model.difference(one, other) {
        Ok(difference) => model.popup = Some(Popup::Difference(difference)),
        Err(text) => model.report = Some(Report { good: false, text }),
    }
    Vec::new()
}

/// Shows all fields, or only those that differ.
pub(super) fn toggle(model: &mut Model) {
    if let Some(Popup::Difference(difference)) = &mut model.popup {
        difference.all = !difference.all;
        difference.down = 0;
    }
}
