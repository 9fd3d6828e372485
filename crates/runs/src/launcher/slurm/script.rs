//! The script that `sbatch` gets.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;

use warmstart_schema::slurm::Slurm as Wanted;

use super::folder::{MARK, SLOT, job_name, quoted, word};
use crate::launcher::programs::Programs;
use crate::launcher::torch::{self, Torch};
use crate::run::RunDir;

/// Seconds before its time limit at which a worker is asked to save.
const NOTICE: u64 = 120;

/// The script of a run's job, as `sbatch` gets it. The run's path must be absolute.
pub fn script(run: &RunDir, programs: &Programs, wanted: &Wanted) -> io::Result<String> {
    let worker = std::path::absolute(&programs.worker)?;
    let launched_in = run.info().ok().and_then(|info| info.cwd);
    let folder = launched_in.filter(|folder| folder.is_dir());
    let folder = folder.map_or_else(std::env::current_dir, Ok)?;
    // Slurm sends the signal up to a minute early, so a short limit needs a short notice.
    let notice = wanted
        .minutes()
        .map_or(NOTICE, |minutes| NOTICE.min(minutes * 60 / 5));
    let mut text = String::from("#!/bin/bash\n");
    let options = [
        format!("--job-name={}", job_name(run)),
        format!("--output={}", quoted(&run.worker_log())?),
        "--open-mode=append".to_owned(),
        // Paths in an experiment are relative to the folder from which the run was launched.
        format!("--chdir={}", quoted(&folder)?),
        "--requeue".to_owned(),
        format!("--signal=TERM@{notice}"),
        "--nodes=1".to_owned(),
        "--ntasks=1".to_owned(),
    ];
    for option in options.into_iter().chain(wanted.options()) {
        // Writing into a text does not fail.
        let _ = writeln!(text, "#SBATCH {option}");
    }
    for line in &wanted.before {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "export {MARK}={SLOT}");
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
        let libraries = word(&usable.libraries)?;
        let _ = writeln!(
            text,
            "export LD_LIBRARY_PATH={libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
        );
    }
    // Without a limit by cgroups a worker sees all cores of its node, also those of others.
    text.push_str("export OMP_NUM_THREADS=\"${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE}}\"\n");
    text.push_str("export GOMP_SPINCOUNT=\"${GOMP_SPINCOUNT:-10000}\"\n");
    // `srun` does not take the CPUs of a task from the job.
    let cpus = wanted
        .cpus
        .map_or_else(String::new, |cpus| format!(" --cpus-per-task={cpus}"));
    let _ = writeln!(
        text,
        "exec srun --export=ALL --nodes=1 --ntasks=1{cpus} --unbuffered {} train {}",
        word(&worker)?,
        word(run.path())?
    );
    Ok(text)
}
