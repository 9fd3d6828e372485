//! Watches the run folders by polling, because inotify misses changes on network file systems.

mod experiments;
mod liveness;
mod reading;
mod standings;
mod watched;

use crate::launcher::{self, Handle, Host};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::queue::{self, Queue};
use crate::run::{RunDir, RunId};
use crate::survey;

use self::experiments::Experiments;
use self::liveness::QueueState;
use self::standings::Standings;
use self::watched::Watched;
use super::summaries::{SETTLED, Stamp, Summaries, stamp};
use super::{Change, ExperimentFile, Runs};

/// How many runs at rest one poll looks at; later polls look at the others.
const RESTING_PER_POLL: usize = 100;
/// How long one poll reads logs of new runs.
const READING: Duration = Duration::from_millis(100);
/// The folder is listed at least this often, in case the clock of a network file system hides a change.
const LISTING: Duration = Duration::from_secs(30);

/// Polls the folder that holds all runs.
#[derive(Debug)]
pub struct Watcher {
    root: PathBuf,
    runs: BTreeMap<RunId, Watched>,
    /// Runs whose log was not read to its end yet, newest last.
    unread: Vec<RunId>,
    /// Runs to look at in every poll.
    awake: BTreeSet<RunId>,
    /// Runs whose whole log is wanted, not its summary.
    wanted: BTreeSet<RunId>,
    /// Runs at rest whose whole log is read, because it is wanted.
    whole: BTreeSet<RunId>,
    /// The cache of runs at rest, until every run was read once.
    summaries: Option<Summaries>,
    queue: queue::Content,
    problems: [String; 2],
    ignored_folders: String,
    listed: Option<(Stamp, Instant)>,
    /// The last run at rest that the previous poll looked at.
    resting: Option<RunId>,
    experiments: Experiments,
    here: Host,
    standings: Standings,
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
            ignored_folders: String::new(),
            listed: None,
            resting: None,
            experiments: Experiments::default(),
            here: Host::find(),
            standings: Standings::default(),
        }
    }

    /// Reads all runs to the end of their logs. `files` are the experiments that they may belong to.
    pub fn read_all(root: &Path, files: &[ExperimentFile]) -> (Self, Runs) {
        let (mut watcher, mut runs) = (Self::new(root), Runs::default());
        runs.set_files(files);
        loop {
            for change in watcher.poll() {
                runs.apply(change);
            }
            if watcher.unread() == 0 {
                break;
            }
        }
        let absent = watcher.absent();
        if !absent.is_empty() {
            watcher.standings.ask(root, &absent);
            for change in watcher.poll() {
                runs.apply(change);
            }
        }
        (watcher, runs)
    }

    /// The workers that somebody else must be asked about.
    fn absent(&self) -> Vec<(RunId, Handle)> {
        // Such a run is looked at in every poll.
        let runs = self.awake.iter().filter_map(|id| {
            let worker = self.runs.get(id)?.absent()?;
            Some((id.clone(), worker.clone()))
        });
        runs.collect()
    }

    /// Takes in what others know of the absent workers, and asks again when it is time.
    fn poll_standings(&mut self, changes: &mut Vec<Change>) {
        let absent = self.absent();
        self.standings.poll(&self.root, &absent);
        for (id, _) in absent {
            if let Some(watched) = self.runs.get_mut(&id) {
                watched.hear(&id, self.standings.of(&id), changes);
            }
        }
    }

    /// Reads one run, and no other.
    pub fn of(root: &Path, id: &RunId) -> Vec<Change> {
        let (here, mut changes) = (Host::find(), Vec::new());
        let mut watched = Watched::new(RunDir::of(root, id));
        while !watched.first_look(id, None, None, &here) {}
        watched.announce(id, &mut Experiments::default(), None, &mut changes);
        changes
    }

    /// Sets the runs whose logs are read whole.
    pub fn want(&mut self, wanted: impl IntoIterator<Item = RunId>) {
        self.wanted = wanted.into_iter().collect();
    }

    /// Changes since the last poll. The first polls return the existing runs, newest first.
    pub fn poll(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let before = self.queue_states();
        self.poll_queue(&mut changes);
        self.poll_folder(&mut changes);
        self.poll_standings(&mut changes);
        let queue_states = self.queue_states();
        for id in self.due(&before, &queue_states) {
            if let Some(watched) = self.runs.get_mut(&id) {
                let wanted = self.wanted.contains(&id);
                watched.poll(
                    &id,
                    queue_states.get(&id).copied(),
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
        self.read_new(&queue_states, &mut changes);
        changes
    }

    /// How many runs have logs that are not fully read yet.
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
            Err(error) => self.report(0, error.to_string(), changes),
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
        let survey = match survey::survey(&self.root, |id| self.runs.contains_key(id)) {
            Ok(survey) => survey,
            Err(error) => {
                let root = self.root.display();
                let text = format!("the folder of runs cannot be read: {error}: {root}");
                return self.report(1, text, changes);
            }
        };
        self.report(1, String::new(), changes);
        let ignored_folders = survey.sentence(&self.root).unwrap_or_default();
        if ignored_folders != self.ignored_folders {
            self.ignored_folders.clone_from(&ignored_folders);
            changes.push(Change::IgnoredFolders {
                text: ignored_folders,
            });
        }
        let ids = survey.ids;
        // File systems' clocks tick in milliseconds, so a folder may change twice within a tick.
        let is_settled = now.is_some_and(|stamp| stamp.age() > SETTLED);
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
            // The receiver does not know runs that were never announced.
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

    /// Sends a problem when it appears and when it is over.
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

    /// The runs in the queue.
    fn queue_states(&self) -> HashMap<RunId, QueueState> {
        let waiting = self
            .queue
            .waiting
            .iter()
            .zip(1..)
            .map(|(entry, place)| (entry.run.clone(), QueueState::Waiting(place)));
        // `run.json` says more of workers elsewhere than the queue.
        let here = |active: &&queue::Active| !launcher::is_elsewhere(&active.worker);
        let started = self.queue.active.iter().filter(here).map(|active| {
            let state = if launcher::is_alive(&active.worker) {
                QueueState::Started(active.since)
            } else {
                QueueState::Ended
            };
            (active.entry.run.clone(), state)
        });
        started.chain(waiting).collect()
    }

    /// The runs to look at in this poll: all that may be live or are wanted, and the next few at rest.
    fn due(
        &mut self,
        before: &HashMap<RunId, QueueState>,
        now: &HashMap<RunId, QueueState>,
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
        // Look once more at runs that are no longer wanted, to summarize them.
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

    /// Reads the logs of new runs, newest first, for at most the time of one poll.
    fn read_new(&mut self, queue_states: &HashMap<RunId, QueueState>, changes: &mut Vec<Change>) {
        let began = Instant::now();
        while let Some(id) = self.unread.pop() {
            let Some(watched) = self.runs.get_mut(&id) else {
                continue;
            };
            let kept = &mut self.summaries;
            if watched.first_look(
                &id,
                queue_states.get(&id).copied(),
                kept.as_mut(),
                &self.here,
            ) {
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
            // Without a cache the next start reads the logs again.
            let _ = summaries.close();
        }
    }
}

#[cfg(test)]
mod tests;
