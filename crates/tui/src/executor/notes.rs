//! Annotates and deletes runs, and undoes both.

use std::path::Path;

use warmstart_runs::run::RunId;
use warmstart_schema::text;

use super::Progress;
use crate::effect::{Annotated, AnnotationChange, Undo};
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
            Ok((before, after)) => {
                changes.push(Change::Annotation {
                    id: id.clone(),
                    annotation: after.clone(),
                });
                undo.push(Annotated {
                    run: id.clone(),
                    before,
                    after,
                });
                progress.at(undo.len());
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let changed: Vec<&RunId> = undo.iter().map(|one| &one.run).collect();
    let result = outcome(&changed, change.past(), failed);
    let undo = (!undo.is_empty()).then_some(Undo::Annotated(undo));
    done(undo, changes, result)
}

/// Takes changes of annotations back. A run that fails does not keep the others from being restored: the undo is used up.
pub(super) fn restore_annotations(root: &Path, annotated: &[Annotated]) -> Message {
    let (mut changes, mut restored, mut failed) = (Vec::new(), Vec::new(), None);
    for one in annotated {
        match actions::annotate(root, &one.run, |now| one.take_back(now)) {
            Ok((_, annotation)) => {
                restored.push(&one.run);
                changes.push(Change::Annotation {
                    id: one.run.clone(),
                    annotation,
                });
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    done(None, changes, outcome(&restored, "as before", failed))
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
    let deleted: Vec<&RunId> = trashed.iter().map(|one| &one.id).collect();
    let result = outcome(&deleted, "deleted", failed);
    let undo = (!trashed.is_empty()).then_some(Undo::Deleted(trashed));
    done(undo, changes, result)
}

/// The restored runs come with the answer: a watcher that missed a short deletion never announces them again. A run that fails
/// does not keep the others in the trash: the undo is used up.
pub(super) fn restore(root: &Path, trashed: &[Trashed], mut progress: Progress) -> Message {
    let (mut changes, mut restored, mut failed) = (Vec::new(), Vec::new(), None);
    for (one, tried) in trashed.iter().zip(1..) {
        progress.at(tried);
        match trash::restore(root, one) {
            Ok(()) => {
                restored.push(&one.id);
                changes.extend(Watcher::of(root, &one.id));
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    done(None, changes, outcome(&restored, "restored", failed))
}

/// What was done to these runs. After a failure: the error, then the runs to which it was done.
fn outcome(runs: &[&RunId], how: &str, failed: Option<anyhow::Error>) -> anyhow::Result<String> {
    let said = format!("{} {how}", named(runs.iter().copied()));
    match failed {
        None => Ok(said),
        Some(error) if runs.is_empty() => Err(error),
        Some(error) => Err(anyhow::anyhow!("{error:#}; {said}")),
    }
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
    use warmstart_schema::annotation::{Annotation, BadTag, tag_changes};

    use super::*;
    use crate::tests::fixtures::{DONE, data, id};
    use warmstart_runs::run::RunDir;

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

    #[test]
    fn a_deletion_that_fails_midway_names_the_runs_that_are_deleted() {
        let root = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| {
            let run = root.path().join(name);
            std::fs::create_dir(&run).unwrap();
            std::fs::write(run.join("run.json"), "{}").unwrap();
            name.parse::<RunId>().unwrap()
        });
        let _worker = RunDir::of(root.path(), &b).lock().unwrap().unwrap();
        let (sender, _messages) = unbounded_channel();
        let progress = Progress::of(&sender, "deleting", 2);
        let message = delete(root.path(), &[a, b], progress);
        let Message::Done { report, .. } = message else {
            panic!("{message:?}")
        };
        assert!(!report.good);
        for part in ["run b has a worker", "a deleted"] {
            assert!(report.text.contains(part), "{}", report.text);
        }
    }

    /// A root with two runs that were just deleted, and a new folder in the place of the first.
    fn deleted_and_blocked() -> (tempfile::TempDir, [Trashed; 2]) {
        let root = tempfile::tempdir().unwrap();
        let trashed = ["a", "b"].map(|name| {
            let run = root.path().join(name);
            std::fs::create_dir(&run).unwrap();
            std::fs::write(run.join("run.json"), "{}").unwrap();
            trash::delete(root.path(), &name.parse().unwrap()).unwrap()
        });
        std::fs::create_dir(root.path().join("a")).unwrap();
        (root, trashed)
    }

    #[test]
    fn a_run_that_cannot_be_restored_does_not_keep_the_others_in_the_trash() {
        let (root, trashed) = deleted_and_blocked();
        let (sender, _messages) = unbounded_channel();
        let message = restore(root.path(), &trashed, Progress::of(&sender, "restoring", 2));
        assert!(root.path().join("b/run.json").exists(), "{message:?}");
        assert_eq!(trash::list(root.path()).unwrap(), trashed[..1]);
        let Message::Done { report, .. } = message else {
            panic!("{message:?}")
        };
        assert!(!report.good);
        for part in ["run a already exists", "b restored"] {
            assert!(report.text.contains(part), "{}", report.text);
        }
    }

    #[test]
    fn a_run_whose_annotation_cannot_be_restored_does_not_keep_the_others_changed() {
        let (root, trashed) = deleted_and_blocked();
        trash::restore(root.path(), &trashed[1]).unwrap();
        let [a, b] = trashed.map(|one| one.id);
        // A file in the place of the run's folder: nothing below it can be read or written.
        std::fs::remove_dir(root.path().join("a")).unwrap();
        std::fs::write(root.path().join("a"), "").unwrap();
        let archive = AnnotationChange::Archived(true);
        let archived = actions::annotate(root.path(), &b, |now| archive.apply(now));
        let (before, after) = archived.unwrap();
        let annotated = [a, b.clone()].map(|run| Annotated {
            run,
            before: before.clone(),
            after: after.clone(),
        });
        let message = restore_annotations(root.path(), &annotated);
        let (now, _) = actions::annotate(root.path(), &b, |_| Ok::<_, BadTag>(())).unwrap();
        assert!(!now.archived, "{message:?}");
        assert!(matches!(message, Message::Done { report, .. } if !report.good));
    }

    #[test]
    fn undoing_a_change_keeps_what_another_process_has_changed_since() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("a");
        std::fs::create_dir(&run).unwrap();
        std::fs::write(run.join("run.json"), "{}").unwrap();
        let id: RunId = "a".parse().unwrap();
        let tags = |text: &str| AnnotationChange::Tags(tag_changes(text).unwrap());
        actions::annotate(root.path(), &id, |now| tags("+old").apply(now)).unwrap();
        let (sender, _messages) = unbounded_channel();
        let progress = Progress::of(&sender, "tagging", 1);
        let change = tags("+good -old");
        let message = annotate(root.path(), std::slice::from_ref(&id), &change, progress);
        let Message::Done {
            undo: Some(Undo::Annotated(annotated)),
            ..
        } = message
        else {
            panic!("{message:?}")
        };
        let since = |now: &mut Annotation| {
            now.set_note("look again");
            now.archived = true;
            tags("+later").apply(now)
        };
        actions::annotate(root.path(), &id, since).unwrap();
        let message = restore_annotations(root.path(), &annotated);
        let now = RunDir::of(root.path(), &id).annotation().unwrap();
        assert_eq!(now.note, "look again", "{message:?}");
        assert!(now.tags.iter().eq(["later", "old"]), "{:?}", now.tags);
        assert!(now.archived);
    }
}
