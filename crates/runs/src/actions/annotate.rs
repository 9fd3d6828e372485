//! Changes the tags, the note and the archive mark of a run.

use std::path::Path;

use anyhow::Context as _;
use warmstart_schema::annotation::Annotation;

use crate::failure::{Failure, Kind};
use crate::run::{RunDir, RunId};

/// Changes a run's annotation with `change`. Returns it as it was before, and as it is now.
pub fn annotate<E: std::error::Error + Send + Sync + 'static>(
    root: &Path,
    id: &RunId,
    change: impl FnOnce(&mut Annotation) -> Result<(), E>,
) -> anyhow::Result<(Annotation, Annotation)> {
    let run = RunDir::of(root, id);
    let path = run.annotation_json();
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
