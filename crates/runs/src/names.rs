//! Finds the run or experiment that a name means, or explains why there is none.

use std::path::Path;

use warmstart_schema::text;

use crate::failure::{Failure, Kind};
use crate::store::{ExperimentKey, Run, Runs};

/// The run that a name means, and what it is the name of.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub run: &'a Run,
    /// Whether it names the experiment, whose newest run this is.
    pub is_experiment: bool,
}

/// A run by its id, by a unique prefix of it, or by an experiment's file or stem, which means its newest run.
pub fn run<'a>(runs: &'a Runs, name: &str) -> Result<&'a Run, Failure> {
    named(runs, name).map(|named| named.run)
}

/// As [`run`], and says what the name is of. Callers cannot tell: `2` may begin an experiment's name and the ids of its runs.
pub fn named<'a>(runs: &'a Runs, name: &str) -> Result<Named<'a>, Failure> {
    let mut stems: Vec<String> = runs.experiment_keys().map(ExperimentKey::stem).collect();
    stems.sort_unstable();
    stems.dedup();
    let stems: Vec<&str> = stems.iter().map(String::as_str).collect();
    let mut candidates = Vec::new();
    let keys: Vec<&ExperimentKey> = match unique(name, &stems) {
        Ok(stem) => runs
            .experiment_keys()
            .filter(|key| key.stem() == stem)
            .collect(),
        Err(several) => {
            candidates = several;
            of_path(runs, name)
        }
    };
    match keys[..] {
        [] => {}
        [key] => {
            if let Some(run) = runs.latest_of(key) {
                return Ok(Named {
                    run,
                    is_experiment: true,
                });
            }
        }
        ref several => {
            return Err(several_files(
                "experiment",
                name,
                several.iter().map(|key| key.shown()),
            ));
        }
    }
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    let found = unique(name, &ids).and_then(|id| id.parse().map_err(|_| Vec::new()));
    if let Some(run) = found.as_ref().ok().and_then(|id| runs.get(id)) {
        return Ok(Named {
            run,
            is_experiment: false,
        });
    }
    let known: Vec<&str> = ids.iter().copied().chain(stems.iter().copied()).collect();
    let of_ids = found.err().unwrap_or_default();
    if of_ids.is_empty() && !candidates.is_empty() {
        return Err(refuse("experiment", name, &candidates, &known));
    }
    Err(refuse("run", name, &of_ids, &known))
}

/// The experiments that a path names: the file itself, or else all whose paths end so.
fn of_path<'a>(runs: &'a Runs, name: &str) -> Vec<&'a ExperimentKey> {
    let path = Path::new(name);
    if !name.contains('/') && path.extension().is_none() {
        return Vec::new();
    }
    let place = std::fs::canonicalize(path).ok();
    let exact: Vec<&ExperimentKey> = runs
        .experiment_keys()
        .filter(|key| matches!(key, ExperimentKey::File(file) if Some(file) == place.as_ref()))
        .collect();
    if exact.is_empty() {
        runs.experiment_keys()
            .filter(|key| key.ends_with(path))
            .collect()
    } else {
        exact
    }
}

/// The error for a name that belongs to several files.
pub fn several_files(kind: &str, name: &str, files: impl Iterator<Item = String>) -> Failure {
    let mut files: Vec<String> = files.collect();
    files.sort_unstable();
    let what = format!(
        "`{}` could be more than one {kind}: {}",
        text::line(name, 80),
        files.join(", ")
    );
    Failure::new(Kind::Input, what).help("give the path of its file, or the id of a run")
}

/// The entry with that name or that prefix; otherwise all with that prefix. A leading number, which only sorts files, may be
/// omitted.
pub fn unique<'a>(name: &str, known: &[&'a str]) -> Result<&'a str, Vec<&'a str>> {
    if let Some(exact) = known.iter().find(|known| **known == name) {
        return Ok(exact);
    }
    let all = |fits: &dyn Fn(&str) -> bool| -> Vec<&'a str> {
        known
            .iter()
            .copied()
            .filter(|known| !name.is_empty() && (fits(known) || fits(unnumbered(known))))
            .collect()
    };
    if let [one] = all(&|known| known == name)[..] {
        return Ok(one);
    }
    let begin = all(&|known| known.starts_with(name));
    if let [one] = begin[..] {
        Ok(one)
    } else {
        Err(begin)
    }
}

/// `freeze` of `4-freeze`. A run's id keeps its date: the time after it names no run.
fn unnumbered(name: &str) -> &str {
    if begins_with_time(name) {
        return name;
    }
    name.trim_start_matches(|c: char| c.is_ascii_digit())
        .strip_prefix('-')
        .unwrap_or(name)
}

/// Whether a name begins as a run's id: `20261201-093000-`.
fn begins_with_time(name: &str) -> bool {
    let mut parts = name.splitn(3, '-');
    let is_number = |part: Option<&str>, digits: usize| {
        part.is_some_and(|part| {
            part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    is_number(parts.next(), 8) && is_number(parts.next(), 6) && parts.next().is_some()
}

/// The error for an unknown or ambiguous name; `found` are the entries with that prefix.
pub fn refuse(kind: &str, name: &str, found: &[&str], known: &[&str]) -> Failure {
    const SHOWN: usize = 10;
    let name = text::line(name, 80);
    if !found.is_empty() {
        let more = if found.len() > SHOWN {
            format!(" and {} more", found.len() - SHOWN)
        } else {
            String::new()
        };
        let listed = found
            .iter()
            .take(SHOWN)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        let what = format!("`{name}` could be more than one {kind}: {listed}{more}");
        return Failure::new(Kind::Input, what).help("write more of the name");
    }
    let list = if kind == "run" { "runs" } else { "list" };
    let unnumbered = known.iter().map(|known| unnumbered(known));
    let near = text::closest(&name, known.iter().copied().chain(unnumbered));
    let help = near.map_or_else(
        || format!("`warmstart {list}` shows all"),
        |near| format!("did you mean `{near}`?"),
    );
    Failure::new(Kind::NotFound, format!("no {kind} is called `{name}`")).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_win_over_prefixes() {
        let known = ["lite0", "lite0-freeze", "resnet"];
        let numbered = ["3-lite0", "4-lite0-freeze", "5-lite0-frozen"];
        assert_eq!(unique("lite0", &numbered), Ok("3-lite0"));
        assert_eq!(unique("lite0-freeze", &numbered), Ok("4-lite0-freeze"));
        assert_eq!(
            unique("lite0-fr", &numbered),
            Err(vec!["4-lite0-freeze", "5-lite0-frozen"])
        );
        assert_eq!(unique("lite0", &known), Ok("lite0"));
        assert_eq!(unique("res", &known), Ok("resnet"));
        assert_eq!(unique("lite", &known), Err(vec!["lite0", "lite0-freeze"]));
        assert_eq!(unique("", &known), Err(vec![]));
    }

    #[test]
    fn the_time_of_a_run_does_not_name_it() {
        let ids = ["20261130-141500-1a2b", "20261201-093000-3c4d"];
        assert_eq!(unique("20261201", &ids), Ok(ids[1]));
        // An experiment `14-…` may be meant, which does not exist.
        assert_eq!(unique("14", &ids), Err(vec![]));
        let error = refuse("run", "093000-3c4e", &[], &ids).to_string();
        assert!(!error.contains("`093000-3c4d`"), "{error}");
        assert_eq!(unique("lite0", &["20261201-lite0"]), Ok("20261201-lite0"));
    }

    #[test]
    fn mistyped_names_get_a_suggestion() {
        let error = refuse("experiment", "resnte", &[], &["resnet", "lite0"]).to_string();
        assert_eq!(
            error,
            "no experiment is called `resnte`; did you mean `resnet`?"
        );
    }
}
