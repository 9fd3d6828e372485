//! Changes the tags, the note and the archive mark of a run.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
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
        .with_context(|| format!("cannot read {}", path.display()))?;
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
