//! Asks the launchers where workers are that run elsewhere and show no sign of life. It asks on another thread, about all of them at
//! once, and seldom.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::launcher::{self, Handle, Stage, Standing};
use crate::run::RunId;

/// The least time between two questions: while something is about to change, and otherwise.
const SOON: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(30);
/// The most that questions without an answer are apart.
const RARELY: Duration = Duration::from_mins(5);

type Answer = BTreeMap<RunId, Standing>;

/// The newest answers, and the question that is open.
#[derive(Debug, Default)]
pub(super) struct Standings {
    /// Where each worker was that the last answer names. A run may have another worker by now.
    known: BTreeMap<RunId, (Handle, Standing)>,
    open: Option<Receiver<Answer>>,
    asked: Option<Instant>,
    /// The workers that the last question was about.
    about: Vec<(RunId, Handle)>,
    /// How many answers in a row said nothing of any worker.
    silent: u32,
}

impl Standings {
    /// Where the worker of a run was at the last answer.
    pub(super) fn of(&self, run: &RunId) -> Option<&Standing> {
        self.known.get(run).map(|(_, standing)| standing)
    }

    /// Takes in an answer that has come, and asks about these workers if it is time.
    pub(super) fn poll(&mut self, root: &Path, workers: &[(RunId, Handle)]) {
        self.receive();
        // What was known of a worker before it showed a sign of life is no longer true, and says nothing of the run's next worker.
        let absent: BTreeMap<&RunId, &Handle> = workers.iter().map(|it| (&it.0, &it.1)).collect();
        self.known
            .retain(|id, (worker, _)| absent.get(id).is_some_and(|it| **it == *worker));
        if self.open.is_some() || workers.is_empty() || !self.is_time(workers) {
            return;
        }
        self.asked = Some(Instant::now());
        self.about = workers.to_vec();
        let (sender, receiver) = channel();
        let (root, workers) = (root.to_path_buf(), workers.to_vec());
        // The receiver is gone only when the watcher is.
        thread::spawn(move || drop(sender.send(launcher::survey(&root, &workers))));
        self.open = Some(receiver);
    }

    /// Asks about these workers and waits for the answer.
    pub(super) fn ask(&mut self, root: &Path, workers: &[(RunId, Handle)]) {
        if !workers.is_empty() {
            self.asked = Some(Instant::now());
            self.about = workers.to_vec();
            self.take(launcher::survey(root, workers));
        }
    }

    fn receive(&mut self) {
        let answer = match self.open.as_ref().map(Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => return,
            Some(Ok(answer)) => answer,
            // The question ended without an answer.
            Some(Err(TryRecvError::Disconnected)) => Answer::new(),
        };
        self.open = None;
        self.take(answer);
    }

    /// Takes in the answer to the last question.
    fn take(&mut self, mut answer: Answer) {
        let is_answered = |standing: &Standing| standing.stage != Stage::Unknown;
        if answer.values().any(is_answered) {
            self.silent = 0;
        } else {
            self.silent += 1;
        }
        let of_worker = |(id, worker): &(RunId, Handle)| {
            let standing = answer.remove(id)?;
            Some((id.clone(), (worker.clone(), standing)))
        };
        self.known = self.about.iter().filter_map(of_worker).collect();
    }

    fn is_time(&self, workers: &[(RunId, Handle)]) -> bool {
        let Some(asked) = self.asked else { return true };
        let is_settled = self
            .known
            .values()
            .all(|(_, standing)| standing.stage == Stage::Waiting);
        let pause = if self.silent > 0 {
            (SOON * 2_u32.saturating_pow(self.silent.min(10))).min(RARELY)
        } else if is_settled && self.about == workers {
            LATER
        } else {
            SOON
        };
        asked.elapsed() >= pause
    }
}

#[cfg(test)]
mod tests {
    use warmstart_schema::identity::Job;

    use super::*;

    #[test]
    fn an_answer_about_a_job_says_nothing_of_the_next_job_of_the_run() {
        let root = tempfile::tempdir().unwrap();
        // What `squeue` said a moment ago, so that it is not asked.
        let answer = "12|PENDING|N/A|1:00:00||Priority\n";
        std::fs::write(root.path().join(".squeue"), answer).unwrap();
        let run: RunId = "a".parse().unwrap();
        let job = |id: u64| {
            Handle::Slurm(Job {
                slurm_job: Some(id.into()),
                restart: 0,
            })
        };
        let mut standings = Standings::default();
        let first = [(run.clone(), job(12))];
        standings.ask(root.path(), &first);
        standings.poll(root.path(), &first);
        let stage = standings.of(&run).map(|standing| standing.stage);
        assert_eq!(stage, Some(Stage::Waiting));
        standings.poll(root.path(), &[(run.clone(), job(13))]);
        assert_eq!(standings.of(&run), None);
    }
}
