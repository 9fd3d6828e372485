//! Following the run folders by polling: inotify is silent on network file systems.

mod vital;
mod watched;

use crate::launcher::{self, Host};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::queue::{self, Queue};
use crate::run::{self, RunDir, RunId};
use warmstart_schema::event;

use self::vital::Mention;
use self::watched::{Experiments, Watched};
use super::summaries::{Stamp, Summaries, stamp};
use super::{Change, ExperimentFile, Runs};

/// Runs at rest that one poll looks at; the others have their turn in the next ones.
const RESTING_PER_POLL: usize = 100;
/// How long one poll reads logs of runs that are not shown yet.
const READING: Duration = Duration::from_millis(100);
/// The folder is listed anew at least this often, should the clock of a network file system hide a change.
const LISTING: Duration = Duration::from_secs(30);

/// Polls the folder that holds all runs.
#[derive(Debug)]
pub struct Watcher {
    root: PathBuf,
    runs: BTreeMap<RunId, Watched>,
    /// Runs whose log has not been read to its end, newest last.
    unread: Vec<RunId>,
    /// Runs to look at in every poll.
    awake: BTreeSet<RunId>,
    /// Runs whose whole log is wanted, not its summary.
    wanted: BTreeSet<RunId>,
    /// Runs at rest whose log is being read, or was read, because it is wanted.
    whole: BTreeSet<RunId>,
    /// What is kept of runs at rest, until the first look at all of them is over.
    summaries: Option<Summaries>,
    queue: queue::Content,
    problems: [String; 2],
    passed_over: String,
    listed: Option<(Stamp, Instant)>,
    /// Where the next turn of runs at rest begins.
    resting: Option<RunId>,
    experiments: Experiments,
    here: Host,
}

impl Watcher {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            runs: BTreeMap::new(),
            unread: Vec::new(),
            awake: BTreeSet::new(),
            wanted: BTreeSet::new(),
            whole: BTreeSet::new(),
            summaries: Some(Summaries::open(root)),
            queue: queue::Content::default(),
            problems: <[String; 2]>::default(),
            passed_over: String::new(),
            listed: None,
            resting: None,
            experiments: Experiments::default(),
            here: Host::find(),
        }
    }

    /// Reads all runs to the end of their logs. `files` are the experiments they may belong to.
    pub fn read_all(root: &Path, files: &[ExperimentFile]) -> (Self, Runs) {
        let (mut watcher, mut runs) = (Self::new(root), Runs::default());
        runs.know(files);
        loop {
            for change in watcher.poll() {
                runs.apply(change);
            }
            if watcher.unread() == 0 {
                return (watcher, runs);
            }
        }
    }

    /// All there is to know of one run at this moment, without a look at the others.
    pub fn of(root: &Path, id: &RunId) -> Vec<Change> {
        let (here, mut changes) = (Host::find(), Vec::new());
        let mut watched = Watched::new(RunDir::of(root, id));
        while !watched.first_look(id, None, None, &here) {}
        watched.announce(id, &mut Experiments::default(), None, &mut changes);
        changes
    }

    /// The runs that somebody looks closely at: their logs are read whole.
    pub fn want(&mut self, wanted: impl IntoIterator<Item = RunId>) {
        self.wanted = wanted.into_iter().collect();
    }

    /// What changed since the last poll. The first polls bring the runs that are there, newest first.
    pub fn poll(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let before = self.mentioned();
        self.poll_queue(&mut changes);
        self.poll_folder(&mut changes);
        let mentioned = self.mentioned();
        for id in self.due(&before, &mentioned) {
            if let Some(watched) = self.runs.get_mut(&id) {
                let wanted = self.wanted.contains(&id);
                watched.poll(
                    &id,
                    mentioned.get(&id).copied(),
                    wanted,
                    &self.here,
                    &mut changes,
                );
                if watched.is_awake() {
                    self.awake.insert(id);
                } else {
                    self.awake.remove(&id);
                }
            }
        }
        self.read_new(&mentioned, &mut changes);
        changes
    }

    /// How many runs are there whose logs have not been read as far as they shall be.
    pub fn unread(&self) -> usize {
        self.unread.len()
            + self
                .awake
                .iter()
                .filter(|id| self.runs.get(id).is_some_and(Watched::is_reading))
                .count()
    }

    fn poll_queue(&mut self, changes: &mut Vec<Change>) {
        match Queue::new(&self.root).content() {
            Ok(content) => {
                if content != self.queue {
                    self.queue = content.clone();
                    changes.push(Change::Queue(content));
                }
                self.report(0, String::new(), changes);
            }
            Err(error) => self.report(0, format!("the queue cannot be read: {error}"), changes),
        }
    }

    /// Finds new and removed runs.
    fn poll_folder(&mut self, changes: &mut Vec<Change>) {
        let now = stamp(&self.root);
        if self
            .listed
            .is_some_and(|(then, at)| then == now && at.elapsed() < LISTING)
        {
            return;
        }
        let survey = match run::survey(&self.root, |id| self.runs.contains_key(id)) {
            Ok(survey) => survey,
            Err(error) => {
                return self.report(1, format!("{}: {error}", self.root.display()), changes);
            }
        };
        self.report(1, String::new(), changes);
        let passed_over = survey.sentence(&self.root).unwrap_or_default();
        if passed_over != self.passed_over {
            self.passed_over.clone_from(&passed_over);
            changes.push(Change::PassedOver { text: passed_over });
        }
        let ids = survey.ids;
        // Clocks of file systems tick in milliseconds: a folder that has just changed may change again within a tick.
        let is_settled = now.is_some_and(|(_, changed, ..)| event::now() - changed as f64 > 1.5);
        self.listed = is_settled.then(|| (now, Instant::now()));
        let gone: Vec<RunId> = self
            .runs
            .keys()
            .filter(|id| ids.binary_search(id).is_err())
            .cloned()
            .collect();
        for id in gone {
            self.runs.remove(&id);
            self.awake.remove(&id);
            // Nobody has heard of a run that was never announced.
            match self.unread.iter().position(|other| *other == id) {
                Some(index) => drop(self.unread.remove(index)),
                None => changes.push(Change::Removed { id }),
            }
        }
        for id in ids {
            if !self.runs.contains_key(&id) {
                self.runs
                    .insert(id.clone(), Watched::new(RunDir::of(&self.root, &id)));
                self.unread.push(id);
            }
        }
    }

    /// Says a problem once, and once that it is over.
    fn report(&mut self, place: usize, text: String, changes: &mut Vec<Change>) {
        if self.problems[place] != text {
            self.problems[place] = text;
            let text = self
                .problems
                .iter()
                .find(|text| !text.is_empty())
                .cloned()
                .unwrap_or_default();
            changes.push(Change::Problem { text });
        }
    }

    /// What the queue says of the runs that it names.
    fn mentioned(&self) -> HashMap<RunId, Mention> {
        let waiting = self
            .queue
            .waiting
            .iter()
            .zip(1..)
            .map(|(entry, place)| (entry.run.clone(), Mention::Waits(place)));
        let started = self.queue.active.iter().map(|active| {
            let mention = if launcher::is_alive(&active.worker) {
                Mention::Started(active.since)
            } else {
                Mention::Ended
            };
            (active.entry.run.clone(), mention)
        });
        started.chain(waiting).collect()
    }

    /// The runs to look at: all that may be live or are wanted, and the next few of those at rest.
    fn due(
        &mut self,
        before: &HashMap<RunId, Mention>,
        now: &HashMap<RunId, Mention>,
    ) -> BTreeSet<RunId> {
        let from = self
            .resting
            .take()
            .map_or(Bound::Unbounded, Bound::Excluded);
        let turn: Vec<RunId> = self
            .runs
            .range((from, Bound::Unbounded))
            .take(RESTING_PER_POLL)
            .map(|(id, _)| id.clone())
            .collect();
        self.resting = turn
            .last()
            .filter(|_| turn.len() == RESTING_PER_POLL)
            .cloned();
        // Those that nobody wants any more have one more look, to be summarized.
        let unwanted = std::mem::replace(&mut self.whole, self.wanted.clone());
        let named = before
            .keys()
            .chain(now.keys())
            .chain(&self.awake)
            .chain(&self.wanted)
            .chain(&unwanted);
        let mut due: BTreeSet<RunId> = named.cloned().chain(turn).collect();
        due.retain(|id| self.runs.get(id).is_some_and(Watched::is_announced));
        due
    }

    /// Reads logs of runs that are not announced yet, the newest first, for as long as one poll may take.
    fn read_new(&mut self, mentioned: &HashMap<RunId, Mention>, changes: &mut Vec<Change>) {
        let began = Instant::now();
        while let Some(id) = self.unread.pop() {
            let Some(watched) = self.runs.get_mut(&id) else {
                continue;
            };
            let kept = &mut self.summaries;
            if watched.first_look(&id, mentioned.get(&id).copied(), kept.as_mut(), &self.here) {
                watched.announce(&id, &mut self.experiments, kept.as_mut(), changes);
                if watched.is_awake() {
                    self.awake.insert(id);
                }
            } else {
                self.unread.push(id);
            }
            if began.elapsed() >= READING {
                return;
            }
        }
        if let Some(summaries) = self.summaries.take() {
            // What could not be kept is read again the next time.
            let _ = summaries.close();
        }
    }
}

#[cfg(test)]
mod tests;
