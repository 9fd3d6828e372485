//! Which file a run's first weights came from, by its content: a name may mean another file tomorrow.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use warmstart_runs::checkpoint::MODEL;
use warmstart_runs::run::RunDir;
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::event::{Event, Level, StartedFrom, WeightsFacts};
use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::RunState;

use crate::initial;
use crate::reporter::Reporter;

/// Logs which file of weights an attempt begins from, and says if the run began with another content. An attempt that resumes a
/// checkpoint reads no such file; it only says whether the file has changed.
pub(super) fn report(
    run: &RunDir,
    experiment: &Experiment,
    started_from: Option<&StartedFrom>,
    is_resumed: bool,
    before: &RunState,
    reporter: &mut Reporter,
) {
    let Some(path) = path(run, experiment, started_from) else {
        return;
    };
    // A file that cannot be read may be the same one.
    let Ok(sha256) = sha256(&path) else { return };
    let facts = WeightsFacts {
        file: path.display().to_string(),
        sha256,
    };
    let differs = before
        .weights
        .as_ref()
        .filter(|before| before.sha256 != facts.sha256);
    if let Some(then) = differs {
        let (level, effect) = if is_resumed {
            (Level::Info, "the run continues from its checkpoint")
        } else {
            (Level::Warning, "the run begins with the file as it is now")
        };
        let (file, now, then) = (&facts.file, short(&facts.sha256), short(&then.sha256));
        let text = format!(
            "the file of weights is not the one that the run began with (SHA-256 {now}, at first {then}); {effect}: {file}"
        );
        reporter.note(level, text);
    }
    if !is_resumed {
        reporter.emit(&Event::Weights(facts));
    }
}

/// The file: the checkpoint of the other run, or what the experiment names. None where the weights are random, or the file is gone.
fn path(
    run: &RunDir,
    experiment: &Experiment,
    started_from: Option<&StartedFrom>,
) -> Option<PathBuf> {
    if let Some(StartedFrom { run: other, step }) = started_from {
        let root = run.path().parent().unwrap_or(Path::new("."));
        return Some(RunDir::of(root, other).checkpoint(*step).join(MODEL));
    }
    initial::file(experiment, &SearchPaths::from_env())
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (std::fs::File::open(path)?, Sha256::new());
    io::copy(&mut file, &mut hash)?;
    Ok(format!("{:x}", hash.finalize()))
}

fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}
