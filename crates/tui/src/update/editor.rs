//! Edits a field of an experiment file.

use std::path::PathBuf;

use warmstart_schema::experiment::parse;
use warmstart_schema::text;

use crate::available;
use crate::effect::{Effect, Writing};
use crate::format;
use crate::keys::Context;
use crate::message::Report;
use crate::model::{Destination, Editor, Model, Palette, Popup, Source};

/// Reads the current file.
pub(super) fn begin(model: &Model) -> Vec<Effect> {
    let file = available::experiment_file(model);
    file.map(|file| Effect::ReadExperiment(file.path.clone()))
        .into_iter()
        .collect()
}

/// Applies the file's text and asks for a field.
pub(super) fn read(model: &mut Model, path: PathBuf, text: Result<String, String>) {
    let label = text::line(&path.display().to_string(), 300);
    let understood = text.and_then(|text| match parse(&text, &label) {
        Ok(experiment) => Ok(Source {
            path,
            text,
            experiment,
        }),
        Err(problems) => Err(problems.first().map_or(String::new(), format::problem)),
    });
    match understood {
        // A popup that the user has opened since stays, and a filter that is typed keeps its keys.
        Ok(_) if model.popup.is_some() || model.context() == Context::Filter => {}
        Ok(source) => model.popup = Some(Popup::Palette(Palette::of_fields(source))),
        Err(text) => model.report = Some(Report { good: false, text }),
    }
}

/// Opens the editor of a field.
pub(super) fn open(model: &mut Model, source: Source, path: &str) -> Vec<Effect> {
    model.popup = Editor::new(source, path, Destination::NewFile)
        .map(|editor| Popup::Editor(Box::new(editor)));
    Vec::new()
}

/// Switches between a new file and the same file.
pub(super) fn turn_destination(model: &mut Model) {
    if let Some(Popup::Editor(editor)) = &mut model.popup {
        editor.turn();
    }
}

/// Switches between the value and the new file's name.
pub(super) fn turn_focus(model: &mut Model) {
    if let Some(Popup::Editor(editor)) = &mut model.popup {
        editor.step();
    }
}

/// Writes the file, unless it has a mistake.
pub(super) fn accept(model: &mut Model) -> Vec<Effect> {
    let Some(Popup::Editor(editor)) = &model.popup else {
        return Vec::new();
    };
    let Ok(draft) = &editor.draft else {
        return Vec::new();
    };
    let writing = Writing {
        source: editor.source.path.clone(),
        before: editor.source.text.clone(),
        text: draft.text.clone(),
        stem: (editor.target == Destination::NewFile)
            .then(|| editor.stem.value().trim().to_owned()),
    };
    model.popup = None;
    vec![Effect::WriteExperiment(Box::new(writing))]
}
