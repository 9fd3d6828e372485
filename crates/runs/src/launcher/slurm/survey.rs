//! Asks Slurm about all jobs at once. The last answer is kept in a file for a few seconds, so that many dashboards and commands of
//! one folder ask no more often than one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use warmstart_schema::identity::{Handle, Job as Start, JobId};

use super::answers::{self, ACCOUNTED, FORMAT, Job};
use super::folder::{SCRIPT, record};
use super::programs::{Trouble, call, finds};
use super::script::SentAs;
use super::verdict::{End, settle};
use crate::launcher::contract::{Stage, Standing};
use crate::run::{RunDir, RunId};
use crate::storage::{Disk, replace};

/// In the folder of all runs: the last answer of `squeue`.
const KEPT: &str = ".squeue";
/// How long that answer is used.
const FRESH: Duration = Duration::from_secs(10);
/// How many jobs a survey asks Slurm about one by one: so many that `squeue` no longer lists, and so many that run. Of more
/// jobs it says only what `squeue` says.
const ONE_BY_ONE: usize = 20;
/// How long a job of an unanswered `sbatch` may take to appear.
const APPEARS: Duration = Duration::from_mins(2);

/// Where the jobs are. Logs the ends of those that are over.
pub(super) fn survey(root: &Path, workers: &[(RunId, Handle)]) -> BTreeMap<RunId, Standing> {
    let jobs = || {
        workers
            .iter()
            .filter_map(|(id, worker)| Some((id, worker.job()?)))
    };
    let listed = match squeue(root) {
        Ok(listed) => listed,
        Err(trouble) => {
            return jobs()
                .map(|(id, job)| (id.clone(), unknown(job, &trouble)))
                .collect();
        }
    };
    let (mut left, mut silent_left) = (ONE_BY_ONE, ONE_BY_ONE);
    let mut names = Names::default();
    let mut standings = BTreeMap::new();
    for (id, start) in jobs() {
        let run = RunDir::of(root, id);
        let standing = match start.slurm_job {
            None => unanswered(&run, start, |name| names.ids(name, of_name)),
            Some(job) => match listed_as(&listed, job) {
                Some(found) if found.stage() == Stage::Running => {
                    Some(silent(&run, start, &found, &mut silent_left))
                }
                Some(found) => Some(said(&run, start, found)),
                None if left > 0 => {
                    left -= 1;
                    Some(unlisted(&run, start, job))
                }
                None => None,
            },
        };
        standings.extend(standing.map(|standing| (id.clone(), standing)));
    }
    standings
}

/// What an answer of `squeue` says of a job. An array that ends before any of its tasks has started is listed as one job.
fn listed_as(listed: &[Job], id: JobId) -> Option<Job> {
    let whole =
        |it: &&Job| it.id == JobId::from(id.job) && id.task.is_some() && it.stage() == Stage::Over;
    let found = listed
        .iter()
        .find(|it| it.id == id)
        .or_else(|| listed.iter().find(whole))?;
    Some(Job {
        id,
        ..found.clone()
    })
}

/// What Slurm says of the task of an array now.
pub(super) fn task(id: JobId) -> Result<Option<Job>, Trouble> {
    let jobs = format!("--jobs={id}");
    let arguments = [
        "--noheader",
        "--states=all",
        "--array",
        &jobs,
        "--format",
        FORMAT,
    ];
    let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    match call("squeue", &arguments) {
        Ok(answer) => Ok(listed_as(&answers::listed(&answer), id)),
        Err(Trouble::NoSuchJob(_)) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// The jobs of this user.
fn squeue(root: &Path) -> Result<Vec<Job>, Trouble> {
    let kept = root.join(KEPT);
    if let Some(answer) = fresh(&kept) {
        return Ok(answers::listed(&answer));
    }
    let arguments = [
        "--me",
        "--noheader",
        "--states=all",
        "--array",
        "--format",
        FORMAT,
    ];
    let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    let answer = call("squeue", &arguments)?;
    // Without the file, the next question is asked sooner.
    let _ = replace(&Disk, &kept, answer.as_bytes());
    Ok(answers::listed(&answer))
}

fn fresh(kept: &PathBuf) -> Option<String> {
    let age = fs::metadata(kept)
        .and_then(|meta| meta.modified())
        .ok()?
        .elapsed()
        .ok()?;
    (age < FRESH)
        .then(|| fs::read_to_string(kept).ok())
        .flatten()
}

/// What Slurm says of a job; logs its end.
fn said(run: &RunDir, start: Start, job: Job) -> Standing {
    let standing = job.standing();
    if standing.stage == Stage::Over {
        return over(run, start, &End::Said(job), standing);
    }
    standing
}

/// A job that runs and whose worker shows no sign of life: the worker that the log names may be that of an earlier start. Only
/// `scontrol` knows how often a job has started.
fn silent(run: &RunDir, start: Start, job: &Job, left: &mut usize) -> Standing {
    let logged = run.state().ok().and_then(|state| state.attempt);
    let logged = logged.and_then(|attempt| attempt.worker.job());
    let Some(logged) = logged.filter(|logged| logged.is_same_job(start)) else {
        return job.starting();
    };
    if *left == 0 {
        return job.standing();
    }
    *left -= 1;
    match show(job.id) {
        Ok(Some(now)) if now.restarts.is_some_and(|count| count > logged.restart) => job.starting(),
        // The worker is hung, or `scontrol` does not know more.
        _ => job.standing(),
    }
}

fn over(run: &RunDir, start: Start, end: &End, standing: Standing) -> Standing {
    match settle(run, start, end) {
        Ok(()) => standing,
        Err(error) => Standing {
            stage: Stage::Unknown,
            text: format!("{}, and its end cannot be logged: {error}", standing.text),
            help: "free disk space, or correct the permissions of the run's folder".to_owned(),
        },
    }
}

/// A job that `squeue` does not list: `scontrol` knows it a little longer.
fn unlisted(run: &RunDir, start: Start, id: JobId) -> Standing {
    match show(id) {
        Ok(Some(job)) => said(run, start, job),
        Ok(None) => unknown(
            start,
            &Trouble::Silent("the answer of `scontrol` is not understood".to_owned()),
        ),
        Err(Trouble::NoSuchJob(_)) => forgotten(run, start, id),
        Err(trouble) => unknown(start, &trouble),
    }
}

/// What `scontrol` says of a job; none if its answer is not understood.
fn show(id: JobId) -> Result<Option<Job>, Trouble> {
    let text = id.to_string();
    let arguments = ["show", "job", "--oneliner", &text].map(AsRef::as_ref);
    let answer = call("scontrol", &arguments)?;
    Ok(answers::shown(&answer).map(|job| Job { id, ..job }))
}

/// A job that the controller has forgotten: the cluster's accounting may know how it ended, where there is one.
fn forgotten(run: &RunDir, start: Start, id: JobId) -> Standing {
    let jobs = format!("--jobs={id}");
    let arguments = [
        "--noheader",
        "--parsable2",
        "--allocations",
        &jobs,
        ACCOUNTED,
    ];
    let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    if finds("sacct")
        && let Ok(answer) = call("sacct", &arguments)
        && let Some(job) = answers::accounted(&answer, id)
        && job.stage() == Stage::Over
    {
        return said(run, start, job);
    }
    let standing = Standing {
        stage: Stage::Over,
        text: format!("Slurm no longer knows job {id}"),
        help: String::new(),
    };
    over(run, start, &End::Forgotten(id), standing)
}

/// The ids of the jobs of each name, newest first, or why Slurm did not say. The tasks of an array share a name, so it is asked
/// once for all of them.
#[derive(Debug, Default)]
struct Names(BTreeMap<String, Result<Vec<u64>, Trouble>>);

impl Names {
    fn ids(
        &mut self,
        name: &str,
        ask: impl FnOnce(&str) -> Result<Vec<u64>, Trouble>,
    ) -> Result<Vec<u64>, Trouble> {
        let ids = self.0.entry(name.to_owned());
        ids.or_insert_with(|| ask(name)).clone()
    }
}

/// The ids of the jobs of this name, newest first, as Slurm says now.
fn of_name(name: &str) -> Result<Vec<u64>, Trouble> {
    let name = format!("--name={name}");
    let arguments = [
        "--me",
        "--noheader",
        "--states=all",
        "--format",
        // The id of the array for its tasks, that of the job for others.
        "%F",
        &name,
    ];
    let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    call("squeue", &arguments).map(|answer| answers::ids(&answer))
}

/// A run for which `sbatch` gave no id: Slurm may have its job, by its name.
fn unanswered(
    run: &RunDir,
    start: Start,
    ids: impl FnOnce(&str) -> Result<Vec<u64>, Trouble>,
) -> Option<Standing> {
    let sent_as = match SentAs::of(run) {
        Ok(sent_as) => sent_as,
        Err(error) => {
            return Some(Standing {
                stage: Stage::Unknown,
                text: format!("sbatch did not answer, and {SCRIPT} cannot be read: {error}"),
                help:
                    "correct the permissions of the run's folder; nothing is sent again meanwhile"
                        .to_owned(),
            });
        }
    };
    let ids = match ids(&sent_as.job_name) {
        Ok(ids) => ids,
        Err(trouble) => return Some(unknown(start, &trouble)),
    };
    // In earlier versions all jobs of a run had one name; the newest is the one that was sent last.
    let newest = ids.into_iter().next();
    let newest = newest.map(|job| JobId {
        job,
        task: sent_as.task,
    });
    if let Some(id) = newest {
        let job = Start {
            slurm_job: Some(id),
            restart: 0,
        };
        match is_earlier(run, id) {
            Ok(true) => {}
            Ok(false) => {
                // The next question is about this job, or for its name again.
                let recorded = record(run, job);
                return recorded.err().map(|error| not_recorded(id, &error));
            }
            Err(error) => return Some(not_recorded(id, &error)),
        }
    }
    let sent = fs::metadata(run.path().join(SCRIPT)).and_then(|meta| meta.modified());
    if may_still_appear(sent, SystemTime::now()) {
        return Some(Standing {
            stage: Stage::Unknown,
            text: "sbatch did not answer, and Slurm does not list the job yet".to_owned(),
            help: "nothing is sent again before that is certain".to_owned(),
        });
    }
    let standing = Standing {
        stage: Stage::Over,
        text: "sbatch did not answer, and Slurm has no job of this run".to_owned(),
        help: String::new(),
    };
    Some(over(run, start, &End::NeverSent, standing))
}

/// Whether a job that was sent then may be too new for Slurm to list it. A file server's clock may be ahead of this machine's, so
/// a time in the future counts as now.
fn may_still_appear(sent: io::Result<SystemTime>, now: SystemTime) -> bool {
    match sent {
        Ok(sent) => match now.duration_since(sent) {
            Ok(waited) => waited < APPEARS,
            Err(_) => true,
        },
        // A script that cannot be read now may say it later; one that is gone never does.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Whether the log knows an attempt of this job, or of a later one.
fn is_earlier(run: &RunDir, id: JobId) -> io::Result<bool> {
    let attempt = run.state()?.attempt;
    let job = attempt.and_then(|attempt| attempt.worker.job()?.slurm_job);
    Ok(job.is_some_and(|job| job.job >= id.job))
}

/// Slurm has a job of the run's name, and it cannot be recorded in the run's folder.
fn not_recorded(id: JobId, error: &io::Error) -> Standing {
    Standing {
        stage: Stage::Unknown,
        text: format!("Slurm has job {id} of this run, and the run's folder cannot be used: {error}"),
        help: "free disk space, or correct the permissions of the run's folder; nothing is sent again meanwhile".to_owned(),
    }
}

fn unknown(job: Start, trouble: &Trouble) -> Standing {
    let id = job
        .slurm_job
        .map_or_else(|| "its job".to_owned(), |id| format!("job {id}"));
    Standing {
        stage: Stage::Unknown,
        text: format!("nobody knows where {id} is: {trouble}"),
        help: format!("{}; nothing is sent again meanwhile", trouble.help()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_given_up_only_when_its_time_to_appear_is_known_to_be_over() {
        let now = SystemTime::now();
        let sent = |ago: Duration| Ok(now - ago);
        assert!(may_still_appear(sent(APPEARS / 2), now));
        assert!(!may_still_appear(sent(APPEARS * 2), now));
        assert!(may_still_appear(Ok(now + APPEARS), now));
        let failed = |kind: io::ErrorKind| Err(kind.into());
        assert!(may_still_appear(failed(io::ErrorKind::TimedOut), now));
        assert!(!may_still_appear(failed(io::ErrorKind::NotFound), now));
    }

    const UNANSWERED: Start = Start {
        slurm_job: None,
        restart: 0,
    };

    #[test]
    fn slurm_is_asked_once_for_all_runs_whose_jobs_share_a_name() {
        let root = tempfile::tempdir().unwrap();
        let (mut names, mut asked) = (Names::default(), Vec::new());
        for (run, name) in [("a", "one"), ("b", "one"), ("c", "two"), ("d", "one")] {
            let run = RunDir::new(root.path().join(run));
            fs::create_dir(run.path()).unwrap();
            let script = format!("#!/bin/bash\n#SBATCH --job-name={name}\n");
            fs::write(run.path().join(SCRIPT), script).unwrap();
            let standing = unanswered(&run, UNANSWERED, |name| {
                names.ids(name, |name| {
                    asked.push(name.to_owned());
                    Ok(Vec::new())
                })
            });
            assert_eq!(standing.unwrap().stage, Stage::Unknown);
        }
        assert_eq!(asked, ["one", "two"]);
    }

    /// A run that was sent, with a file that cannot be read.
    fn with_unreadable(root: &Path, file: impl FnOnce(&RunDir) -> PathBuf) -> RunDir {
        let id = "20261129-090414-0001";
        let run = RunDir::of(root, &id.parse().unwrap());
        fs::create_dir(run.path()).unwrap();
        let info = serde_json::json!({
            "format": 1, "id": id, "experiment": "e", "group": "g", "stem": "s", "source": "s.yaml",
            "created": "2026-01-01T00:00:00Z", "device": "cpu",
        });
        run.write_info(&serde_json::from_value(info).unwrap())
            .unwrap();
        // A folder cannot be read as a file.
        fs::create_dir_all(file(&run).join("x")).unwrap();
        run
    }

    #[test]
    fn a_job_is_not_taken_for_the_runs_while_its_log_cannot_be_read() {
        let root = tempfile::tempdir().unwrap();
        let run = with_unreadable(root.path(), RunDir::events);
        let standing = unanswered(&run, UNANSWERED, |_| Ok(vec![58])).unwrap();
        assert_eq!(standing.stage, Stage::Unknown);
        assert!(standing.text.contains("job 58"), "{}", standing.text);
        assert_eq!(run.info().unwrap().worker, None);
    }

    #[test]
    fn a_job_is_not_looked_up_by_another_name_while_the_script_cannot_be_read() {
        let root = tempfile::tempdir().unwrap();
        let run = with_unreadable(root.path(), |run| run.path().join(SCRIPT));
        let standing = unanswered(&run, UNANSWERED, |_| Ok(vec![58])).unwrap();
        assert_eq!(standing.stage, Stage::Unknown);
        assert!(standing.text.contains(SCRIPT), "{}", standing.text);
        assert_eq!(run.info().unwrap().worker, None);
    }

    #[test]
    fn an_array_that_was_cancelled_whole_ends_all_of_its_tasks() {
        let id = |text: &str| text.parse::<JobId>().unwrap();
        let state = |answer: &str, job: &str| {
            let found = listed_as(&answers::listed(answer), id(job));
            found.map(|job| (job.id, job.state))
        };
        let cancelled = "2|CANCELLED|N/A|1:00:00||None\n";
        assert_eq!(
            state(cancelled, "2_3"),
            Some((id("2_3"), "CANCELLED".to_owned()))
        );
        assert_eq!(state(cancelled, "3_3"), None);
        assert_eq!(state("2|PENDING|N/A|1:00:00||None\n", "2_3"), None);
        let own = "2_3|RUNNING|N/A|1:00:00|n1|None\n2|CANCELLED|N/A|1:00:00||None\n";
        assert_eq!(state(own, "2_3").unwrap().1, "RUNNING");
        assert_eq!(state("2_3|RUNNING|N/A|1:00:00|n1|None\n", "2"), None);
    }
}
