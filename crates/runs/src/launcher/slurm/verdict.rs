//! Logs how a job ended where its worker could not, and gives the run back. The process that asks Slurm does what a monitor does for a
//! worker of this machine.

use std::io;

use warmstart_schema::event::{Event, FailureKind, Level};
use warmstart_schema::state::{Outcome, RunState};

use super::answers::Job;
use super::folder::{PATIENCE, SCRIPT, is_stopped, log_length_when_sent, release};
use crate::event_log::{EventReader, EventWriter};
use crate::run::RunDir;
use warmstart_schema::identity::{Handle, Job as Start, JobId};

/// Seconds by which clocks of a cluster may differ.
const SKEW: f64 = 60.0;

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// As Slurm says.
    Said(Job),
    /// Slurm has forgotten the job with this id.
    Forgotten(JobId),
    /// `sbatch` had not answered, and Slurm has no such job.
    NeverSent,
}

/// Logs the end of the run's job, unless its worker did, and gives the run back. Nothing happens if another job has the run now.
pub(super) fn settle(run: &RunDir, start: Start, end: &End) -> io::Result<()> {
    let Some(_lock) = run.lock_within(PATIENCE)? else {
        return Ok(());
    };
    if run.info()?.worker.as_ref().and_then(Handle::job) != Some(start) {
        return Ok(());
    }
    let state = run.state()?;
    let is_new = is_newer_than_sending(run, &state)?;
    let mut log = EventWriter::open(&run.events())?;
    for event in events(start, end, &state, is_new, is_stopped(run)) {
        log.write(&event)?;
    }
    log.sync()?;
    release(run)
}

/// Whether the log's last end came after the job was sent.
fn is_newer_than_sending(run: &RunDir, state: &RunState) -> io::Result<bool> {
    // An end just before the job was sent is older. Only the log's own order says so, because clocks of a cluster differ.
    if let Some(length) = log_length_when_sent(run) {
        return EventReader::after(run.events(), length).has_end();
    }
    let times = sent(run).zip(state.last_event);
    Ok(times.is_some_and(|(sent, last)| last > sent - SKEW))
}

/// When the job was sent, in seconds since the Unix epoch: `slurm.sh` was written then.
fn sent(run: &RunDir) -> Option<f64> {
    let written = std::fs::metadata(run.path().join(SCRIPT))
        .and_then(|meta| meta.modified())
        .ok()?;
    written
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .map(|since| since.as_secs_f64())
}

/// What the log lacks. `is_new` says that its last end came after the job was sent, `is_stopped` that the run's user wanted the end.
fn events(start: Start, end: &End, state: &RunState, is_new: bool, is_stopped: bool) -> Vec<Event> {
    let attempt = state
        .attempt
        .as_ref()
        .and_then(|attempt| attempt.worker.job());
    let has_begun = attempt.is_some_and(|it| it.is_same_job(start));
    // A worker that fails early logs no attempt.
    let ended = state
        .setback
        .as_ref()
        .or(state.outcome.as_ref())
        .filter(|_| has_begun || is_new);
    match (ended, end) {
        (Some(Outcome::Stopped), End::Said(job)) => after_saving(job).into_iter().collect(),
        (Some(_), _) => Vec::new(),
        // Slurm forgets the task of an array that is cancelled before it starts.
        (None, End::Forgotten(id)) if is_stopped && !has_begun => cancelled(*id, has_begun, state),
        (None, end) => without_a_word(end, has_begun, state),
    }
}

fn warning(text: String) -> Event {
    Event::Note {
        level: Level::Warning,
        text,
    }
}

/// Why a worker saved and ended although nobody had asked it to.
fn after_saving(job: &Job) -> Option<Event> {
    let id = job.id;
    let text = match job.state.as_str() {
        "TIMEOUT" => format!(
            "job {id} reached its time limit{} after it had saved; a resume sends it again and continues there; a longer slurm.time needs fewer jobs",
            limit(job)
        ),
        "CANCELLED" => format!("job {id} was cancelled after it had saved"),
        "PREEMPTED" => format!(
            "job {id} gave way to another after it had saved, and Slurm does not start it again; a resume does"
        ),
        "NODE_FAIL" => {
            format!("the node of job {id} failed after it had saved; a resume sends it again")
        }
        _ => return None,
    };
    Some(warning(text))
}

fn limit(job: &Job) -> String {
    job.limit
        .as_ref()
        .map_or_else(String::new, |limit| format!(" of {limit}"))
}

/// The end of a job whose worker logged none.
fn without_a_word(end: &End, has_begun: bool, state: &RunState) -> Vec<Event> {
    const RESUME: &str = "a resume sends it again and continues from the last checkpoint";
    let failed = |kind, error: String, help: &str| {
        vec![Event::Failed {
            kind,
            error,
            help: help.to_owned(),
        }]
    };
    let job = match end {
        End::Said(job) => job,
        End::Forgotten(id) => {
            return failed(
                FailureKind::Killed,
                format!("job {id} ended without a message, and Slurm no longer knows why"),
                "its last lines may say why; a resume sends it again",
            );
        }
        End::NeverSent => {
            return failed(
                FailureKind::NotStarted,
                "sbatch did not answer, and Slurm has no job of this run".to_owned(),
                "a resume sends it again",
            );
        }
    };
    let id = job.id;
    match job.state.as_str() {
        "CANCELLED" => cancelled(id, has_begun, state),
        "TIMEOUT" | "DEADLINE" => failed(
            FailureKind::Killed,
            format!(
                "job {id} reached its time limit{} before it could save",
                limit(job)
            ),
            "raise slurm.time, or save more often with train.checkpoint.every_minutes; a resume continues from the last checkpoint",
        ),
        "OUT_OF_MEMORY" => failed(
            FailureKind::KernelOutOfMemory,
            format!("out of memory: job {id} used more than it had asked Slurm for"),
            "raise slurm.memory, or lower train.batch_size or input.resize; a resume continues from the last checkpoint",
        ),
        "NODE_FAIL" | "BOOT_FAIL" | "LAUNCH_FAILED" => {
            let node = job
                .nodes
                .as_ref()
                .map_or_else(String::new, |nodes| format!(" {nodes}"));
            failed(
                FailureKind::Killed,
                format!("the node{node} of job {id} failed"),
                RESUME,
            )
        }
        "PREEMPTED" => failed(
            FailureKind::Killed,
            format!("job {id} gave way to another, and Slurm does not start it again"),
            RESUME,
        ),
        _ => ended_by_itself(job, has_begun),
    }
}

fn cancelled(id: JobId, has_begun: bool, state: &RunState) -> Vec<Event> {
    let step = state
        .checkpoint
        .as_ref()
        .map_or(0, |(_, checkpoint)| checkpoint.step);
    let text = if has_begun {
        format!(
            "job {id} was cancelled before it could save; everything after the last checkpoint is lost"
        )
    } else {
        format!("job {id} was cancelled before it started")
    };
    let train_time = state.train_time().unwrap_or(0.0);
    vec![warning(text), Event::Stopped { step, train_time }]
}

/// The program of the job ended, and the log has no end.
fn ended_by_itself(job: &Job, has_begun: bool) -> Vec<Event> {
    let id = job.id;
    let how = match job.exit {
        Some((_, signal)) if signal > 0 => format!("signal {signal}"),
        Some((code, _)) => format!("exit code {code}"),
        None => job.state.clone(),
    };
    let (kind, error, help) = if has_begun {
        (
            FailureKind::Crashed,
            format!("job {id} ended without a message ({how})"),
            "its last lines may say why; a resume sends it again and continues from the last checkpoint",
        )
    } else {
        (
            FailureKind::NotStarted,
            format!("job {id} ended before the worker could start ({how})"),
            "its last lines say why; correct that, then resume the run",
        )
    };
    vec![Event::Failed {
        kind,
        error,
        help: help.to_owned(),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::folder::keep_log_length;
    use super::*;
    use crate::event_log::append;
    use warmstart_schema::event::Record;

    const START: Start = Start {
        slurm_job: Some(JobId {
            job: 12,
            task: None,
        }),
        restart: 0,
    };

    fn said(state: &str) -> End {
        End::Said(Job {
            id: 12.into(),
            state: state.to_owned(),
            limit: Some("2:00:00".to_owned()),
            nodes: Some("n3".to_owned()),
            exit: Some((1, 9)),
            ..Job::default()
        })
    }

    fn state(lines: &[&str]) -> RunState {
        RunState::fold(
            lines
                .iter()
                .map(|line| Record::parse(line.as_bytes()).unwrap()),
        )
    }

    const ATTEMPT: &str = r#"{"t":100.0,"event":"attempt","number":1,"worker":{"slurm_job":12,"restart":0},"host":"n3","device":"cpu","device_name":"","device_reason":"","threads":1,"libtorch":"","epochs":1,"resumed_from":null}"#;
    const STOPPED: &str = r#"{"t":200.0,"event":"stopped","step":5,"train_time":1.0}"#;

    fn words(end: &End, lines: &[&str]) -> String {
        words_of(end, lines, false)
    }

    fn words_of(end: &End, lines: &[&str], is_stopped: bool) -> String {
        let mut state = state(lines);
        // The job was sent at 0.
        let is_new = state.last_event.is_some_and(|last| last > 0.0);
        let events = events(START, end, &state, is_new, is_stopped);
        events.into_iter().enumerate().for_each(|(at, event)| {
            state.apply(Record {
                t: 300.0 + at as f64,
                event,
            });
        });
        let notes: Vec<&str> = state.notes.iter().map(|note| note.text.as_str()).collect();
        match &state.outcome {
            Some(Outcome::Failed { kind, error, help }) => format!("{kind:?}: {error}; {help}"),
            other => format!("{other:?} {}", notes.join(" ")),
        }
    }

    #[test]
    fn ends_without_a_word_are_named_with_what_to_do() {
        for (end, said) in [
            (
                said("OUT_OF_MEMORY"),
                "KernelOutOfMemory: out of memory: job 12 used more than it had asked Slurm for; raise slurm.memory",
            ),
            (
                said("TIMEOUT"),
                "Killed: job 12 reached its time limit of 2:00:00 before it could save; raise slurm.time",
            ),
            (
                said("NODE_FAIL"),
                "Killed: the node n3 of job 12 failed; a resume sends it again",
            ),
            (
                said("PREEMPTED"),
                "gave way to another, and Slurm does not start it again",
            ),
            (
                said("CANCELLED"),
                "Some(Stopped) job 12 was cancelled before it could save",
            ),
            (
                said("FAILED"),
                "Crashed: job 12 ended without a message (signal 9)",
            ),
            (said("COMPLETED"), "Crashed: job 12 ended without a message"),
            (
                End::Forgotten(12.into()),
                "Killed: job 12 ended without a message, and Slurm no longer knows why",
            ),
        ] {
            let found = words(&end, &[ATTEMPT]);
            assert!(found.contains(said), "{end:?}: {found}");
        }
    }

    #[test]
    fn ends_before_the_worker_are_told_apart() {
        assert!(
            words(&said("FAILED"), &[])
                .starts_with("NotStarted: job 12 ended before the worker could start")
        );
        assert!(
            words(&said("CANCELLED"), &[])
                .starts_with("Some(Stopped) job 12 was cancelled before it started")
        );
        assert!(words(&End::NeverSent, &[]).starts_with("NotStarted: sbatch did not answer"));
        let forgotten = End::Forgotten(12.into());
        assert!(words(&forgotten, &[]).starts_with("Killed: job 12 ended without a message"));
        assert!(
            words_of(&forgotten, &[], true)
                .starts_with("Some(Stopped) job 12 was cancelled before it started")
        );
        // The earlier job's end is not this one's.
        let other = ATTEMPT.replace("\"slurm_job\":12", "\"slurm_job\":7");
        let early = STOPPED.replace("200.0", "-100.0");
        assert!(words(&said("FAILED"), &[&other, &early]).starts_with("NotStarted"));
    }

    #[test]
    fn an_end_that_the_worker_logged_gets_at_most_a_note() {
        let limit = words(&said("TIMEOUT"), &[ATTEMPT, STOPPED]);
        assert!(
            limit.contains("Some(Stopped)")
                && limit.contains("time limit of 2:00:00 after it had saved"),
            "{limit}"
        );
        assert_eq!(
            words(&said("COMPLETED"), &[ATTEMPT, STOPPED]),
            "Some(Stopped) "
        );
        let finished = r#"{"t":200.0,"event":"finished","train_time":1.0,"stopped_early":false}"#;
        for end in [said("TIMEOUT"), said("FAILED"), End::Forgotten(12.into())] {
            assert!(
                words(&end, &[ATTEMPT, finished]).starts_with("Some(Finished"),
                "{end:?}"
            );
        }
        // It failed before its first attempt was logged.
        let failed =
            r#"{"t":60.0,"event":"failed","kind":"input","error":"no data","help":"bring it"}"#;
        assert!(words(&said("FAILED"), &[failed]).contains("no data"));
    }

    #[test]
    fn an_end_just_before_the_job_was_sent_is_not_its_own() {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::new(root.path().to_path_buf());
        let stopped = Event::Stopped {
            step: 5,
            train_time: 1.0,
        };
        append(&run, &stopped).unwrap();
        keep_log_length(&run).unwrap();
        std::fs::write(run.path().join(SCRIPT), "").unwrap();
        let is_new = || is_newer_than_sending(&run, &run.state().unwrap()).unwrap();
        assert!(!is_new());
        append(&run, &warning("a node is slow".to_owned())).unwrap();
        assert!(!is_new());
        append(&run, &stopped).unwrap();
        assert!(is_new());
    }
}
