//! Which experiment or run an argument names.

use std::path::{Path, PathBuf};

use clap::Args;
use warmstart_schema::experiment::Problem;
use warmstart_schema::text;

use super::{Context, shown};
use crate::failure::{Failure, Kind};
use crate::query::Query;
use crate::store::{self, ExperimentFile, Home, Run, Runs, experiments};

/// Which runs are meant, by what they are like.
#[derive(Debug, Args)]
pub struct FilterArgument {
    #[arg(
        long,
        value_name = "FILTER",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true,
        help = "Only runs that fit, for example 'status:done backbone:resnet* val_acc>0.6 -tag:old \"two words\"'"
    )]
    filter: String,
}

impl FilterArgument {
    /// The query, or what is wrong with it.
    pub fn query(&self) -> Result<Query, Failure> {
        Query::parse(&self.filter).map_err(|mistake| mistake.explain(&self.filter))
    }
}

/// Why no run is listed: there is none, all are put away, or the filter lets none through.
pub fn no_run(context: &Context, runs: &Runs, query: &Query) -> String {
    let folder = shown(&context.checkpoints);
    let away = runs.iter().filter(|run| run.annotation.archived).count();
    let hidden = |text: String| format!("{text}; `warmstart runs --filter is:archived` lists what is put away");
    match (runs.is_empty(), query.is_empty()) {
        (true, _) if !context.checkpoints.exists() => {
            format!("there is no run, and no folder {folder} yet; `warmstart train EXPERIMENT` makes one")
        }
        (true, _) => format!("there is no run in {folder}; `warmstart train EXPERIMENT` makes one"),
        (false, true) => hidden(format!("all runs in {folder} are put away ({away})")),
        (false, false) if away > 0 && !query.asks_for_archived() => {
            hidden(format!("no run in {folder} fits the filter, {away} put away aside"))
        }
        (false, false) => format!("no run in {folder} fits the filter"),
    }
}

/// An experiment by file, by file stem, or by the stem's unique beginning.
pub fn experiment(context: &Context, name: &str, overrides: &[String]) -> anyhow::Result<ExperimentFile> {
    let path = PathBuf::from(name);
    let looks_like_path = name.contains('/') || path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    if path.is_file() || looks_like_path {
        if let Some(path) = below(context, name).filter(|_| !path.exists()) {
            return Ok(ExperimentFile::load(path, overrides));
        }
        if !path.exists() {
            let help = "name an existing file, or one of those that `warmstart list` shows";
            return Err(Failure::new(Kind::NotFound, format!("there is no file {}", shown(&path))).help(help).into());
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
        ref several => Err(several_files("experiment", name, several.iter().map(|file| shown(&file.path))).into()),
    }
}

/// The file that an experiment's `init: {from: …}` means.
pub fn source(context: &Context, file: &ExperimentFile) -> anyhow::Result<Option<PathBuf>> {
    let files = experiments(&context.experiments).unwrap_or_default();
    store::source(&context.experiments, &files, file)
        .map_err(|(what, help)| Failure::new(Kind::Input, format!("init.from: {what}")).help(help).into())
}

/// A file below the folder of experiments, by its path from there without `.yaml` or with it.
fn below(context: &Context, name: &str) -> Option<PathBuf> {
    let paths = ["", ".yaml", ".yml"].map(|end| context.experiments.join(format!("{name}{end}")));
    paths.into_iter().find(|path| path.is_file())
}

/// Refuses those of the files that start from an experiment which is nowhere, or which their name leaves open.
pub fn check_sources(context: &Context, files: &mut [ExperimentFile]) {
    let mut known = experiments(&context.experiments).unwrap_or_default();
    let places: Vec<PathBuf> = known.iter().map(|file| file.place.clone()).collect();
    known.extend(files.iter().filter(|file| !places.contains(&file.place)).cloned());
    for file in files {
        if let Err((message, help)) = store::source(&context.experiments, &known, file) {
            file.loaded = Err(vec![Problem::in_file(&file.path, "init.from", message, help)]);
        }
    }
}

/// A run by id, by the id's unique beginning, or by an experiment, whose newest run is meant: by its file or its file's stem.
pub fn run<'a>(runs: &'a Runs, name: &str) -> anyhow::Result<&'a Run> {
    let mut stems: Vec<String> = runs.homes().map(Home::stem).collect();
    stems.sort_unstable();
    stems.dedup();
    let stems: Vec<&str> = stems.iter().map(String::as_str).collect();
    let named: Vec<&Home> = match unique(name, &stems) {
        Ok(stem) => runs.homes().filter(|home| home.stem() == stem).collect(),
        Err(_) => of_path(runs, name),
    };
    match named[..] {
        [] => {}
        [home] => {
            if let Some(run) = runs.latest_of(home) {
                return Ok(run);
            }
        }
        ref several => return Err(several_files("experiment", name, several.iter().map(|home| home.shown())).into()),
    }
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    let found = unique(name, &ids).and_then(|id| id.parse().map_err(|_| Vec::new()));
    if let Some(run) = found.as_ref().ok().and_then(|id| runs.get(id)) {
        return Ok(run);
    }
    let known: Vec<&str> = ids.iter().copied().chain(stems).collect();
    Err(refuse("run", name, &found.err().unwrap_or_default(), &known).into())
}

/// The experiments that a path names: the file itself, or else what ends so.
fn of_path<'a>(runs: &'a Runs, name: &str) -> Vec<&'a Home> {
    let path = Path::new(name);
    if !name.contains('/') && path.extension().is_none() {
        return Vec::new();
    }
    let place = std::fs::canonicalize(path).ok();
    let exact: Vec<&Home> =
        runs.homes().filter(|home| matches!(home, Home::File(file) if Some(file) == place.as_ref())).collect();
    if exact.is_empty() { runs.homes().filter(|home| home.ends_with(path)).collect() } else { exact }
}

fn several_files(kind: &str, name: &str, files: impl Iterator<Item = String>) -> Failure {
    let mut files: Vec<String> = files.collect();
    files.sort_unstable();
    let what = format!("`{}` could be more than one {kind}: {}", text::line(name, 80), files.join(", "));
    Failure::new(Kind::Input, what).help("give the path of its file, or the id of a run")
}

/// The one that is called so or begins so; otherwise all that begin so. A number before the name, which only puts files in
/// order, may be left out.
fn unique<'a>(name: &str, known: &[&'a str]) -> Result<&'a str, Vec<&'a str>> {
    if let Some(exact) = known.iter().find(|known| **known == name) {
        return Ok(exact);
    }
    let all = |fits: &dyn Fn(&str) -> bool| -> Vec<&'a str> {
        known.iter().copied().filter(|known| !name.is_empty() && (fits(known) || fits(unnumbered(known)))).collect()
    };
    if let [one] = all(&|known| known == name)[..] {
        return Ok(one);
    }
    let begin = all(&|known| known.starts_with(name));
    if let [one] = begin[..] { Ok(one) } else { Err(begin) }
}

/// `freeze` of `4-freeze`.
fn unnumbered(stem: &str) -> &str {
    stem.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix('-').unwrap_or(stem)
}

fn refuse(kind: &str, name: &str, found: &[&str], known: &[&str]) -> Failure {
    const SHOWN: usize = 10;
    let name = text::line(name, 80);
    if !found.is_empty() {
        let more = if found.len() > SHOWN { format!(" and {} more", found.len() - SHOWN) } else { String::new() };
        let listed = found.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
        let what = format!("`{name}` could be more than one {kind}: {listed}{more}");
        return Failure::new(Kind::Input, what).help("write more of the name");
    }
    let list = if kind == "run" { "runs" } else { "list" };
    let unnumbered = known.iter().map(|known| unnumbered(known));
    let near = text::closest(&name, known.iter().copied().chain(unnumbered));
    let help = near.map_or_else(|| format!("`warmstart {list}` shows all"), |near| format!("did you mean `{near}`?"));
    Failure::new(Kind::NotFound, format!("no {kind} is called `{name}`")).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_exact_before_it_is_a_beginning() {
        let known = ["lite0", "lite0-freeze", "resnet"];
        let numbered = ["3-lite0", "4-lite0-freeze", "5-lite0-frozen"];
        assert_eq!(unique("lite0", &numbered), Ok("3-lite0"));
        assert_eq!(unique("lite0-freeze", &numbered), Ok("4-lite0-freeze"));
        assert_eq!(unique("lite0-fr", &numbered), Err(vec!["4-lite0-freeze", "5-lite0-frozen"]));
        assert_eq!(unique("lite0", &known), Ok("lite0"));
        assert_eq!(unique("res", &known), Ok("resnet"));
        assert_eq!(unique("lite", &known), Err(vec!["lite0", "lite0-freeze"]));
        assert_eq!(unique("", &known), Err(vec![]));
    }

    #[test]
    fn a_mistyped_name_meets_a_suggestion() {
        let error = refuse("experiment", "resnte", &[], &["resnet", "lite0"]).to_string();
        assert_eq!(error, "no experiment is called `resnte`; did you mean `resnet`?");
    }
}
