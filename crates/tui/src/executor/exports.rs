//! Writes exports: new files in the current folder, named by the time.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use warmstart_runs::launcher;
use warmstart_runs::run::{RunDir, RunId};
use warmstart_schema::text;

use warmstart_report::plot::png;
use warmstart_runs::storage;

/// Writes the text of a comparison. Returns the message.
pub(super) fn comparison(folder: &Path, text: &str, extension: &str) -> anyhow::Result<String> {
    written(folder, "compare", text.as_bytes(), extension)
        .map(|path| format!("wrote {}", path.display()))
}

/// Writes charts as SVG and PNG under one name. If the PNG cannot be drawn, writes nothing.
pub(super) fn charts(folder: &Path, svg: &str) -> anyhow::Result<String> {
    let picture = png(svg)?;
    let drawn = written(folder, "charts", svg.as_bytes(), "svg")?;
    let beside = drawn.with_extension("png");
    storage::create(&beside, &picture)
        .with_context(|| format!("{} cannot be written", beside.display()))?;
    Ok(format!("wrote {} and .png", drawn.display()))
}

/// Writes a run's log: a header, then all of the worker's output.
pub(super) fn log(
    folder: &Path,
    checkpoints: &Path,
    id: &RunId,
    header: &str,
) -> anyhow::Result<String> {
    let path = launcher::default().log(&RunDir::of(checkpoints, id));
    let printed = match std::fs::read(&path) {
        Ok(printed) => String::from_utf8_lossy(&printed).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", path.display()));
        }
    };
    // Remove control sequences, which would act on a terminal that prints the file.
    let lines = printed
        .lines()
        .map(|line| format!("worker    {}\n", text::line(line, 10_000)))
        .collect::<Vec<_>>();
    let lines = lines.concat();
    let path = written(
        folder,
        &format!("log-{id}"),
        format!("{header}{lines}").as_bytes(),
        "txt",
    )?;
    Ok(format!("wrote {}", path.display()))
}

/// Writes a new file, numbered if others have its time in their names. Returns its path.
fn written(folder: &Path, what: &str, content: &[u8], extension: &str) -> anyhow::Result<PathBuf> {
    let stamp = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    for attempt in 1..100 {
        let suffix = if attempt == 1 {
            String::new()
        } else {
            format!("-{attempt}")
        };
        let path = folder.join(format!("{what}-{stamp}{suffix}.{extension}"));
        match storage::create(&path, content) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            written => {
                written.with_context(|| format!("{} cannot be written", path.display()))?;
                return Ok(path);
            }
        }
    }
    anyhow::bail!("{} holds too many exports of this second", folder.display())
}
