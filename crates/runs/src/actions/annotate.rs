//! Changes the tags, the note and the archive mark of a run.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use warmstart_schema::annotation::Annotation;

use crate::failure::{Failure, Kind};
use crate::run::{RunDir, RunId, lock_file_within};

/// How long to wait while another process changes the same annotation.
const PATIENCE: Duration = Duration::from_secs(5);

/// Changes a run's annotation with `change`. Returns it as it was before, and as it is now.
pub fn annotate<E: std::error::Error + Send + Sync + 'static>(
    root: &Path,
    id: &RunId,
    change: impl FnOnce(&mut Annotation) -> Result<(), E>,
) -> anyhow::Result<(Annotation, Annotation)> {
    let run = RunDir::of(root, id);
    let path = run.annotation_json();
    // Otherwise the later of two processes that read the same annotation would undo the change of the earlier.
    let _lock = locked(&run);
    let before = run
        .annotation()
        .map_err(|error| unreadable(&path, &error))?;
    let mut after = before.clone();
    change(&mut after)?;
    if after != before {
        run.write_annotation(&after).map_err(|error| {
            Failure::new(
                Kind::Disk,
                format!("cannot write: {error}: {}", path.display()),
            )
            .help("free disk space or correct its permissions")
        })?;
    }
    Ok((before, after))
}

/// The error of an annotation that cannot be read. That of a damaged one names the file itself.
fn unreadable(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::InvalidData {
        return Failure::new(Kind::Input, format!("an annotation is damaged: {error}"))
            .help("correct or remove this file: it holds only tags, note and archive mark");
    }
    let what = format!("cannot read: {error}: {}", path.display());
    Failure::new(Kind::Disk, what).help("correct its permissions, or repair the disk")
}

/// The lock of the run's folder, which every change of its annotation takes. `None` where there are no locks, or where the other
/// process does not end: an unlikely loss is better than a change refused.
fn locked(run: &RunDir) -> Option<File> {
    let folder = File::open(run.path()).ok()?;
    lock_file_within(&folder, PATIENCE).ok().map(|()| folder)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use warmstart_schema::annotation::TagChange;

    use super::*;

    #[test]
    fn a_damaged_annotation_is_named_once_and_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let id: RunId = "a".parse().unwrap();
        let run = RunDir::of(root.path(), &id);
        std::fs::create_dir(run.path()).unwrap();
        std::fs::write(run.annotation_json(), "{").unwrap();
        let error = annotate(root.path(), &id, |annotation| {
            annotation.change_tags(&[TagChange {
                tag: "new".to_owned(),
                add: true,
            }])
        })
        .unwrap_err();
        let failure: Failure = error.downcast().unwrap();
        let path = run.annotation_json().display().to_string();
        assert_eq!(failure.what.matches(&path).count(), 1, "{}", failure.what);
        assert!(failure.help.is_some());
        assert_eq!(std::fs::read(run.annotation_json()).unwrap(), b"{");
    }

    #[test]
    fn two_changes_at_once_are_both_kept() {
        let root = tempfile::tempdir().unwrap();
        let id: RunId = "a".parse().unwrap();
        std::fs::create_dir(root.path().join("a")).unwrap();
        let add = |tag: &str| {
            let tag = tag.to_owned();
            [TagChange { tag, add: true }]
        };
        std::thread::scope(|scope| {
            let (root, id) = (root.path(), &id);
            let (done, is_done) = channel();
            annotate(root, id, |annotation| {
                scope.spawn(move || {
                    annotate(root, id, |other| other.change_tags(&add("second"))).unwrap();
                    let _ = done.send(());
                });
                // Time in which the second would end if it did not wait for the first.
                let _ = is_done.recv_timeout(Duration::from_millis(200));
                annotation.change_tags(&add("first"))
            })
            .unwrap();
        });
        let tags = RunDir::of(root.path(), &id).annotation().unwrap().tags;
        assert_eq!(tags.into_iter().collect::<Vec<_>>(), ["first", "second"]);
    }
}
