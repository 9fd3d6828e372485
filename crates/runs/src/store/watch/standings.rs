//! Where workers are that no process of this machine is, by asking who starts them: on another thread, all at once, and seldom.

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
    known: Answer,
    open: Option<Receiver<Answer>>,
    asked: Option<Instant>,
    /// The workers that the last question was about.
    about: Vec<(RunId, Handle)>,
    /// How many answers in a row were none.
    silent: u32,
}

impl Standings {
    pub(super) fn of(&self, run: &RunId) -> Option<&Standing> {
        self.known.get(run)
    }

    /// Takes in an answer that has come, and asks about these workers if it is time.
    pub(super) fn poll(&mut self, root: &Path, workers: &[(RunId, Handle)]) {
        self.receive();
        // What was known of a worker before it showed a sign of life is no longer true.
        self.known
            .retain(|id, _| workers.iter().any(|(other, _)| other == id));
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

    fn take(&mut self, answer: Answer) {
        let is_answered = |standing: &Standing| standing.stage != Stage::Unknown;
        if answer.values().any(is_answered) {
            self.silent = 0;
        } else {
            self.silent += 1;
        }
        self.known = answer;
    }

    fn is_time(&self, workers: &[(RunId, Handle)]) -> bool {
        let Some(asked) = self.asked else { return true };
        let is_settled = self
            .known
            .values()
            .all(|standing| standing.stage == Stage::Waiting);
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
