//! Keeps two starts of a job, or two jobs, from writing one run. Not every shared file system passes locks between machines, so
//! `run.json` names the job and the start that has the run.

use std::io;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use warmstart_schema::identity::{Handle, Job};
use warmstart_schema::state::RunState;

use crate::heartbeat::INTERVAL;
use crate::run::{RunDir, RunInfo};

/// How long an earlier start must be silent before the next one takes the run: three heartbeats, and a little.
const SILENCE: Duration = Duration::from_secs(INTERVAL as u64 * 3 + 5);
/// A heartbeat that is this old needs no watching; clocks of a cluster differ by less.
const OLD: Duration = Duration::from_mins(5);
/// How long an earlier start may show signs of life before the next one gives up.
const PATIENCE: Duration = Duration::from_mins(10);
const PAUSE: Duration = Duration::from_millis(500);
/// How old a look at `run.json` may be when the worker writes.
const LOOK: Duration = Duration::from_secs(5);

/// Why this start must not take the run; none if it may. Waits while an earlier start may still be alive. The run may change
/// during the wait, so the caller reads it again before it takes it.
pub fn refusal(run: &RunDir, info: &RunInfo, state: &RunState, me: Job) -> Option<String> {
    let has = info.worker.as_ref()?;
    if let Some(why) = taken(info, me) {
        return Some(why);
    }
    let own = Handle::Slurm(me);
    let attempt = &state.attempt.as_ref()?.worker;
    if state.outcome.is_some() {
        return None;
    }
    if *attempt == own {
        return (*has == own)
            .then(|| format!("run {} has a worker of this start already", info.id));
    }
    if !falls_silent(run, SILENCE, PATIENCE) {
        return Some(format!(
            "run {} has a worker that is still alive: {}",
            info.id,
            attempt_in_words(state)
        ));
    }
    // Another start may have waited for the same silence.
    taken(&run.info().ok()?, me)
}

/// Why the run belongs to another job or to a later start, by what `run.json` says.
fn taken(info: &RunInfo, me: Job) -> Option<String> {
    match info.worker.as_ref()? {
        Handle::Slurm(job) if job.slurm_job.is_some() && !job.is_same_job(me) => Some(format!(
            "run {} belongs to another job now, {}",
            info.id,
            id_in_words(*job)
        )),
        Handle::Slurm(job) if job.restart > me.restart => Some(format!(
            "run {} belongs to a later start of this job",
            info.id
        )),
        _ => None,
    }
}

fn id_in_words(job: Job) -> String {
    job.slurm_job.map_or_else(String::new, |id| id.to_string())
}

fn attempt_in_words(state: &RunState) -> String {
    let attempt = state.attempt.as_ref();
    attempt.map_or_else(String::new, |attempt| {
        format!("attempt {} on {}", attempt.number, attempt.host)
    })
}

/// Waits until no heartbeat has come for `silence`; false if they still come after `patience`. While the time of the last one
/// cannot be read, as when a shared file system does not answer, the worker counts as alive.
fn falls_silent(run: &RunDir, silence: Duration, patience: Duration) -> bool {
    let began = Instant::now();
    let mut last = run.touched();
    let is_old = |at: SystemTime| at.elapsed().is_ok_and(|age| age > OLD);
    if last.is_some_and(is_old) {
        return true;
    }
    let mut seen = Instant::now();
    while began.elapsed() < patience {
        if seen.elapsed() >= silence {
            return true;
        }
        thread::sleep(PAUSE.min(silence));
        let now = run.touched();
        if now.is_none() || now != last {
            (last, seen) = (now, Instant::now());
        }
    }
    false
}

/// A worker's right to write its run.
#[derive(Debug)]
pub struct Claim {
    run: RunDir,
    me: Job,
    looked: Instant,
}

impl Claim {
    /// Of a worker that has just written itself into `run.json`.
    pub fn new(run: &RunDir, me: Job) -> Self {
        Self {
            run: run.clone(),
            me,
            looked: Instant::now(),
        }
    }

    /// Whether the run is still this worker's. Reads `run.json` if the last look is too old, or if `now` asks for it. A file that
    /// cannot be read changes nothing.
    pub fn holds(&mut self, now: bool) -> bool {
        if !now && self.looked.elapsed() < LOOK {
            return true;
        }
        self.looked = Instant::now();
        let named = |info: io::Result<RunInfo>| info.ok().and_then(|info| info.worker);
        named(self.run.info()).is_none_or(|worker| worker == Handle::Slurm(self.me))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warmstart_schema::event::Record;
    use warmstart_schema::identity::JobId;

    fn run(worker: Option<&str>) -> (tempfile::TempDir, RunDir, RunInfo) {
        let root = tempfile::tempdir().unwrap();
        let run = RunDir::of(root.path(), &"20261129-090414-0001".parse().unwrap());
        std::fs::create_dir(run.path()).unwrap();
        let info = serde_json::json!({
            "format": 1, "id": "20261129-090414-0001", "experiment": "e", "group": "g", "stem": "s", "source": "s.yaml",
            "created": "2026-01-01T00:00:00Z", "device": "cpu",
            "worker": worker.map(|worker| serde_json::from_str::<serde_json::Value>(worker).unwrap()),
        });
        run.write_info(&serde_json::from_value(info).unwrap())
            .unwrap();
        let info = run.info().unwrap();
        drop(run.lock().unwrap());
        (root, run, info)
    }

    fn attempt(worker: &str) -> RunState {
        let line = format!(
            r#"{{"t":1.0,"event":"attempt","number":1,"worker":{worker},"host":"n1","device":"cpu","device_name":"","device_reason":"","threads":1,"libtorch":"","epochs":1,"resumed_from":null}}"#
        );
        RunState::fold([Record::parse(line.as_bytes()).unwrap()])
    }

    const ME: Job = Job {
        slurm_job: Some(JobId {
            job: 12,
            task: None,
        }),
        restart: 1,
    };
    const MINE: &str = "{\"slurm_job\":12,\"restart\":1}";
    const EARLIER: &str = "{\"slurm_job\":12,\"restart\":0}";

    #[test]
    fn only_the_job_that_run_json_names_takes_the_run() {
        for (worker, said) in [
            (None, None),
            (Some("{\"slurm_job\":null,\"restart\":0}"), None),
            (Some(EARLIER), None),
            (Some(MINE), None),
            (
                Some("{\"slurm_job\":13,\"restart\":0}"),
                Some("belongs to another job now, 13"),
            ),
            (
                Some("{\"slurm_job\":12,\"restart\":2}"),
                Some("belongs to a later start"),
            ),
        ] {
            let (_root, run, info) = run(worker);
            let refused = refusal(&run, &info, &RunState::default(), ME);
            assert_eq!(refused.is_some(), said.is_some(), "{worker:?}: {refused:?}");
            assert!(refused.unwrap_or_default().contains(said.unwrap_or("")));
        }
        let (_root, run, info) = run(Some(MINE));
        assert!(
            refusal(&run, &info, &attempt(MINE), ME)
                .unwrap()
                .contains("of this start already")
        );
    }

    #[test]
    fn an_earlier_start_is_waited_for_until_it_is_silent() {
        let (_root, run, info) = run(Some(EARLIER));
        let old = SystemTime::now() - OLD - Duration::from_secs(1);
        let lock = std::fs::File::open(run.path().join("run.lock")).unwrap();
        lock.set_modified(old).unwrap();
        assert_eq!(refusal(&run, &info, &attempt(EARLIER), ME), None);
        let ms = Duration::from_millis;
        let done = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    run.touch().unwrap();
                    thread::sleep(ms(20));
                }
            });
            thread::sleep(ms(50));
            assert!(!falls_silent(&run, ms(300), ms(1000)), "it beats");
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert!(falls_silent(&run, ms(300), ms(5000)), "it beats no more");
        lock.set_modified(old).unwrap();
        assert!(falls_silent(&run, SILENCE, Duration::ZERO), "it is old");
        std::fs::remove_file(run.path().join("run.lock")).unwrap();
        assert!(
            !falls_silent(&run, SILENCE, Duration::ZERO),
            "nobody can tell"
        );
    }

    #[test]
    fn a_run_that_a_later_start_took_during_the_wait_is_left_to_it() {
        let (_root, run, info) = run(Some(EARLIER));
        let old = SystemTime::now() - OLD - Duration::from_secs(1);
        let lock = std::fs::File::open(run.path().join("run.lock")).unwrap();
        lock.set_modified(old).unwrap();
        let later = Job { restart: 2, ..ME };
        run.write_info(&RunInfo {
            worker: Some(Handle::Slurm(later)),
            ..info.clone()
        })
        .unwrap();
        let refused = refusal(&run, &info, &attempt(EARLIER), ME).unwrap();
        assert!(refused.contains("belongs to a later start"), "{refused}");
    }

    #[test]
    fn a_worker_loses_its_claim_when_another_start_is_named() {
        let (_root, run, info) = run(Some(MINE));
        let mut claim = Claim::new(&run, ME);
        assert!(claim.holds(true));
        let later = Job { restart: 2, ..ME };
        run.write_info(&RunInfo {
            worker: Some(Handle::Slurm(later)),
            ..info
        })
        .unwrap();
        assert!(claim.holds(false), "it looked a moment ago");
        assert!(!claim.holds(true));
    }
}
