//! Annotates and deletes runs, and undoes both.

use std::path::Path;

use warmstart_runs::run::RunId;
use warmstart_schema::annotation::{Annotation, BadTag};
use warmstart_schema::text;

use super::Progress;
use crate::effect::{AnnotationChange, Undo};
use crate::format::plural;
use crate::message::{Message, Report};
use warmstart_runs::actions;
use warmstart_runs::store::Change;
use warmstart_runs::trash::{self, Trashed};

pub fn annotate(
    root: &Path,
    runs: &[RunId],
    change: &AnnotationChange,
    mut progress: Progress,
) -> Message {
    let (mut undo, mut changes) = (Vec::new(), Vec::new());
    let mut failed = None;
    for id in runs {
        match actions::annotate(root, id, |annotation| change.apply(annotation)) {
            Ok((before, annotation)) => {
                undo.push((id.clone(), before));
                progress.at(undo.len());
                changes.push(Change::Annotation {
                    id: id.clone(),
                    annotation,
                });
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let said = format!("{} {}", named(undo.iter().map(|(id, _)| id)), change.past());
    let undo = (!undo.is_empty()).then_some(Undo::Annotated(undo));
    done(undo, changes, failed.map_or(Ok(said), Err))
}

/// Restores earlier annotations.
pub fn restore_annotations(root: &Path, before: &[(RunId, Annotation)]) -> Message {
    let mut changes = Vec::new();
    for (id, annotation) in before {
        let set = |now: &mut Annotation| -> Result<(), BadTag> {
            now.clone_from(annotation);
            Ok(())
        };
        if let Err(error) = actions::annotate(root, id, set) {
            return done(None, changes, Err(error));
        }
        changes.push(Change::Annotation {
            id: id.clone(),
            annotation: annotation.clone(),
        });
    }
    done(
        None,
        changes,
        Ok(format!(
            "{} as before",
            named(before.iter().map(|(id, _)| id))
        )),
    )
}

pub fn delete(root: &Path, runs: &[RunId], mut progress: Progress) -> Message {
    let mut trashed: Vec<Trashed> = Vec::new();
    let mut failed = None;
    for id in runs {
        match trash::delete(root, id) {
            Ok(one) => {
                trashed.push(one);
                progress.at(trashed.len());
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let changes = trashed
        .iter()
        .map(|one| Change::Removed { id: one.id.clone() })
        .collect();
    let said = format!(
        "{} deleted; U restores it",
        named(trashed.iter().map(|one| &one.id))
    );
    let undo = (!trashed.is_empty()).then_some(Undo::Deleted(trashed));
    done(undo, changes, failed.map_or(Ok(said), Err))
}

pub fn restore(root: &Path, trashed: &[Trashed], mut progress: Progress) -> Message {
    let result = trashed.iter().zip(1..).try_for_each(|(one, done)| {
        progress.at(done);
        trash::restore(root, one)
    });
    done(
        None,
        Vec::new(),
        result.map(|()| format!("{} restored", named(trashed.iter().map(|one| &one.id)))),
    )
}

/// One run by its name, several by their number.
fn named<'a>(mut runs: impl ExactSizeIterator<Item = &'a RunId>) -> String {
    match (runs.len(), runs.next()) {
        (1, Some(id)) => id.to_string(),
        (number, _) => plural(number, "run"),
    }
}

fn done(undo: Option<Undo>, changes: Vec<Change>, result: anyhow::Result<String>) -> Message {
    let (good, said) = match result {
        Ok(said) => (true, said),
        Err(error) => (false, format!("{error:#}")),
    };
    Message::Done {
        undo,
        changes,
        report: Report {
            good,
            text: text::line(&said, 400),
        },
    }
}
