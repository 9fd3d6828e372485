//! Finds the experiment that an argument names, and the experiment that it starts from.

use std::path::PathBuf;

use warmstart_schema::experiment::Problem;

use super::{Context, shown};
use warmstart_runs::failure::{Failure, Kind};
use warmstart_runs::names::{refuse, several_files, unique};
use warmstart_runs::store::{self, ExperimentFile, experiments};

/// Finds an experiment by file, by stem, or by a unique start of the stem. A stem has precedence over a file of that name without
/// an ending.
pub(super) fn named(
    context: &Context,
    name: &str,
    overrides: &[String],
) -> anyhow::Result<ExperimentFile> {
    let path = PathBuf::from(name);
    let looks_like_path = name.contains('/')
        || path
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml");
    let is_stem = || in_folder(context).0.iter().any(|file| file.stem == name);
    if looks_like_path || path.is_file() && !is_stem() {
        if let Some(path) = below(context, name).filter(|_| !path.exists()) {
            return Ok(ExperimentFile::load(path, overrides));
        }
        // Where it cannot be looked at, the attempt to read it says why.
        if path.try_exists().is_ok_and(|exists| !exists) {
            let help = "name an existing file, or one of those that `warmstart list` shows";
            return Err(
                Failure::new(Kind::NotFound, format!("there is no file {}", shown(&path)))
                    .help(help)
                    .into(),
            );
        }
        return Ok(ExperimentFile::load(path, overrides));
    }
    let files = experiments(&context.experiments)?;
    let mut stems: Vec<&str> = files.iter().map(|file| file.stem.as_str()).collect();
    stems.sort_unstable();
    stems.dedup();
    let stem = unique(name, &stems).map_err(|found| refuse("experiment", name, &found, &stems))?;
    let called: Vec<&ExperimentFile> = files.iter().filter(|file| file.stem == stem).collect();
    match called[..] {
        [one] => Ok(ExperimentFile::load(one.path.clone(), overrides)),
        ref several => Err(several_files(
            "experiment",
            name,
            several.iter().map(|file| shown(&file.path)),
        )
        .into()),
    }
}

/// The file that `init: {from: …}` of an experiment names.
pub(super) fn source(context: &Context, file: &ExperimentFile) -> anyhow::Result<Option<PathBuf>> {
    let (files, unread) = in_folder(context);
    let found = store::init_file(&context.experiments, &files, file);
    Ok(found.map_err(|failure| {
        let failure = with_folder(failure, unread.as_ref());
        Failure {
            what: format!("init.from: {}", failure.what),
            ..failure
        }
    })?)
}

/// The experiments of the folder, and why it cannot be read.
fn in_folder(context: &Context) -> (Vec<ExperimentFile>, Option<anyhow::Error>) {
    match experiments(&context.experiments) {
        Ok(files) => (files, None),
        Err(error) => (Vec::new(), Some(error)),
    }
}

/// Adds to a search that found nothing why the folder of experiments was not searched.
fn with_folder(failure: Failure, unread: Option<&anyhow::Error>) -> Failure {
    match unread.and_then(|error| error.downcast_ref::<Failure>()) {
        Some(folder) => Failure {
            what: format!("{}; {}", failure.what, folder.what),
            help: folder.help.clone(),
            ..failure
        },
        None => failure,
    }
}

/// Finds a file by its path in the folder of experiments, with or without `.yaml`.
fn below(context: &Context, name: &str) -> Option<PathBuf> {
    let paths = ["", ".yaml", ".yml"].map(|end| context.experiments.join(format!("{name}{end}")));
    paths.into_iter().find(|path| path.is_file())
}

/// The file that `init: {from: …}` of each file names, in their order. It may be in the folder of experiments or one of `files`. A
/// file whose `init` names no experiment, or several, gets this as its problem.
pub(super) fn find_sources(
    context: &Context,
    files: &mut [ExperimentFile],
) -> Vec<Option<PathBuf>> {
    let (mut known, unread) = in_folder(context);
    let paths: Vec<PathBuf> = known.iter().map(|file| file.full_path.clone()).collect();
    known.extend(
        files
            .iter()
            .filter(|file| !paths.contains(&file.full_path))
            .cloned(),
    );
    let mut sources = Vec::with_capacity(files.len());
    for file in files {
        let found = store::init_file(&context.experiments, &known, file);
        sources.push(found.unwrap_or_else(|failure| {
            let failure = with_folder(failure, unread.as_ref());
            file.loaded = Err(vec![Problem::in_file(
                &file.path,
                "init.from",
                failure.what,
                failure.help.unwrap_or_default(),
            )]);
            None
        }));
    }
    sources
}
