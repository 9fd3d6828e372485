//! The script that `sbatch` gets.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use warmstart_schema::slurm::Slurm as SlurmOptions;

use super::folder::{
    MARK, OTHER_LAUNCH, OTHER_RUNS, OTHER_WORKER, SCRIPT, SLOT, TASK, job_name, quoted, word,
};
use crate::launcher::programs::Programs;
use crate::launcher::torch::{self, Torch};
use crate::run::RunDir;

/// Seconds before its time limit at which a worker is asked to save.
pub(super) const NOTICE: u64 = 120;
/// The option with the name of a job.
const NAME: &str = "--job-name=";
/// The line before the folders of an array's runs, one a line in the order of its tasks.
const RUNS: &str = "runs=(";

/// The script of a job of each of these runs, as `sbatch` gets it: of one job, or of an array with a task for each run. Their
/// paths must be absolute, and the folder in which they were launched the same.
pub fn script(runs: &[RunDir], programs: &Programs, wanted: &SlurmOptions) -> io::Result<String> {
    let [first, ..] = runs else {
        return Err(io::Error::other("no run to send"));
    };
    let worker = std::path::absolute(&programs.worker)?;
    let launched_in = first.info().ok().and_then(|info| info.cwd);
    let folder = launched_in.filter(|folder| folder.is_dir());
    let folder = folder.map_or_else(std::env::current_dir, Ok)?;
    // Slurm sends the signal up to a minute early, so a short limit needs a short notice.
    let notice = wanted
        .minutes()
        .map_or(NOTICE, |minutes| NOTICE.min(minutes * 60 / 5));
    let is_array = runs.len() > 1;
    let mut text = String::from("#!/bin/bash\n");
    let options = [
        format!("{NAME}{}", job_name(first)),
        // Each task of an array writes to the log of its own run, below.
        if is_array {
            "--output=/dev/null".to_owned()
        } else {
            format!("--output={}", quoted(&first.worker_log(), OTHER_RUNS)?)
        },
        "--open-mode=append".to_owned(),
        // A worker looks for `datasets` and `.weights` in the folder from which its run was launched. Earlier versions also kept
        // relative paths in experiments.
        format!("--chdir={}", quoted(&folder, OTHER_LAUNCH)?),
        "--requeue".to_owned(),
        format!("--signal=TERM@{notice}"),
        "--nodes=1".to_owned(),
        "--ntasks=1".to_owned(),
    ];
    let array = is_array.then(|| format!("--array=0-{}", runs.len() - 1));
    for option in options.into_iter().chain(array).chain(wanted.options()) {
        // Writing into a text does not fail.
        let _ = writeln!(text, "#SBATCH {option}");
    }
    let run = if is_array {
        let _ = writeln!(text, "{RUNS}");
        for run in runs {
            let _ = writeln!(text, "{}", word(run.path(), OTHER_RUNS)?);
        }
        text.push_str(")\nrun=${runs[$SLURM_ARRAY_TASK_ID]}\nexec >>\"$run/worker.log\" 2>&1\n");
        "\"$run\"".to_owned()
    } else {
        word(first.path(), OTHER_RUNS)?
    };
    for line in &wanted.before {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "export {MARK}={SLOT}");
    // A job that is sent from a task of an array would have the numbers of that task too.
    let task = if is_array {
        "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    } else {
        ""
    };
    let _ = writeln!(text, "export {TASK}={task}");
    for (name, value) in torch::command(&worker).get_envs() {
        let (name, value) = (name.to_string_lossy(), value.unwrap_or(OsStr::new("")));
        if !name.ends_with("LIBRARY_PATH") {
            let value = value.to_string_lossy();
            let _ = writeln!(text, "export {name}={}", shell_words::quote(&value));
        }
    }
    if let Torch::Installed(candidates) = torch::of_worker(&worker)
        && let Some(usable) = candidates.iter().find(|it| it.refused.is_none())
    {
        let libraries = word(&usable.libraries, OTHER_WORKER)?;
        let _ = writeln!(
            text,
            "export LD_LIBRARY_PATH={libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
        );
    }
    text.push_str("export GOMP_SPINCOUNT=\"${GOMP_SPINCOUNT:-10000}\"\n");
    // `srun` does not take the CPUs of a task from the job.
    let cpus = wanted
        .cpus
        .map_or_else(String::new, |cpus| format!(" --cpus-per-task={cpus}"));
    let _ = writeln!(
        text,
        "exec srun --export=ALL --nodes=1 --ntasks=1{cpus} --unbuffered {} train {run}",
        word(&worker, OTHER_WORKER)?,
    );
    Ok(text)
}

/// How a run was sent last, as its copy of the script says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SentAs {
    pub(super) job_name: String,
    /// Its index in the array, if it was sent in one.
    pub(super) task: Option<u32>,
}

impl SentAs {
    /// Of a run without a script, as if it had been sent alone.
    pub(super) fn of(run: &RunDir) -> io::Result<Self> {
        let script = match std::fs::read(run.path().join(SCRIPT)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let script = String::from_utf8_lossy(&script);
        let mut lines = script.lines();
        let option = ["#SBATCH ", NAME].concat();
        let name = lines.find_map(|line| line.strip_prefix(&option));
        // The same folder may have another path here than where it was sent, so only the run's name counts.
        let own = run.path().file_name();
        let is_own = |line: &str| {
            let words = shell_words::split(line).unwrap_or_default();
            matches!(&words[..], [path] if Path::new(path).file_name() == own)
        };
        let mut runs = lines.skip_while(|line| *line != RUNS).skip(1);
        let task = runs.position(is_own);
        Ok(Self {
            job_name: name.map_or_else(|| job_name(run), str::to_owned),
            task: task.and_then(|task| u32::try_from(task).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> Programs {
        Programs {
            monitor: None,
            worker: "/opt/warmstart-worker".into(),
        }
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_with_help_for_that_path() {
        let root = tempfile::tempdir().unwrap();
        let plain = RunDir::new(root.path().join("a"));
        let odd = RunDir::new(root.path().join("50%/a"));
        let elsewhere = Programs {
            monitor: None,
            worker: "/opt/50%/warmstart-worker".into(),
        };
        let error = |run: &RunDir, programs: &Programs| {
            let runs = std::slice::from_ref(run);
            let error = script(runs, programs, &SlurmOptions::default()).unwrap_err();
            error.to_string()
        };
        let (of_run, of_worker) = (error(&odd, &programs()), error(&plain, &elsewhere));
        assert!(of_run.contains("--checkpoints"), "{of_run}");
        assert!(
            of_worker.contains("/opt/50%") && !of_worker.contains("--checkpoints"),
            "{of_worker}"
        );
    }

    #[test]
    fn a_script_says_how_its_runs_were_sent() {
        let root = tempfile::tempdir().unwrap();
        let runs = ["a b", "c", "d"].map(|name| RunDir::new(root.path().join(name)));
        for run in &runs {
            std::fs::create_dir(run.path()).unwrap();
        }
        let sent = |runs: &[RunDir], run: &RunDir| {
            let text = script(runs, &programs(), &SlurmOptions::default()).unwrap();
            std::fs::write(run.path().join(SCRIPT), text).unwrap();
            SentAs::of(run).unwrap()
        };
        for (index, run) in runs.iter().enumerate() {
            let as_task = SentAs {
                job_name: "warmstart-a b".to_owned(),
                task: u32::try_from(index).ok(),
            };
            assert_eq!(sent(&runs, run), as_task);
            let alone = SentAs {
                job_name: job_name(run),
                task: None,
            };
            assert_eq!(sent(std::slice::from_ref(run), run), alone);
            std::fs::remove_file(run.path().join(SCRIPT)).unwrap();
            assert_eq!(SentAs::of(run).unwrap(), alone);
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let moved = RunDir::new(elsewhere.path().join("c"));
        std::fs::create_dir(moved.path()).unwrap();
        assert_eq!(sent(&runs, &moved).task, Some(1));
    }
}
