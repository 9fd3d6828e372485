//! A field of an experiment's file is changed.

use std::path::PathBuf;

use warmstart_schema::experiment::parse;
use warmstart_schema::text;

use crate::effect::{Effect, Writing};
use crate::format;
use crate::message::Report;
use crate::model::available;
use crate::model::{Destination, Editor, Model, Palette, Popup, Source};

/// Reads the file as it is at this moment.
pub fn begin(model: &Model) -> Vec<Effect> {
    let file = available::experiment_file(model);
    file.map(|file| Effect::ReadExperiment(file.path.clone()))
        .into_iter()
        .collect()
}

/// The file was read: one of its fields is asked for.
pub fn read(model: &mut Model, path: PathBuf, text: Result<String, String>) {
    // Whoever opened something else meanwhile is not disturbed.
    if model.popup.is_some() {
        return;
    }
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
        Ok(source) => model.popup = Some(Popup::Palette(Palette::of_fields(source))),
        Err(text) => model.report = Some(Report { good: false, text }),
    }
}

/// The field is known: its value is asked for.
pub fn open(model: &mut Model, source: Source, path: &str) -> Vec<Effect> {
    model.popup = Editor::new(source, path, Destination::NewFile)
        .map(|editor| Popup::Editor(Box::new(editor)));
    Vec::new()
}

/// A new file, or the file itself.
pub fn turn_destination(model: &mut Model) {
    if let Some(Popup::Editor(editor)) = &mut model.popup {
        editor.turn();
    }
}

/// Between the value and the new file's name.
pub fn turn_focus(model: &mut Model) {
    if let Some(Popup::Editor(editor)) = &mut model.popup {
        editor.step();
    }
}

/// Writes what is shown; a mistake stands there until it is mended.
pub fn accept(model: &mut Model) -> Vec<Effect> {
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
