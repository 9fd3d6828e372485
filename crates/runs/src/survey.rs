//! The runs of a folder, and the folders in it that are none.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use warmstart_schema::text;

use crate::run::RunId;

/// The content of a folder of runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// All runs, oldest first.
    pub ids: Vec<RunId>,
    /// Folders that are no runs, by name, with the reason.
    pub ignored: Vec<(String, NoRun)>,
}

/// Why a folder is not shown as a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRun {
    /// It has no `run.json`.
    NoInfo,
    /// It is a run, but its name is invalid.
    Name,
    /// It is a link to a run that is listed already.
    Twice,
    /// It is a dangling link.
    Dangling,
}

impl Survey {
    /// A sentence about the skipped folders; none if there are none.
    pub fn sentence(&self, root: &Path) -> Option<String> {
        let group = |why: NoRun, words: &str| {
            let names: Vec<String> = self
                .ignored
                .iter()
                .filter(|(_, is)| *is == why)
                .map(|(name, _)| text::line(name, 60))
                .collect();
            (!names.is_empty()).then(|| format!("{} {words}", crate::pictures::listed(&names)))
        };
        let groups: Vec<String> = [
            group(NoRun::NoInfo, "(no run.json)"),
            group(
                NoRun::Name,
                "(a run, but its name has more than a-z, 0-9 and -: rename it to see it)",
            ),
            group(NoRun::Twice, "(a link to a run that is listed already)"),
            group(NoRun::Dangling, "(a link that leads nowhere)"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let (count, root) = (
            self.ignored.len(),
            text::line(&root.display().to_string(), 200),
        );
        let are = if count == 1 {
            "folder is skipped"
        } else {
            "folders are skipped"
        };
        (count > 0).then(|| format!("{count} {are} in {root}: {}", groups.join("; ")))
    }
}

/// The ids of all runs in `root`, oldest first; none if the folder does not exist.
pub fn list(root: &Path) -> io::Result<Vec<RunId>> {
    survey(root, |_| false).map(|survey| survey.ids)
}

/// All runs in `root`, and the folders beside them that are none. A run is a folder with a `run.json`, or one that is
/// unreadable, or a link to such a folder. Does not look into the folder of a `known` run.
pub fn survey(root: &Path, known: impl Fn(&RunId) -> bool) -> io::Result<Survey> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Survey::default()),
        other => other?,
    };
    let (mut survey, mut links) = (Survey::default(), Vec::new());
    for entry in entries {
        // With half of the names, a watcher would take the other runs for removed.
        let entry = entry?;
        let kind = match entry.file_type() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            kind => kind?,
        };
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") || !(kind.is_dir() || kind.is_symlink()) {
            continue;
        }
        let id: Option<RunId> = name.to_str().and_then(|name| name.parse().ok());
        if kind.is_symlink() {
            links.push((entry.path(), id));
            continue;
        }
        match id {
            Some(id) if known(&id) || has_info(&entry.path()) => survey.ids.push(id),
            id => {
                let why = no_run(&entry.path(), id.is_some());
                survey.ignored.push((shown_name(&entry.path()), why));
            }
        }
    }
    survey.follow(root, links);
    survey.ids.sort_unstable();
    survey
        .ignored
        .sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(survey)
}

impl Survey {
    /// Adds the runs that links lead to, each once.
    fn follow(&mut self, root: &Path, mut links: Vec<(PathBuf, Option<RunId>)>) {
        links.sort_unstable();
        self.ids.sort_unstable();
        let folders = self.ids.len();
        let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_path_buf());
        let mut seen: HashSet<PathBuf> = HashSet::new();
        for (link, id) in links {
            let name = shown_name(&link);
            let target = match (fs::canonicalize(&link), id.as_ref()) {
                (Ok(target), _) => target,
                (Err(error), Some(id)) if !leads_nowhere(&error) => {
                    self.ids.push(id.clone());
                    continue;
                }
                (Err(_), _) => {
                    self.ignored.push((name, NoRun::Dangling));
                    continue;
                }
            };
            if !target.is_dir() {
                continue;
            }
            let is_here = target.parent() == Some(root.as_path())
                && target
                    .file_name()
                    .and_then(|name| name.to_str()?.parse().ok())
                    .is_some_and(|id| self.ids[..folders].binary_search(&id).is_ok());
            match id {
                Some(_) if is_here || seen.contains(&target) => {
                    self.ignored.push((name, NoRun::Twice));
                }
                Some(id) if has_info(&target) => {
                    seen.insert(target);
                    self.ids.push(id);
                }
                id => self.ignored.push((name, no_run(&link, id.is_some()))),
            }
        }
    }
}

/// The last part of a path.
fn shown_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Why a folder is not listed; `is_id` says whether its name can be a run's id.
fn no_run(folder: &Path, is_id: bool) -> NoRun {
    if !is_id && has_info(folder) {
        NoRun::Name
    } else {
        NoRun::NoInfo
    }
}

/// Whether nothing is behind a link. After another error, what is there is unreadable.
fn leads_nowhere(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    kinds.contains(&error.kind()) || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Whether a folder has a `run.json`, or may have one because it is unreadable.
fn has_info(folder: &Path) -> bool {
    match fs::symlink_metadata(folder.join("run.json")) {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ),
    }
}
