//! Which experiment or run an argument names.

use std::path::PathBuf;

use clap::Args;
use warmstart_schema::experiment::Problem;
use warmstart_schema::text;

use super::{Context, shown};
use crate::failure::{Failure, Kind};
use crate::query::Query;
use crate::store::{ExperimentFile, Run, Runs, experiments};

/// Which runs are meant, by what they are like.
#[derive(Debug, Args)]
pub struct FilterArgument {
    /// Only runs that fit, for example 'status:done backbone:resnet* `val_acc>0.6` -tag:old "two words"'
    #[arg(long, value_name = "FILTER", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
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
        if !path.exists() {
            let help = "name an existing file, or one of those that `warmstart list` shows";
            return Err(Failure::new(Kind::NotFound, format!("there is no file {}", shown(&path))).help(help).into());
        }
        return Ok(ExperimentFile::load(path, overrides));
    }
    let files = experiments(&context.experiments)?;
    let stems: Vec<&str> = files.iter().map(|file| file.stem.as_str()).collect();
    let stem = unique(name, &stems).map_err(|found| refuse("experiment", name, &found, &stems))?;
    let path = files.iter().find(|file| file.stem == stem).map(|file| file.path.clone()).unwrap_or_default();
    Ok(ExperimentFile::load(path, overrides))
}

/// Refuses those of the files that start from an experiment which is nowhere.
pub fn check_sources(context: &Context, files: &mut [ExperimentFile]) {
    let others = experiments(&context.experiments).unwrap_or_default();
    let known: Vec<String> = others.iter().chain(&*files).map(|file| file.stem.clone()).collect();
    for file in files {
        let from = file.loaded.as_ref().ok().and_then(|experiment| experiment.init.as_ref()).map(|init| &init.from);
        if let Some(from) = from.filter(|from| !known.contains(from)) {
            let near = text::closest(from, known.iter().map(String::as_str));
            let help =
                near.map_or_else(|| "`warmstart list` shows all".to_owned(), |near| format!("did you mean `{near}`?"));
            let message = format!("no experiment is called `{}`", text::line(from, 80));
            file.loaded = Err(vec![Problem::in_file(&file.path, "init.from", message, help)]);
        }
    }
}

/// A run by id, by the id's unique beginning, or by an experiment's file stem: its newest run.
pub fn run<'a>(runs: &'a Runs, name: &str) -> anyhow::Result<&'a Run> {
    let mut stems: Vec<&str> = runs.iter().filter_map(Run::stem).collect();
    stems.sort_unstable();
    stems.dedup();
    if let Some(run) = unique(name, &stems).ok().and_then(|stem| runs.latest_of(stem)) {
        return Ok(run);
    }
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    let found = unique(name, &ids).and_then(|id| id.parse().map_err(|_| Vec::new()));
    if let Some(run) = found.as_ref().ok().and_then(|id| runs.get(id)) {
        return Ok(run);
    }
    let known: Vec<&str> = ids.iter().copied().chain(stems).collect();
    Err(refuse("run", name, &found.err().unwrap_or_default(), &known).into())
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
