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
use warmstart_runs::store::{Change, Watcher};
use warmstart_runs::trash::{self, Trashed};

pub(super) fn annotate(
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
pub(super) fn restore_annotations(root: &Path, before: &[(RunId, Annotation)]) -> Message {
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

pub(super) fn delete(root: &Path, runs: &[RunId], mut progress: Progress) -> Message {
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
    let said = format!("{} deleted", named(trashed.iter().map(|one| &one.id)));
    let undo = (!trashed.is_empty()).then_some(Undo::Deleted(trashed));
    done(undo, changes, failed.map_or(Ok(said), Err))
}

/// The restored runs come with the answer: a watcher that missed a short deletion never announces them again.
pub(super) fn restore(root: &Path, trashed: &[Trashed], mut progress: Progress) -> Message {
    let (mut changes, mut result) = (Vec::new(), Ok(()));
    for (one, done) in trashed.iter().zip(1..) {
        progress.at(done);
        result = trash::restore(root, one);
        if result.is_err() {
            break;
        }
        changes.extend(Watcher::of(root, &one.id));
    }
    done(
        None,
        changes,
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

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::tests::fixtures::{DONE, data, id};

    #[test]
    fn restored_run_reappears_even_if_the_watcher_missed_its_deletion() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join(DONE);
        std::fs::create_dir(&run).unwrap();
        for entry in std::fs::read_dir(data().join("runs").join(DONE)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::copy(&path, run.join(path.file_name().unwrap())).unwrap();
            }
        }
        let (mut watcher, mut runs) = Watcher::read_all(root.path(), &[]);
        let before = runs.get(&id(DONE)).unwrap().state.epochs.len();
        let (sender, _messages) = unbounded_channel();
        let mut apply = |message| {
            let Message::Done { changes, undo, .. } = message else {
                panic!("{message:?}")
            };
            for change in changes {
                runs.apply(change);
            }
            undo
        };
        let deleted = delete(
            root.path(),
            &[id(DONE)],
            Progress::of(&sender, "deleting", 1),
        );
        let Some(Undo::Deleted(trashed)) = apply(deleted) else {
            panic!("nothing to undo")
        };
        apply(restore(
            root.path(),
            &trashed,
            Progress::of(&sender, "restoring", 1),
        ));
        for change in watcher.poll() {
            runs.apply(change);
        }
        assert_eq!(runs.get(&id(DONE)).unwrap().state.epochs.len(), before);
    }
}
