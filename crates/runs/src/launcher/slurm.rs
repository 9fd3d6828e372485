//! Workers as jobs of Slurm. The run folder on the shared file system stays the only contract: what a run says of itself, by its
//! log and its heartbeat, is true without any call of Slurm. Slurm explains why a worker is absent.
//!
//! `run.json` names the job that has the run, from before `sbatch` until it is known that Slurm starts no worker of it again. While
//! it names one, nothing is sent a second time.

mod answers;
mod claim;
mod folder;
mod programs;
mod script;
mod standing;
mod survey;
mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use warmstart_schema::identity::{Handle, Job};

use super::{Host, Launcher, Origin, Programs, Request, Standing, Started, WorkerState};
use crate::failure::{Failure, Kind};
use crate::run::{RunDir, RunId};
use crate::storage::{Disk, replace};

pub use self::claim::{Claim, refusal};
use self::folder::{MARK, SCRIPT, STOP, absent, record, wanted};
pub use self::folder::{SLOT, ask_for, give_back, is_asked_for, is_stopped, release};
use self::programs::{Trouble, call, finds};
pub use self::script::script;

/// Starts workers as jobs of Slurm.
#[derive(Debug, Clone, Copy)]
pub struct Slurm;

/// The job that this process is the worker of.
pub fn own() -> Option<Job> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_marked = std::env::var(MARK).is_ok_and(|launcher| launcher == SLOT);
    let job = number("SLURM_JOB_ID").filter(|_| is_marked)?;
    let restart = number("SLURM_RESTART_COUNT").and_then(|count| u32::try_from(count).ok());
    Some(Job {
        slurm_job: Some(job),
        restart: restart.unwrap_or(0),
    })
}

/// Whether this machine can send jobs.
pub fn can_submit() -> bool {
    finds("sbatch")
}

/// The id in the answer of `sbatch --parsable`: `12` or `12;cluster`. A site may print lines of its own before it.
fn submitted(answer: &str) -> Option<u64> {
    let last = answer
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())?;
    last.split(';').next()?.parse().ok().filter(|id| *id > 0)
}

impl Launcher for Slurm {
    /// Sends a job. If `sbatch` does not answer, Slurm may or may not have the job: the run waits without an id until Slurm says.
    fn start(&self, programs: &Programs, run: &RunDir) -> io::Result<Started> {
        let run = RunDir::new(std::path::absolute(run.path())?);
        if let Some(worker @ Handle::Slurm(_)) = run.info()?.worker {
            // Who sent it did not live to note that in the queue.
            return Ok(Started {
                worker,
                child: None,
            });
        }
        let text = script(&run, programs, &wanted(&run)?)?;
        let path = run.path().join(SCRIPT);
        replace(&Disk, &path, text.as_bytes())?;
        absent(fs::remove_file(run.path().join(STOP)))?;
        let unknown = Job {
            slurm_job: None,
            restart: 0,
        };
        record(&run, unknown)?;
        let job = match call("sbatch", &["--parsable".as_ref(), path.as_os_str()]) {
            Ok(answer) => Job {
                slurm_job: submitted(&answer),
                restart: 0,
            },
            Err(Trouble::Silent(_)) => unknown,
            Err(trouble) => {
                if let Some(_lock) = run.lock_within(folder::PATIENCE)? {
                    release(&run)?;
                }
                let what = format!("Slurm did not take the job: {trouble}");
                return Err(io::Error::other(
                    Failure::new(Kind::Worker, what).help(trouble.help()),
                ));
            }
        };
        if job.slurm_job.is_some() {
            record(&run, job)?;
        }
        Ok(Started {
            worker: Handle::Slurm(job),
            child: None,
        })
    }

    /// A stop is SIGTERM to the worker; it takes a job that has not started out of Slurm. A stop at once ends the job.
    fn ask(&self, worker: &Handle, request: Request) -> io::Result<bool> {
        let Some(job) = worker.job() else {
            return Ok(false);
        };
        let Some(id) = job.slurm_job else {
            return Err(io::Error::other(
                "sbatch has not answered yet, so its job has no id here; try again in a minute",
            ));
        };
        let id = id.to_string();
        let calls: &[&[&str]] = match request {
            // Without a state, Slurm tries for a minute to signal a job that has not started.
            Request::Stop => &[
                &["--state=PENDING", &id],
                &["--state=SUSPENDED", &id],
                &["--signal=TERM", "--state=RUNNING", &id],
            ],
            Request::StopNow => &[&[&id]],
        };
        for arguments in calls {
            let arguments: Vec<_> = arguments.iter().map(AsRef::as_ref).collect();
            match call("scancel", &arguments) {
                Ok(_) => {}
                Err(Trouble::NoSuchJob(_)) => return Ok(false),
                Err(trouble) => return Err(io::Error::other(trouble.to_string())),
            }
        }
        Ok(true)
    }

    fn announce(&self, run: &RunDir) -> io::Result<()> {
        fs::write(run.path().join(STOP), "")
    }

    /// Its job is never known to be gone from its name alone.
    fn state(&self, _: &Handle) -> WorkerState {
        WorkerState::Running
    }

    /// `run.json` names the job until Slurm starts no worker of it again.
    fn occupies(&self, run: &RunDir, worker: &Handle) -> bool {
        let now = run.info().ok().and_then(|info| info.worker);
        let is_its = |now: Job| {
            let worker = worker.job();
            worker.is_some_and(|it| now.is_start_of(it) || it.slurm_job.is_none())
        };
        now.as_ref().and_then(Handle::job).is_some_and(is_its) || self.is_held(run)
    }

    fn origin(&self, _: &Handle, _: &str, _: &Host) -> Origin {
        Origin::Elsewhere
    }

    fn slot(&self, _: &str) -> String {
        SLOT.to_owned()
    }

    fn survey(&self, root: &Path, workers: &[(RunId, Handle)]) -> BTreeMap<RunId, Standing> {
        survey::survey(root, workers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_from_what_sbatch_prints() {
        for (answer, id) in [
            ("12\n", Some(12)),
            ("12;cluster\n", Some(12)),
            ("Welcome to the cluster\n\n 345 \n\n", Some(345)),
            ("", None),
            ("0\n", None),
            ("Submitted batch job\n", None),
            ("-3\n", None),
        ] {
            assert_eq!(submitted(answer), id, "{answer:?}");
        }
    }

    #[test]
    fn run_json_stores_a_job_by_its_id_and_start() {
        let json = "{\"slurm_job\":12,\"restart\":1}";
        let worker: Handle = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&worker).unwrap(), json);
        assert_eq!((worker.pid(), worker.local()), (None, None));
        assert!(serde_json::from_str::<Handle>("{\"slurm_job\":12}").is_err());
        let job = worker.job().unwrap();
        assert!(job.is_start_of(Job { restart: 0, ..job }));
        let unknown = Job {
            slurm_job: None,
            ..job
        };
        assert!(!unknown.is_start_of(unknown));
    }
}
