//! Reads and writes experiment files. A write is complete or does nothing. It checks just before the write that the file still has
//! the text that was read.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::NamedTempFile;
use tokio::sync::mpsc::UnboundedSender;
use warmstart_runs::proposal;
use warmstart_schema::experiment::{Problem, load, read_text};

use crate::effect::{Ended, Writing};
use crate::folders::Folders;
use crate::format;
use crate::message::{Message, Report};
use crate::watch;

/// File names to try if the first ones exist.
const NAMES: u32 = 100;

/// The text of an experiment file.
pub(super) fn read(path: &Path) -> Result<String, String> {
    read_text(path).map_err(|problems| problems.first().map_or(String::new(), format::problem))
}

/// Writes an experiment. The list is updated before the message, because the next key acts on the
/// new file.
pub(super) fn write(
    writing: &Writing,
    folders: &Folders,
    messages: &UnboundedSender<Message>,
) -> Message {
    let written = written(writing);
    if let Some(catalogue) = watch::catalogue(&folders.experiments) {
        let _ = messages.send(Message::Experiments(catalogue));
    }
    written
}

/// Counts pictures and writes an experiment for them. A folder may be large, so other effects do not wait for it.
pub(super) fn propose(pictures: PathBuf, folders: Folders, messages: UnboundedSender<Message>) {
    std::thread::spawn(move || {
        let folder = proposal::folder(&folders.experiments, &folders.exports);
        let is_installed = folder != folders.experiments;
        let message = match proposal::write(&pictures, None, &folder) {
            Ok(proposal::Written { file, facts }) => {
                let found = format!(
                    "{} in {} classes",
                    format::plural(facts.images(), "picture"),
                    facts.classes.len()
                );
                let next = if is_installed {
                    "leave and start warmstart again to list it"
                } else {
                    "it can be launched from its row"
                };
                let text = format!("found {found}; {next}; wrote {}", format::path(&file));
                let report = Report { good: true, text };
                Message::ExperimentWritten { path: file, report }
            }
            Err(failure) => Message::Report(Report {
                good: false,
                text: failure.to_string(),
            }),
        };
        if let Some(catalogue) = watch::catalogue(&folders.experiments) {
            let _ = messages.send(Message::Experiments(catalogue));
        }
        let _ = messages.send(message);
    });
}

fn written(writing: &Writing) -> Message {
    let written = match &writing.stem {
        Some(stem) => add(writing, stem),
        None => replace(writing),
    };
    match written {
        Ok(path) => {
            let text = match &writing.stem {
                Some(_) => format!(
                    "wrote {}; it can be launched from its row",
                    format::path(&path)
                ),
                None => format!(
                    "changed {}; runs keep the experiment that they began with",
                    format::path(&path)
                ),
            };
            Message::ExperimentWritten {
                path,
                report: Report { good: true, text },
            }
        }
        Err(error) => Message::ExperimentWritten {
            path: writing.source.clone(),
            report: Report {
                good: false,
                text: format!("{error:#}"),
            },
        },
    }
}

/// The report after an editor closes: its exit status if it failed, and whether the file is valid.
pub(super) fn edited(path: &Path, ended: Result<Ended, String>) -> Report {
    let ended = match ended {
        Err(text) => return Report { good: false, text },
        Ok(Ended::Exited(0)) => None,
        Ok(Ended::Exited(code)) => Some(format!("the editor ended with exit code {code}")),
        Ok(Ended::Killed(signal)) => Some(format!("the editor was ended by {signal}")),
    };
    // The folder would take space from the problem.
    let name = format::path(Path::new(path.file_name().unwrap_or_default()));
    let (is_valid, file) = match load(path, &[]) {
        Ok(_) => (true, format!("{name} is valid")),
        Err(problems) => {
            let more = problems.len().saturating_sub(1);
            let more = if more > 0 {
                format!(", and {}", format::plural(more, "more problem"))
            } else {
                String::new()
            };
            let first = problems.into_iter().next().map(|problem| Problem {
                file: name,
                ..problem
            });
            (
                false,
                first.as_ref().map_or(String::new(), format::problem) + &more,
            )
        }
    };
    let good = is_valid && ended.is_none();
    Report {
        good,
        text: ended
            .into_iter()
            .chain([file])
            .collect::<Vec<_>>()
            .join("; "),
    }
}

/// Writes a new file next to the source; numbers the name if another experiment has it.
fn add(writing: &Writing, stem: &str) -> anyhow::Result<PathBuf> {
    let folder = writing.source.parent().unwrap_or(Path::new(""));
    let mut aside = aside(folder, &writing.source, &writing.text)?;
    for number in 1..=NAMES {
        let suffix = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        let path = folder.join(format!("{stem}{suffix}.yaml"));
        // Two files of one stem could not be told apart by name.
        if path.with_extension("yml").symlink_metadata().is_ok() {
            continue;
        }
        match aside.persist_noclobber(&path) {
            Ok(_) => {
                sync(folder);
                return Ok(path);
            }
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => aside = error.file,
            Err(error) => {
                return Err(error.error)
                    .with_context(|| format!("{} cannot be written", format::path(&path)));
            }
        }
    }
    bail!(
        "{stem}.yaml and {stem}-2.yaml to {stem}-{NAMES}.yaml exist; choose another name, or remove some: {}",
        format::path(folder)
    )
}

/// Replaces the file, if it still has the text that was read.
fn replace(writing: &Writing) -> anyhow::Result<PathBuf> {
    let shown = format::path(&writing.source);
    // Keep a symbolic link: replace its target.
    let path =
        fs::canonicalize(&writing.source).with_context(|| format!("{shown} cannot be found"))?;
    let now = fs::read_to_string(&path).with_context(|| format!("{shown} cannot be read"))?;
    if now != writing.before {
        bail!("{shown} was changed by somebody else meanwhile; look at it and try again");
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let aside = aside(folder, &path, &writing.text)?;
    aside
        .persist(&path)
        .map_err(|error| error.error)
        .with_context(|| format!("{shown} cannot be replaced"))?;
    sync(folder);
    Ok(writing.source.clone())
}

/// Writes the text to a hidden file with the permissions of `like`, and syncs it.
fn aside(folder: &Path, like: &Path, text: &str) -> anyhow::Result<NamedTempFile> {
    let permissions: Permissions = fs::metadata(like)
        .with_context(|| format!("{} cannot be read", format::path(like)))?
        .permissions();
    let write = || -> std::io::Result<NamedTempFile> {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let mut file = tempfile::Builder::new()
            .prefix(".")
            .suffix(".new")
            .tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().set_permissions(permissions)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().with_context(|| format!("nothing can be written into {}", format::path(folder)))
}

/// Syncs the folder, so that the name survives a power loss. Not all folders can be synced; ignore
/// errors.
fn sync(folder: &Path) {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "name: a\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        (folder, path)
    }

    fn writing(source: &Path, stem: Option<&str>) -> Writing {
        let (before, text) = ("name: a\n".to_owned(), "name: b\n".to_owned());
        Writing {
            source: source.to_path_buf(),
            before,
            text,
            stem: stem.map(str::to_owned),
        }
    }

    fn written(writing: &Writing) -> (PathBuf, Report) {
        match super::written(writing) {
            Message::ExperimentWritten { path, report } => (path, report),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn new_experiment_is_written_beside_the_others_and_listed() {
        for (experiments, written) in [
            ("mine", "mine/pets.yaml"),
            (
                "prefix/share/warmstart/experiments",
                "experiments/pets.yaml",
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            for class in ["cat", "dog"] {
                let class = root.path().join("pets").join(class);
                fs::create_dir_all(&class).unwrap();
                for number in 0..12 {
                    fs::write(class.join(format!("{number}.png")), "").unwrap();
                }
            }
            let folders = Folders {
                experiments: root.path().join(experiments),
                checkpoints: root.path().join("checkpoints"),
                exports: root.path().to_path_buf(),
                state: None,
            };
            fs::create_dir_all(&folders.experiments).unwrap();
            let (sender, mut messages) = tokio::sync::mpsc::unbounded_channel();
            propose(root.path().join("pets"), folders.clone(), sender.clone());
            let Some(Message::Experiments(catalogue)) = messages.blocking_recv() else {
                panic!("the list comes first");
            };
            let is_here = written.starts_with("mine");
            assert_eq!(catalogue.files.len(), usize::from(is_here));
            let Some(Message::ExperimentWritten { path, report }) = messages.blocking_recv() else {
                panic!("{written}");
            };
            assert_eq!(path, root.path().join(written));
            assert!(report.good && report.text.contains("24 pictures in 2 classes"));
            load(&path, &[]).unwrap();
            // Nothing is overwritten.
            propose(root.path().join("pets"), folders, sender);
            messages.blocking_recv();
            let Some(Message::Report(report)) = messages.blocking_recv() else {
                panic!("a second file");
            };
            assert!(
                !report.good && report.text.contains("is there already"),
                "{report:?}"
            );
        }
    }

    #[test]
    fn new_file_never_replaces_existing_file() {
        let (folder, source) = folder();
        for name in ["b.yaml", "b-2.yaml", "b-3.yaml"] {
            let (path, report) = written(&writing(&source, Some("b")));
            assert!(
                report.good && path == folder.path().join(name),
                "{path:?} {report:?}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), "name: b\n");
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o640
            );
        }
        assert_eq!(fs::read_to_string(&source).unwrap(), "name: a\n");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            4,
            "nothing is left aside"
        );
    }

    #[test]
    fn new_file_has_a_name_that_no_other_experiment_has() {
        let (folder, source) = folder();
        for name in ["b.yml", "b.v2.yml"] {
            fs::write(folder.path().join(name), "name: other\n").unwrap();
        }
        for (stem, file) in [
            ("b", "b-2.yaml"),
            ("b.v2", "b.v2-2.yaml"),
            ("b.v3", "b.v3.yaml"),
        ] {
            let (path, report) = written(&writing(&source, Some(stem)));
            assert!(
                report.good && path == folder.path().join(file),
                "{path:?} {report:?}"
            );
        }
    }

    #[test]
    fn concurrent_change_is_kept() {
        let (_folder, source) = folder();
        fs::write(&source, "name: c\n").unwrap();
        let (_, report) = written(&writing(&source, None));
        assert!(
            !report.good && report.text.contains("somebody else"),
            "{report:?}"
        );
        assert_eq!(fs::read_to_string(&source).unwrap(), "name: c\n");
    }

    #[test]
    fn change_in_place_follows_symlink() {
        let (folder, source) = folder();
        let link = folder.path().join("link.yaml");
        symlink(&source, &link).unwrap();
        assert!(written(&writing(&link, None)).1.good);
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&source).unwrap(), "name: b\n");
    }

    #[test]
    fn failed_write_is_reported_and_leaves_no_file() {
        let (folder, source) = folder();
        let (_, report) = written(&writing(&source, Some("no/such")));
        assert!(
            !report.good && report.text.contains("cannot be written"),
            "{report:?}"
        );
        let (_, report) = written(&writing(Path::new("/nowhere/a.yaml"), None));
        assert!(
            !report.good && report.text.contains("/nowhere/a.yaml"),
            "{report:?}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
