//! `warmstart doctor`

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use serde_json::Value;
use warmstart_report::format::{bytes, plural};
use warmstart_runs::failure::Failure;
use warmstart_runs::launcher::torch::{self, Candidate, Torch};
use warmstart_runs::search_paths::SearchPaths;
use warmstart_schema::architecture::Backbone;
use warmstart_schema::catalog::{DatasetName, Pretrained};
use warmstart_schema::text;

use super::{Context, Exit, output, shown};
use warmstart_runs::store::experiments;
use warmstart_runs::worker::Worker;

/// Columns before what was found: the mark and the name.
const INDENT: usize = 22;

/// One check and its result.
#[derive(Clone, Serialize)]
struct Finding {
    what: &'static str,
    ok: bool,
    /// Its parts, each on its own line on the terminal and one text in JSON.
    #[serde(serialize_with = "joined")]
    found: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            ok: true,
            found: vec![text::line(&found.into(), 2000)],
            help: None,
        }
    }

    /// A good finding of several parts.
    fn parts(what: &'static str, found: &[String]) -> Self {
        Self {
            what,
            ok: true,
            found: found.iter().map(|part| text::line(part, 2000)).collect(),
            help: None,
        }
    }

    fn lacks(what: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            what,
            ok: false,
            found: vec![text::line(&found.into(), 400)],
            help: Some(help.into()),
        }
    }
}

fn joined<S: Serializer>(found: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&found.join("; "))
}

pub(super) fn doctor(context: &Context) -> anyhow::Result<Exit> {
    let worker = ask_worker();
    let mut findings = vec![Finding::good("warmstart", env!("CARGO_PKG_VERSION"))];
    findings.extend(match &worker {
        Ok(report) => libtorch(report),
        Err(finding) => vec![finding.clone()],
    });
    findings.extend(installed_torch());
    findings.extend([
        experiment_files(context),
        checkpoints(&context.checkpoints),
        weights(),
        datasets(),
    ]);
    if context.json {
        let report = worker.as_ref().ok();
        output::answer_json(&serde_json::json!({ "findings": findings, "worker": report }))?;
    } else {
        let room = output::width()
            .unwrap_or(100)
            .saturating_sub(INDENT)
            .max(20);
        let line = |finding: &Finding| {
            let mark = if finding.ok { "ok     " } else { "problem" };
            let help = finding.help.as_ref().map(|help| format!("help: {help}"));
            let parts = finding.found.iter().cloned().chain(help);
            let lines: Vec<String> = parts.flat_map(|part| text::wrap(&part, room)).collect();
            format!(
                "{mark}  {:<11}  {}\n",
                finding.what,
                lines.join(&format!("\n{:INDENT$}", ""))
            )
        };
        output::answer(&findings.iter().map(line).collect::<Vec<_>>().concat())?;
    }
    Ok(if worker.is_ok() {
        Exit::Done
    } else {
        Exit::Worker
    })
}

/// The worker's report, which also proves that libtorch loads.
fn ask_worker() -> Result<Value, Finding> {
    Worker::find()
        .and_then(|worker| worker.ask(["doctor"]))
        .map_err(|failure| Finding::lacks("worker", failure.what, failure.help.unwrap_or_default()))
}

fn libtorch(report: &Value) -> Vec<Finding> {
    let said = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let cuda = &report["cuda"];
    let device = format!("{} ({})", said(&report["device"]), said(&report["reason"]));
    let library = said(&cuda["library"]);
    vec![
        Finding::good(
            "worker",
            format!("warmstart-worker {}", said(&report["version"])),
        ),
        Finding::parts(
            "libtorch",
            &[
                format!(
                    "{} in {}",
                    said(&report["libtorch"]),
                    said(&report["libraries"])
                ),
                format!("{} threads on {}", report["threads"], said(&report["cpu"])),
            ],
        ),
        Finding::parts(
            "cuda",
            &[library, format!("devices: {}", said(&cuda["devices"]))],
        ),
        Finding::good("device", device),
    ]
}

/// The `PyTorch` that a worker without libtorch uses, and why it uses no other.
fn installed_torch() -> Option<Finding> {
    let Torch::Installed(candidates) = torch::of_worker(Worker::find().ok()?.path()) else {
        return None;
    };
    let help = "activate the environment that has it, or give `--torch DIR`";
    let mut used = None;
    let mut parts = Vec::new();
    for Candidate { libraries, refused } in &candidates {
        match refused {
            Some(why) => parts.push(format!("not {}: {why}", shown(libraries))),
            // The worker uses the first one that fits.
            None if used.is_none() => used = Some(format!("uses {}", shown(libraries))),
            None => parts.push(format!("not {}: another is used", shown(libraries))),
        }
    }
    let is_used = used.is_some();
    let none = candidates
        .is_empty()
        .then(|| "no PyTorch in the active environment".to_owned());
    let found: Vec<String> = used.into_iter().chain(none).chain(parts).collect();
    Some(Finding {
        ok: is_used,
        help: (!is_used).then(|| help.to_owned()),
        ..Finding::parts("PyTorch", &found)
    })
}

fn experiment_files(context: &Context) -> Finding {
    match experiments(&context.experiments) {
        Err(error) => match error.downcast::<Failure>() {
            Ok(Failure { what, help, .. }) => {
                Finding::lacks("experiments", what, help.unwrap_or_default())
            }
            Err(error) => Finding::lacks("experiments", format!("{error:#}"), ""),
        },
        Ok(files) => {
            let broken = files.iter().filter(|file| file.loaded.is_err()).count();
            let found = format!(
                "{}: {}, {broken} of them not valid",
                shown(&context.experiments),
                plural(files.len(), "file")
            );
            if broken == 0 {
                Finding::good("experiments", found)
            } else {
                Finding::lacks("experiments", found, "`warmstart check` says why")
            }
        }
    }
}

/// Whether runs can be written, and the free disk space.
fn checkpoints(root: &Path) -> Finding {
    let existing = root
        .ancestors()
        .filter(|path| *path != Path::new(""))
        // A link to nothing is there too, and no folder can be made in its place.
        .find(|path| path.symlink_metadata().is_ok())
        .unwrap_or(Path::new("."));
    let lacks = |why: &str| {
        let found = format!("{}: {why}", shown(existing));
        Finding::lacks("checkpoints", found, "give --checkpoints DIR")
    };
    if !existing.is_dir() {
        return lacks("not a folder");
    }
    if nix::unistd::access(existing, nix::unistd::AccessFlags::W_OK).is_err() {
        return lacks("not writable");
    }
    let free = nix::sys::statvfs::statvfs(existing).map_or_else(
        |error| format!("free space unknown: {error}"),
        |disk| {
            let free = u128::from(disk.fragment_size()) * u128::from(disk.blocks_available());
            format!("{} free", bytes(u64::try_from(free).unwrap_or(u64::MAX)))
        },
    );
    Finding::good("checkpoints", format!("{}: {free}", shown(root)))
}

fn weights() -> Finding {
    let paths = SearchPaths::from_env();
    let mut all: Vec<(&str, Option<PathBuf>)> = Backbone::ALL
        .into_iter()
        .map(|backbone| {
            let path = paths.find_weights(&Pretrained::of(backbone)).ok();
            (backbone.as_str(), path)
        })
        .collect();
    // Of other published weights, only those that are here: nothing lacks the rest.
    all.extend(Pretrained::others().filter_map(|weights| {
        let path = paths.find_weights(&weights).ok()?;
        Some((weights.name(), Some(path)))
    }));
    let folders: Vec<PathBuf> = paths.weights.iter().chain([&paths.hub]).cloned().collect();
    whereabouts(
        "weights",
        &all,
        &folders,
        "downloaded at launch, or by `warmstart prefetch --backbone NAME`",
        &paths,
    )
}

fn datasets() -> Finding {
    let paths = SearchPaths::from_env();
    let path = |name: DatasetName| {
        if name.archive().is_none() {
            return Some(PathBuf::from("built in"));
        }
        paths
            .find_dataset(name, None)
            .ok()
            .or_else(|| paths.find_archive(name, None))
    };
    let all = DatasetName::ALL.map(|name| (name.as_str(), path(name)));
    let help = "downloaded at launch, or by `warmstart prefetch --dataset NAME`";
    whereabouts("datasets", &all, &paths.datasets, help, &paths)
}

/// Which datasets and weights are here, in which folders, and where the others were searched.
fn whereabouts(
    what: &'static str,
    all: &[(&str, Option<PathBuf>)],
    folders: &[PathBuf],
    help: &str,
    paths: &SearchPaths,
) -> Finding {
    let mut here: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, path) in all
        .iter()
        .filter_map(|(name, path)| Some((*name, path.as_ref()?)))
    {
        let folder = folders
            .iter()
            .find(|folder| path.starts_with(folder))
            .map(PathBuf::as_path);
        let folder = shown(
            folder
                .or_else(|| path.parent().filter(|path| *path != Path::new("")))
                .unwrap_or(path),
        );
        match here.iter_mut().find(|(other, _)| *other == folder) {
            Some((_, names)) => names.push(name),
            None => here.push((folder, vec![name])),
        }
    }
    let lacking: Vec<&str> = all
        .iter()
        .filter(|(_, path)| path.is_none())
        .map(|(name, _)| *name)
        .collect();
    let mut parts = vec![format!(
        "{} of {} here",
        all.len() - lacking.len(),
        all.len()
    )];
    parts.extend(
        here.into_iter()
            .map(|(folder, names)| format!("{folder}: {}", names.join(", "))),
    );
    if lacking.is_empty() {
        return Finding::parts(what, &parts);
    }
    let looked = folders
        .iter()
        .map(|folder| shown(folder))
        .collect::<Vec<_>>()
        .join(", ");
    parts.push(format!("not here: {}", lacking.join(", ")));
    parts.push(format!("looked in {looked}"));
    let help = if paths.offline {
        "HF_HUB_OFFLINE is set: nothing is downloaded; put them there"
    } else {
        help
    };
    // A file that a run downloads may be missing.
    Finding {
        ok: !paths.offline,
        help: Some(help.to_owned()),
        ..Finding::parts(what, &parts)
    }
}
