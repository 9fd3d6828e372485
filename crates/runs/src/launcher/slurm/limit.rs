//! A job near its time limit: Slurm starts it again if it is asked to.

use std::ffi::OsStr;

use warmstart_schema::identity::Job;
use warmstart_schema::slurm::minutes;

use super::programs::{Trouble, call};
use super::script::NOTICE;

/// Slurm gives its notice up to a minute early.
const EARLY: u64 = 1;

/// Asks Slurm to end a job and to start it again, if the job is so near its time limit that it was asked to save because of that.
/// An error says why Slurm does not. `None` if Slurm does not answer: then ask again.
pub fn requeue_at_limit(job: Job) -> Option<Result<(), String>> {
    requeue_with(call, job)
}

fn requeue_with(
    call: impl Fn(&str, &[&OsStr]) -> Result<String, Trouble>,
    job: Job,
) -> Option<Result<(), String>> {
    let Some(id) = job.slurm_job else {
        return Some(Err("the job has no id".to_owned()));
    };
    let jobs = format!("--jobs={id}");
    let question = ["--noheader", "--array", &jobs, "--format=%L"];
    let question: [&OsStr; 4] = question.map(AsRef::as_ref);
    let id = id.to_string();
    let request: [&OsStr; 2] = ["requeue".as_ref(), id.as_ref()];
    let answer = match call("squeue", &question) {
        Ok(left) if is_little(&left) => call("scontrol", &request),
        other => other,
    };
    match answer {
        Ok(_) => Some(Ok(())),
        Err(Trouble::Silent(_)) => None,
        Err(trouble) => Some(Err(trouble.to_string())),
    }
}

fn is_little(left: &str) -> bool {
    let left = left.lines().map(str::trim).rfind(|line| !line.is_empty());
    left.and_then(minutes)
        .is_some_and(|minutes| minutes <= NOTICE / 60 + EARLY)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn time_left_is_read_as_squeue_writes_it() {
        for (left, is_up) in [
            ("0:45\n", true),
            ("2:00\n", true),
            ("3:59\n", true),
            ("4:00\n", false),
            ("1:02:03\n", false),
            ("1-00:00:00\n", false),
            ("motd\n0:30\n", true),
            ("UNLIMITED\n", false),
            ("INVALID\n", false),
            ("NOT_SET\n", false),
            ("", false),
        ] {
            assert_eq!(is_little(left), is_up, "{left:?}");
        }
    }

    #[test]
    fn a_job_is_requeued_near_its_limit_and_a_silent_slurm_is_asked_again() {
        let job = Job {
            slurm_job: Some(41.into()),
            restart: 0,
        };
        let silent = || Err(Trouble::Silent("no answer".to_owned()));
        let refused = || Err(Trouble::Refused("no".to_owned()));
        let said = |text: &str| Ok(text.to_owned());
        for (left, requeued, expected, calls) in [
            (said("0:30"), said(""), Some(Ok(())), 2),
            (said("1:00:00"), said(""), Some(Ok(())), 1),
            (silent(), said(""), None, 1),
            (said("0:30"), silent(), None, 2),
            (said("0:30"), refused(), Some(Err("no".to_owned())), 2),
            (refused(), said(""), Some(Err("no".to_owned())), 1),
        ] {
            let asked = RefCell::new(Vec::new());
            let call = |program: &str, _: &[&OsStr]| {
                asked.borrow_mut().push(program.to_owned());
                if program == "squeue" {
                    left.clone()
                } else {
                    requeued.clone()
                }
            };
            assert_eq!(requeue_with(call, job), expected);
            assert_eq!(asked.into_inner(), ["squeue", "scontrol"][..calls]);
        }
    }
}
