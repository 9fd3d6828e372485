//! Workers as jobs of Slurm. The run folder lies on a shared file system. Log and heartbeat say how a run is, without any call of
//! Slurm. Only where both are silent does Slurm say why.
//!
//! `run.json` names the job that has the run, from before `sbatch` until it is known that Slurm starts no worker of it again. While
//! it names one, nothing is sent a second time.

mod answers;
mod claim;
mod folder;
mod limit;
mod programs;
mod script;
mod standing;
mod survey;
mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use warmstart_schema::identity::{Handle, Job, JobId};
use warmstart_schema::slurm::Slurm as SlurmOptions;

use super::{Host, Launcher, Origin, Programs, Request, Stage, Standing, Started, WorkerState};
use crate::failure::{Failure, Kind};
use crate::run::{RunDir, RunId};
use crate::storage::{Disk, replace};

pub use self::claim::{Claim, refusal};
use self::folder::{MARK, SCRIPT, STOP, TASK, absent, keep_log_length, locked, record, wanted};
pub use self::folder::{SLOT, ask_for, give_back, is_asked_for, is_stopped, release};
pub use self::limit::requeue_at_limit;
use self::programs::{Trouble, call, finds};
pub use self::script::script;

/// Starts workers as jobs of Slurm.
#[derive(Debug, Clone, Copy)]
pub struct Slurm;

/// The job that this process is the worker of.
pub fn own() -> Option<Job> {
    let read = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let is_marked = read(MARK).is_some_and(|launcher| launcher == SLOT);
    // A task of an array has a job id of its own too, which nobody knows before it starts.
    let id = read(TASK).or_else(|| read("SLURM_JOB_ID"));
    let job = id.filter(|_| is_marked)?.parse().ok()?;
    let restart = read("SLURM_RESTART_COUNT").and_then(|count| count.parse().ok());
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

const NO_ID: &str = "sbatch has not answered yet, so its job has no id here; try again in a minute";
/// The most tasks of an array; Slurm's own limit is 1,001 unless a cluster changes it.
const MOST_TASKS: usize = 500;

/// A run that is about to be sent.
struct ToSend {
    run: RunDir,
    /// What its job asks for, the folder in which it was launched, and its group: tasks of an array have these in common.
    wanted: SlurmOptions,
    launched_in: Option<PathBuf>,
    group: Option<String>,
}

/// Whether a run that the queue starts must be sent.
enum Sending {
    Due(Box<ToSend>),
    /// It has this job already: its sender ended before it noted that in the queue.
    Done(Started),
}

impl Sending {
    fn of(run: &RunDir) -> io::Result<Self> {
        let run = RunDir::new(std::path::absolute(run.path())?);
        let info = run.info()?;
        if let Some(worker @ Handle::Slurm(_)) = info.worker {
            return Ok(Self::Done(Started {
                worker,
                child: None,
            }));
        }
        Ok(Self::Due(Box::new(ToSend {
            wanted: wanted(&run)?,
            launched_in: info.cwd,
            group: info.member.map(|member| member.group),
            run,
        })))
    }
}

impl ToSend {
    fn shares_an_array_with(&self, other: &Self) -> bool {
        self.group.is_some()
            && self.group == other.group
            && self.wanted == other.wanted
            && self.launched_in == other.launched_in
    }
}

/// Sends one job, or one array with a task for each run. If `sbatch` does not answer, Slurm may or may not have it: the runs wait
/// without an id until Slurm says. An error has sent nothing.
fn send(programs: &Programs, sent: &[ToSend]) -> io::Result<Vec<Started>> {
    let [first, ..] = sent else {
        return Ok(Vec::new());
    };
    let runs: Vec<RunDir> = sent.iter().map(|it| it.run.clone()).collect();
    // The job's name holds it.
    runs.iter().try_for_each(keep_log_length)?;
    let text = script(&runs, programs, &first.wanted)?;
    let unknown = Job {
        slurm_job: None,
        restart: 0,
    };
    let prepare = |run: &RunDir| {
        // Each run's own copy says its task, should `sbatch` not answer.
        replace(&Disk, &run.path().join(SCRIPT), text.as_bytes())?;
        absent(fs::remove_file(run.path().join(STOP)))?;
        // Without its name in run.json, the run could be sent twice.
        if record(run, unknown)? {
            Ok(())
        } else {
            Err(locked(run))
        }
    };
    if let Err(error) = runs.iter().try_for_each(prepare) {
        release_all(&runs);
        return Err(error);
    }
    let path = first.run.path().join(SCRIPT);
    let id = match call("sbatch", &["--parsable".as_ref(), path.as_os_str()]) {
        Ok(answer) => submitted(&answer),
        Err(Trouble::Silent(_)) => None,
        Err(trouble) => {
            release_all(&runs);
            let what = format!("Slurm did not take the job: {trouble}");
            return Err(io::Error::other(
                Failure::new(Kind::Worker, what).help(trouble.help()),
            ));
        }
    };
    let is_array = runs.len() > 1;
    let send = |(run, task): (&RunDir, u32)| {
        let task = is_array.then_some(task);
        let job = Job {
            slurm_job: id.map(|job| JobId { job, task }),
            restart: 0,
        };
        if job.slurm_job.is_some() {
            // The job is sent. Where its id is not written, Slurm is asked for the job by its name.
            let _ = record(run, job);
        }
        Started {
            worker: Handle::Slurm(job),
            child: None,
        }
    };
    Ok(runs.iter().zip(0..).map(send).collect())
}

/// Gives back runs that were not sent.
fn release_all(runs: &[RunDir]) {
    for run in runs {
        if let Ok(Some(_lock)) = run.lock_within(folder::PATIENCE) {
            // Report why they were not sent. If one cannot be given back, the next survey finds that Slurm has no job of it.
            let _ = release(run);
        }
    }
}

/// An error once more, for another run.
fn again(error: &io::Error) -> io::Error {
    match Failure::within(error) {
        Some(failure) => io::Error::other(failure.clone()),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// The error of a run of which no job was sent. Without a failure of its own, the worker's program would be blamed.
fn unsent(run: &RunDir, error: io::Error) -> io::Error {
    if Failure::within(&error).is_some() {
        return error;
    }
    let what = format!("no job was sent: {error}: {}", run.path().display());
    let help = "free disk space, or correct the permissions of the run's folder";
    io::Error::new(error.kind(), Failure::new(Kind::Disk, what).help(help))
}

impl Launcher for Slurm {
    fn start(&self, programs: &Programs, run: &RunDir) -> io::Result<Started> {
        let started = self.start_all(programs, std::slice::from_ref(run)).pop();
        started.unwrap_or_else(|| Err(io::Error::other("no job was sent")))
    }

    /// Members of a group that ask for the same become the tasks of an array.
    fn start_all(&self, programs: &Programs, runs: &[RunDir]) -> Vec<io::Result<Started>> {
        let mut results: Vec<io::Result<Started>> = Vec::with_capacity(runs.len());
        let mut waiting: Vec<ToSend> = Vec::new();
        let send_waiting = |waiting: &mut Vec<ToSend>, results: &mut Vec<_>| {
            let sent = std::mem::take(waiting);
            match send(programs, &sent) {
                Ok(started) => results.extend(started.into_iter().map(Ok)),
                // The same for each of them.
                Err(error) => results.extend(sent.iter().map(|_| Err(again(&error)))),
            }
        };
        for run in runs {
            let next = Sending::of(run);
            let fits = |next: &ToSend| {
                let last = waiting.last();
                last.is_some_and(|last| last.shares_an_array_with(next))
                    && waiting.len() < MOST_TASKS
            };
            if !matches!(&next, Ok(Sending::Due(next)) if fits(next)) {
                send_waiting(&mut waiting, &mut results);
            }
            match next {
                Ok(Sending::Due(next)) => waiting.push(*next),
                Ok(Sending::Done(started)) => results.push(Ok(started)),
                Err(error) => results.push(Err(error)),
            }
        }
        send_waiting(&mut waiting, &mut results);
        runs.iter()
            .zip(results)
            .map(|(run, started)| started.map_err(|error| unsent(run, error)))
            .collect()
    }

    /// `scontrol top` puts a job before the others of its user; many clusters do not allow that.
    fn put_first(&self, worker: &Handle) -> io::Result<()> {
        let Some(id) = worker.job().and_then(|job| job.slurm_job) else {
            return Err(io::Error::other(NO_ID));
        };
        let id = id.to_string();
        match call("scontrol", &["top".as_ref(), id.as_ref()]) {
            Ok(_) => Ok(()),
            Err(trouble) => {
                let what = format!("Slurm does not put job {id} first: {trouble}");
                let help = match trouble {
                    Trouble::Refused(_) => {
                        "the cluster allows it where its SchedulerParameters have enable_user_top; `scontrol hold` holds other jobs back"
                    }
                    other => other.help(),
                };
                Err(io::Error::other(
                    Failure::new(Kind::Worker, what).help(help),
                ))
            }
        }
    }

    /// A stop is SIGTERM to the worker; it takes a job that has not started out of Slurm. A stop at once ends the job.
    fn ask(&self, worker: &Handle, request: Request) -> io::Result<bool> {
        let Some(job) = worker.job() else {
            return Ok(false);
        };
        let Some(id) = job.slurm_job else {
            return Err(io::Error::other(NO_ID));
        };
        let text = id.to_string();
        let is_task = id.task.is_some();
        let calls: &[&[&str]] = match request {
            Request::StopNow => &[&[&text]],
            // With a state, Slurm 22.05 takes all tasks of the array.
            Request::Stop if is_task => match survey::task(id) {
                Ok(Some(job)) if job.stage() == Stage::Running => &[&["--signal=TERM", &text]],
                Ok(_) => &[&[&text]],
                Err(trouble) => return Err(io::Error::other(trouble.to_string())),
            },
            // Without a state, Slurm tries for a minute to signal a job that has not started.
            Request::Stop => &[
                &["--state=PENDING", &text],
                &["--state=SUSPENDED", &text],
                &["--signal=TERM", "--state=RUNNING", &text],
            ],
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
            worker.is_some_and(|it| now.is_same_job(it) || it.slurm_job.is_none())
        };
        now.as_ref().and_then(Handle::job).is_some_and(is_its) || self.is_held(run)
    }

    fn origin(&self, _: &Handle, _: &str, _: &Host) -> Origin {
        Origin::Elsewhere
    }

    fn slot(&self, _: &str, _: u32) -> String {
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
    fn the_error_says_why_a_job_was_not_sent() {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::new(root.path().join("a"));
        // The script cannot be written. Then the run cannot be given back either.
        fs::create_dir_all(run.path().join(SCRIPT)).unwrap();
        fs::write(run.path().join("run.json"), "{").unwrap();
        let programs = Programs {
            monitor: None,
            worker: "/opt/warmstart-worker".into(),
        };
        let one = ToSend {
            run,
            wanted: SlurmOptions::default(),
            launched_in: None,
            group: None,
        };
        let error = send(&programs, &[one]).unwrap_err().to_string();
        assert!(error.contains("directory"), "{error}");
    }

    #[test]
    fn a_run_folder_that_cannot_be_read_is_not_blamed_on_the_worker() {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::new(root.path().join("gone"));
        let programs = Programs {
            monitor: None,
            worker: "/opt/warmstart-worker".into(),
        };
        let error = Slurm.start(&programs, &run).unwrap_err();
        let failure = Failure::within(&error).unwrap();
        assert_eq!(failure.kind, Kind::Disk);
        assert!(failure.what.ends_with("/gone"), "{failure}");
    }

    #[test]
    fn a_run_that_another_process_holds_is_not_sent() {
        let root = tempfile::tempdir().unwrap();
        let id = "20261129-090414-0001";
        let run = RunDir::of(root.path(), &id.parse().unwrap());
        fs::create_dir(run.path()).unwrap();
        let info = serde_json::json!({
            "format": 1, "id": id, "experiment": "e", "group": "g", "stem": "s", "source": "s.yaml",
            "created": "2026-01-01T00:00:00Z", "device": "cpu",
        });
        run.write_info(&serde_json::from_value(info).unwrap())
            .unwrap();
        let _lock = run.lock().unwrap().unwrap();
        let programs = Programs {
            monitor: None,
            worker: "/opt/warmstart-worker".into(),
        };
        let one = ToSend {
            run: run.clone(),
            wanted: SlurmOptions::default(),
            launched_in: None,
            group: None,
        };
        let error = send(&programs, &[one]).unwrap_err().to_string();
        assert!(error.contains(id), "no program was called: {error}");
        assert_eq!(run.info().unwrap().worker, None);
    }

    #[test]
    fn run_json_stores_a_job_by_its_id_and_start() {
        let json = "{\"slurm_job\":12,\"restart\":1}";
        let worker: Handle = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&worker).unwrap(), json);
        assert_eq!((worker.pid(), worker.local()), (None, None));
        assert!(serde_json::from_str::<Handle>("{\"slurm_job\":12}").is_err());
        let job = worker.job().unwrap();
        assert!(job.is_same_job(Job { restart: 0, ..job }));
        let unknown = Job {
            slurm_job: None,
            ..job
        };
        assert!(!unknown.is_same_job(unknown));
        let task = "{\"slurm_job\":\"12_3\",\"restart\":0}";
        let worker: Handle = serde_json::from_str(task).unwrap();
        assert_eq!(serde_json::to_string(&worker).unwrap(), task);
        assert!(!worker.job().unwrap().is_same_job(job), "a job is no task");
    }
}
