//! Following the run folders by polling: inotify is silent on network file systems.

mod vital;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use warmstart_schema::event::{self, EventReader, Poll, Record};
use warmstart_schema::experiment::{self, Experiment};
use warmstart_schema::queue::{self, Queue};
use warmstart_schema::run::{self, RunDir, RunId, RunInfo};
use warmstart_schema::state::Liveness;

use self::vital::{Here, Mention, Vital};
use super::Change;

/// Runs at rest that one poll looks at; the others have their turn in the next ones.
const RESTING_PER_POLL: usize = 500;
/// How long one poll reads logs of runs that are not shown yet.
const READING: Duration = Duration::from_millis(100);
/// Folders are listed anew at least this often, should the clock of a network file system hide a change.
const LISTING: Duration = Duration::from_secs(2);

/// Polls the folder that holds all runs.
#[derive(Debug)]
pub struct Watcher {
    root: PathBuf,
    runs: BTreeMap<RunId, Watched>,
    /// Runs whose log has not been read to its end, newest last.
    unread: Vec<RunId>,
    queue: queue::Content,
    problems: [String; 2],
    listed: Option<(Stamp, Instant)>,
    /// Where the next turn of runs at rest begins.
    resting: Option<RunId>,
    /// Most runs share their experiment's text with others.
    experiments: HashMap<Vec<u8>, Option<Experiment>>,
    here: Here,
}

/// What tells that a file was replaced or written to.
type Stamp = Option<(u64, i64, i64, u64)>;

#[derive(Debug)]
struct Watched {
    dir: RunDir,
    reader: EventReader,
    info: Stamp,
    annotation: Stamp,
    log: Stamp,
    vital: Vital,
    liveness: Liveness,
    /// Its log was read to its end, and it was made known.
    announced: bool,
    /// Looked at in every poll: a worker has it or may take it, or something just changed.
    awake: bool,
    /// What was read of a log whose end has not been reached.
    records: Vec<Record>,
    damaged: usize,
}

impl Watcher {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            runs: BTreeMap::new(),
            unread: Vec::new(),
            queue: queue::Content::default(),
            problems: <[String; 2]>::default(),
            listed: None,
            resting: None,
            experiments: HashMap::new(),
            here: Here::find(),
        }
    }

    /// All there is to know of one run at this moment, without a look at the others.
    pub fn of(root: &Path, id: &RunId) -> Vec<Change> {
        let (mut watcher, mut changes) = (Self::new(root), Vec::new());
        let mut watched = Watched::new(RunDir::of(root, id));
        while !watched.read_to_end(Instant::now(), &watcher.here) {}
        watched.liveness = watched.vital.look(&watched.dir, None);
        let experiment = read_experiment(&watched.dir, &mut watcher.experiments);
        watched.announce(id, experiment, &mut changes);
        changes
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
                watched.poll(&id, mentioned.get(&id).copied(), &self.here, &mut changes);
            }
        }
        self.read_new(&mentioned, &mut changes);
        changes
    }

    /// How many runs are there whose logs have not been read yet.
    pub fn unread(&self) -> usize {
        self.unread.len()
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
        if self.listed.is_some_and(|(then, at)| then == now && at.elapsed() < LISTING) {
            return;
        }
        let ids = match run::list(&self.root) {
            Ok(ids) => ids,
            Err(error) => return self.report(1, format!("{}: {error}", self.root.display()), changes),
        };
        self.report(1, String::new(), changes);
        // Clocks of file systems tick in milliseconds: a folder that has just changed may change again within a tick.
        let is_settled = now.is_some_and(|(_, changed, ..)| event::now() - changed as f64 > 1.5);
        self.listed = is_settled.then(|| (now, Instant::now()));
        let gone: Vec<RunId> = self.runs.keys().filter(|id| ids.binary_search(id).is_err()).cloned().collect();
        for id in gone {
            self.runs.remove(&id);
            // Nobody has heard of a run that was never announced.
            match self.unread.iter().position(|other| *other == id) {
                Some(index) => drop(self.unread.remove(index)),
                None => changes.push(Change::Removed { id }),
            }
        }
        for id in ids {
            if !self.runs.contains_key(&id) {
                self.runs.insert(id.clone(), Watched::new(RunDir::of(&self.root, &id)));
                self.unread.push(id);
            }
        }
    }

    /// Says a problem once, and once that it is over.
    fn report(&mut self, place: usize, text: String, changes: &mut Vec<Change>) {
        if self.problems[place] != text {
            self.problems[place] = text;
            let text = self.problems.iter().find(|text| !text.is_empty()).cloned().unwrap_or_default();
            changes.push(Change::Problem { text });
        }
    }

    /// What the queue says of the runs that it names.
    fn mentioned(&self) -> HashMap<RunId, Mention> {
        let waiting =
            self.queue.waiting.iter().zip(1..).map(|(entry, place)| (entry.run.clone(), Mention::Waits(place)));
        let started = self.queue.active.iter().map(|active| {
            let mention = if active.worker.is_alive() { Mention::Started(active.since) } else { Mention::Ended };
            (active.entry.run.clone(), mention)
        });
        started.chain(waiting).collect()
    }

    /// The runs to look at: all that may be live, and the next few of those at rest.
    fn due(&mut self, before: &HashMap<RunId, Mention>, now: &HashMap<RunId, Mention>) -> Vec<RunId> {
        let is_awake = |id: &RunId, run: &Watched| run.awake || before.contains_key(id) || now.contains_key(id);
        let mut due = Vec::new();
        let mut turn = Vec::new();
        for (id, run) in self.runs.iter().filter(|(_, run)| run.announced) {
            if is_awake(id, run) {
                due.push(id.clone());
            } else if turn.len() < RESTING_PER_POLL && self.resting.as_ref().is_none_or(|from| id > from) {
                turn.push(id.clone());
            }
        }
        self.resting = turn.last().filter(|_| turn.len() == RESTING_PER_POLL).cloned();
        due.extend(turn);
        due
    }

    /// Reads logs of runs that are not announced yet, the newest first, for as long as one poll may take.
    fn read_new(&mut self, mentioned: &HashMap<RunId, Mention>, changes: &mut Vec<Change>) {
        let began = Instant::now();
        while let Some(id) = self.unread.pop() {
            let Some(watched) = self.runs.get_mut(&id) else { continue };
            let is_read = watched.read_to_end(began, &self.here);
            watched.liveness = watched.vital.look(&watched.dir, mentioned.get(&id).copied());
            if is_read {
                let experiment = read_experiment(&watched.dir, &mut self.experiments);
                watched.announce(&id, experiment, changes);
            } else {
                self.unread.push(id);
            }
            if began.elapsed() >= READING {
                break;
            }
        }
    }
}

impl Watched {
    fn new(dir: RunDir) -> Self {
        let reader = EventReader::new(dir.events());
        Self {
            dir,
            reader,
            info: None,
            annotation: None,
            log: None,
            vital: Vital::default(),
            liveness: Liveness::Free,
            announced: false,
            awake: false,
            records: Vec::new(),
            damaged: 0,
        }
    }

    fn poll(&mut self, id: &RunId, mentioned: Option<Mention>, here: &Here, changes: &mut Vec<Change>) {
        let (info, log) = (stamp(&self.info_path()), stamp(&self.dir.events()));
        let changed = info != self.info || log != self.log;
        // Looked at before the log is read: a worker that has gone has said its last word by then.
        let may_be_live = changed || self.awake || mentioned.is_some();
        let mut liveness = if may_be_live { self.vital.look(&self.dir, mentioned) } else { self.liveness };
        if info != self.info {
            self.info = info;
            changes.push(Change::Info { id: id.clone(), info: read_info(&self.dir) });
        }
        self.poll_annotation(id, changes);
        self.log = log;
        // A log that cannot be read now may be readable in the next poll; its run stands as it stood.
        let Poll { records, damaged, restarted, more } = self.reader.poll().unwrap_or_default();
        self.vital.read(&records, restarted, here);
        if liveness == Liveness::Started && self.vital.has_ended_since(mentioned) {
            // Its last word was read just now: its monitor is on its way out.
            liveness = Liveness::Free;
        }
        if !records.is_empty() || damaged > 0 || restarted {
            changes.push(Change::Events { id: id.clone(), records, damaged, restarted });
        }
        if liveness != self.liveness {
            self.liveness = liveness;
            changes.push(Change::Liveness { id: id.clone(), liveness });
        }
        self.awake = changed || more || !self.liveness.is_free();
    }

    /// One that cannot be read stands as it stood.
    fn poll_annotation(&mut self, id: &RunId, changes: &mut Vec<Change>) {
        let now = stamp(&self.dir.annotation_json());
        if now != self.annotation {
            self.annotation = now;
            if let Ok(annotation) = self.dir.annotation() {
                changes.push(Change::Annotation { id: id.clone(), annotation });
            }
        }
    }

    /// False when there is more to read after this poll's time.
    fn read_to_end(&mut self, began: Instant, here: &Here) -> bool {
        loop {
            let poll = self.reader.poll().unwrap_or_default();
            self.vital.read_first(&poll.records, poll.restarted, here);
            if poll.restarted {
                self.records.clear();
                self.damaged = 0;
            }
            self.records.extend(poll.records);
            self.damaged += poll.damaged;
            if !poll.more {
                return true;
            }
            if began.elapsed() >= READING {
                return false;
            }
        }
    }

    fn announce(&mut self, id: &RunId, experiment: Option<Experiment>, changes: &mut Vec<Change>) {
        self.announced = true;
        self.info = stamp(&self.info_path());
        changes.push(Change::Added { id: id.clone(), info: read_info(&self.dir), experiment });
        let (records, damaged) = (std::mem::take(&mut self.records), std::mem::take(&mut self.damaged));
        changes.push(Change::Events { id: id.clone(), records, damaged, restarted: false });
        changes.push(Change::Liveness { id: id.clone(), liveness: self.liveness });
        self.poll_annotation(id, changes);
        // Its log may have grown since it was read.
        self.awake = true;
    }

    fn info_path(&self) -> PathBuf {
        self.dir.path().join("run.json")
    }
}

fn read_info(dir: &RunDir) -> Result<RunInfo, String> {
    dir.info().map_err(|error| warmstart_schema::text::line(&error.to_string(), 300))
}

fn read_experiment(dir: &RunDir, known: &mut HashMap<Vec<u8>, Option<Experiment>>) -> Option<Experiment> {
    let path = dir.experiment_yaml();
    let small = fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() <= 1 << 20);
    let bytes = small.then(|| fs::read(&path).ok()).flatten()?;
    let parse = |bytes: &[u8]| experiment::parse(std::str::from_utf8(bytes).ok()?, "experiment.yaml").ok();
    if let Some(experiment) = known.get(&bytes) {
        return experiment.clone();
    }
    let experiment = parse(&bytes);
    known.insert(bytes, experiment.clone());
    experiment
}

fn stamp(path: &Path) -> Stamp {
    fs::metadata(path).ok().map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
}

#[cfg(test)]
mod tests;
