//! A job near its time limit: Slurm starts it again if it is asked to.

use std::ffi::OsStr;

use warmstart_schema::identity::Job;
use warmstart_schema::slurm::minutes;

use super::programs::call;
use super::script::NOTICE;

/// Slurm gives its notice up to a minute early.
const EARLY: u64 = 1;

/// Whether the job has so little time left that a request to save is because of that.
pub fn is_time_up(job: Job) -> bool {
    let Some(id) = job.slurm_job else {
        return false;
    };
    let jobs = format!("--jobs={id}");
    let arguments = ["--noheader", "--array", &jobs, "--format=%L"];
    let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    call("squeue", &arguments).is_ok_and(|answer| is_little(&answer))
}

fn is_little(left: &str) -> bool {
    let left = left.lines().map(str::trim).rfind(|line| !line.is_empty());
    left.and_then(minutes)
        .is_some_and(|minutes| minutes <= NOTICE / 60 + EARLY)
}

/// Has Slurm end this job and start it again. An error says why it does not.
pub fn requeue(job: Job) -> Result<(), String> {
    let Some(id) = job.slurm_job else {
        return Err("the job has no id".to_owned());
    };
    let id = id.to_string();
    match call("scontrol", &["requeue".as_ref(), id.as_ref()]) {
        Ok(_) => Ok(()),
        Err(trouble) => Err(trouble.to_string()),
    }
}

#[cfg(test)]
mod tests {
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
}
