//! Watches the folder of one run.

use std::path::PathBuf;
use std::time::Instant;

use crate::event_log::{EventReader, Poll};
use crate::run::{RunDir, RunId, RunInfo};
use warmstart_schema::event::Event;
use warmstart_schema::state::{Liveness, Outcome};

use super::READING;
use super::experiments::Experiments;
use super::liveness::{LivenessCheck, QueueState};
use super::reading::Reading;
use crate::launcher::{self, Handle, Host, Standing};
use crate::store::Change;
use crate::store::summaries::{Stamp, Summaries, Summary, stamp};

/// Whether the last poll could read the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Works,
    /// For any reason: the permissions, the disk, or a network file system that does not answer.
    Fails,
}

/// How much of a run is read, and how much others know of it.
#[derive(Debug)]
enum Stage {
    /// Nothing is read.
    New,
    /// Its log is read for the first time.
    Reading(Box<Reading>),
    /// Its summary was found, which replaces its log.
    Found(Box<Summary>),
    /// Others know its summary, which lacks the progress within epochs.
    Summarized,
    /// Others know its summary. Its log is read again, from the beginning.
    Rereading(Box<Reading>),
    /// Others know its whole log, and get each new event.
    Followed,
}

#[derive(Debug)]
pub(super) struct Watched {
    dir: RunDir,
    reader: EventReader,
    info: Stamp,
    annotation: Stamp,
    log: Stamp,
    check: LivenessCheck,
    liveness: Liveness,
    /// The worker that `run.json` names, if it is no process of a known machine.
    elsewhere: Option<Handle>,
    /// What others know of it.
    standing: Option<Standing>,
    stage: Stage,
    /// Every poll looks at it: a worker has it or may take it, or it just changed.
    awake: bool,
    access: Access,
}

impl Watched {
    pub(super) fn new(dir: RunDir) -> Self {
        let reader = EventReader::new(dir.events());
        Self {
            dir,
            reader,
            info: None,
            annotation: None,
            log: None,
            check: LivenessCheck::default(),
            liveness: Liveness::Free,
            elsewhere: None,
            standing: None,
            stage: Stage::New,
            awake: false,
            access: Access::Works,
        }
    }

    pub(super) fn is_announced(&self) -> bool {
        match self.stage {
            Stage::New | Stage::Reading(_) | Stage::Found(_) => false,
            Stage::Summarized | Stage::Rereading(_) | Stage::Followed => true,
        }
    }

    pub(super) fn is_awake(&self) -> bool {
        self.awake
    }

    /// The worker that somebody else must be asked about, because it shows no sign of life.
    pub(super) fn absent(&self) -> Option<&Handle> {
        let shows_life = matches!(
            self.liveness,
            Liveness::Held | Liveness::HeartbeatLost | Liveness::Stalled | Liveness::Queued(_)
        );
        self.elsewhere.as_ref().filter(|_| !shows_life)
    }

    /// Takes in what others know of its worker.
    pub(super) fn hear(
        &mut self,
        id: &RunId,
        standing: Option<&Standing>,
        changes: &mut Vec<Change>,
    ) {
        if self.elsewhere.is_some() && self.standing.as_ref() != standing && self.is_announced() {
            self.standing = standing.cloned();
            self.send_standing(id, changes);
            self.awake = true;
        }
    }

    fn send_standing(&self, id: &RunId, changes: &mut Vec<Change>) {
        changes.push(Change::Standing {
            id: id.clone(),
            standing: self.standing.clone(),
        });
    }

    /// Remembers a worker that is no process of a known machine.
    fn know_worker(&mut self, info: &Result<RunInfo, String>) {
        let worker = info.as_ref().ok().and_then(|info| info.worker.as_ref());
        self.elsewhere = worker.filter(|it| launcher::is_elsewhere(it)).cloned();
    }

    fn look(&mut self, queued: Option<QueueState>) -> Liveness {
        let elsewhere = self.elsewhere.as_ref();
        let elsewhere = elsewhere.map(|worker| (worker, self.standing.as_ref()));
        self.check.look(&self.dir, queued, elsewhere)
    }

    /// Whether the next poll reads more of its log. An unreadable log may stay so, and nobody waits for that.
    pub(super) fn is_reading(&self) -> bool {
        self.access == Access::Works
            && matches!(self.stage, Stage::Reading(_) | Stage::Rereading(_))
    }

    /// Sends the changes of an announced run; `wanted` if the receiver wants its whole log.
    pub(super) fn poll(
        &mut self,
        id: &RunId,
        queued: Option<QueueState>,
        wanted: bool,
        here: &Host,
        changes: &mut Vec<Change>,
    ) {
        let (info, log) = self.stamps();
        let (info_changed, log_changed) = (info != self.info, log != self.log);
        let changed = info_changed || log_changed;
        // Check before reading the log: a worker that is gone by now has written its last event.
        let mut liveness = self.look(queued);
        (self.info, self.log) = (info, log);
        if info_changed {
            let info = read_info(&self.dir);
            self.know_worker(&info);
            changes.push(Change::Info {
                id: id.clone(),
                info,
            });
        }
        self.poll_annotation(id, changes);
        // A log that was unreadable may be readable again without any change of the file.
        let was_unreadable = self.access == Access::Fails;
        if matches!(self.stage, Stage::Summarized) && (log_changed || wanted || was_unreadable) {
            self.reader = EventReader::new(self.dir.events());
            self.check = LivenessCheck::default();
            self.stage = Stage::Rereading(Box::default());
        }
        let mut more = false;
        if let Stage::Rereading(reading) = &mut self.stage {
            let mut reading = std::mem::take(reading);
            more = !self.read(&mut reading, here);
            // A log that is unreadable now may be readable in the next poll; until then the run stays as it is.
            if more || self.access == Access::Fails {
                self.stage = Stage::Rereading(reading);
            } else {
                self.stage = Stage::Followed;
                let state = reading.fold();
                if !state.changes.is_empty() {
                    self.send_experiment(id, changes);
                }
                changes.push(Change::State {
                    id: id.clone(),
                    state,
                    is_summary: false,
                });
            }
        } else if matches!(self.stage, Stage::Followed)
            && (log_changed || self.awake || was_unreadable)
        {
            let poll = self.next();
            more = poll.more;
            let Poll {
                records,
                damaged,
                restarted,
                ..
            } = poll;
            self.check.read(&records, restarted, here);
            if records
                .iter()
                .any(|record| matches!(record.event, Event::Changed(_)))
            {
                self.send_experiment(id, changes);
            }
            if !records.is_empty() || damaged > 0 || restarted {
                changes.push(Change::Events {
                    id: id.clone(),
                    records,
                    damaged,
                    restarted,
                });
            }
        }
        if self.elsewhere.is_none() && self.check.has_ended_since(queued) {
            // The log says that the run ended; a worker that still holds the lock is exiting.
            liveness = Liveness::Free;
        }
        let liveness = self.known(liveness);
        if liveness != self.liveness {
            self.liveness = liveness;
            changes.push(Change::Liveness {
                id: id.clone(),
                liveness,
            });
        }
        // What others knew is older than a sign of life.
        if self.absent().is_none() && self.standing.take().is_some() {
            self.send_standing(id, changes);
        }
        self.awake = changed || more || !self.liveness.is_free();
        if !self.awake && !wanted && matches!(self.stage, Stage::Followed) {
            self.stage = Stage::Summarized;
            changes.push(Change::Summarized { id: id.clone() });
        }
    }

    /// Sends the experiment again after a change.
    fn send_experiment(&self, id: &RunId, changes: &mut Vec<Change>) {
        let experiment = Experiments::default().read(&self.dir);
        changes.push(Change::Experiment {
            id: id.clone(),
            experiment,
        });
    }

    /// Reads a new run from the cache or from its log; false if there is more to read.
    pub(super) fn first_look(
        &mut self,
        id: &RunId,
        queued: Option<QueueState>,
        kept: Option<&mut Summaries>,
        here: &Host,
    ) -> bool {
        if matches!(self.stage, Stage::New) {
            (self.info, self.log) = self.stamps();
            let kept = kept.and_then(|kept| kept.take(id, self.info, self.log));
            match &kept {
                // Its stamp says that the file is still the same.
                Some(kept) => self.know_worker(&kept.info),
                None => self.know_worker(&read_info(&self.dir)),
            }
            if let Some(kept) = kept.filter(|_| queued.is_none()) {
                self.check = LivenessCheck::of_summary(&kept.state, here);
                // No worker resumes a finished run; for any other run, ask its lock.
                let is_finished = matches!(kept.state.outcome, Some(Outcome::Finished { .. }))
                    && !kept.state.awaits_change;
                self.liveness = if is_finished {
                    Liveness::Free
                } else {
                    self.look(None)
                };
                if self.liveness.is_free() {
                    self.stage = Stage::Found(Box::new(kept));
                    return true;
                }
                self.check = LivenessCheck::default();
            }
            self.stage = Stage::Reading(Box::default());
        }
        let Stage::Reading(reading) = &mut self.stage else {
            return true;
        };
        let mut reading = std::mem::take(reading);
        let mut is_read = self.read(&mut reading, here);
        let liveness = self.look(queued);
        if is_read && liveness.is_free() && !self.check.has_ended() {
            // A worker that is gone by now may have written its last event after the log was read.
            is_read = self.read(&mut reading, here);
        }
        self.stage = Stage::Reading(reading);
        self.liveness = self.known(liveness);
        is_read
    }

    /// Without its log, a run is either held or of unknown state.
    fn known(&self, liveness: Liveness) -> Liveness {
        if self.access == Access::Fails && liveness.is_free() {
            Liveness::Unknown
        } else {
            liveness
        }
    }

    /// Events appended to the log; none if it is unreadable.
    fn next(&mut self) -> Poll {
        let poll = self.reader.poll();
        self.access = if poll.is_ok() {
            Access::Works
        } else {
            Access::Fails
        };
        poll.unwrap_or_default()
    }

    /// Sends what the first look found.
    pub(super) fn announce(
        &mut self,
        id: &RunId,
        experiments: &mut Experiments,
        keep: Option<&mut Summaries>,
        changes: &mut Vec<Change>,
    ) {
        let reading = match std::mem::replace(&mut self.stage, Stage::Followed) {
            Stage::Found(found) => return self.announce_found(id, *found, changes),
            Stage::Reading(reading) => *reading,
            Stage::New | Stage::Summarized | Stage::Rereading(_) | Stage::Followed => {
                Reading::default()
            }
        };
        let (info, experiment) = (read_info(&self.dir), experiments.read(&self.dir));
        let is_same = self.stamps() == (self.info, self.log);
        if self.liveness.is_free() {
            self.stage = Stage::Summarized;
            let mut state = *reading.fold();
            state.summarize();
            let mut summary = Summary {
                info_stamp: self.info,
                log_stamp: self.log,
                info,
                experiment,
                state,
            };
            // What cannot be read now may be readable at the next start, with the same stamps.
            let is_whole = self.access == Access::Works
                && summary.info.is_ok()
                && summary.experiment.is_some();
            if is_same
                && is_whole
                && let Some(keep) = keep
            {
                keep.add(id, &summary);
            }
            let (info, experiment) = (summary.info, summary.experiment.take());
            changes.push(Change::Added {
                id: id.clone(),
                info,
                experiment,
            });
            changes.push(Change::State {
                id: id.clone(),
                state: Box::new(summary.state),
                is_summary: true,
            });
        } else {
            changes.push(Change::Added {
                id: id.clone(),
                info,
                experiment,
            });
            changes.push(reading.into_change(id));
        }
        changes.push(Change::Liveness {
            id: id.clone(),
            liveness: self.liveness,
        });
        self.poll_annotation(id, changes);
        // The log may have grown since it was read.
        self.awake = !is_same || !self.liveness.is_free();
    }

    fn announce_found(&mut self, id: &RunId, found: Summary, changes: &mut Vec<Change>) {
        self.stage = Stage::Summarized;
        let Summary {
            info,
            experiment,
            state,
            ..
        } = found;
        changes.push(Change::Added {
            id: id.clone(),
            info,
            experiment,
        });
        changes.push(Change::State {
            id: id.clone(),
            state: Box::new(state),
            is_summary: true,
        });
        changes.push(Change::Liveness {
            id: id.clone(),
            liveness: self.liveness,
        });
        self.poll_annotation(id, changes);
    }

    /// Sends a changed annotation; an unreadable one changes nothing.
    fn poll_annotation(&mut self, id: &RunId, changes: &mut Vec<Change>) {
        let now = stamp(&self.dir.annotation_json());
        if now != self.annotation {
            self.annotation = now;
            if let Ok(annotation) = self.dir.annotation() {
                changes.push(Change::Annotation {
                    id: id.clone(),
                    annotation,
                });
            }
        }
    }

    /// Reads the log for at most the time of one poll; false if there is more to read.
    fn read(&mut self, reading: &mut Reading, here: &Host) -> bool {
        let deadline = Instant::now() + READING;
        loop {
            let poll = self.next();
            let more = poll.more;
            self.check.read_first(&poll.records, poll.restarted, here);
            reading.take(poll);
            if !more {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
        }
    }

    fn stamps(&self) -> (Stamp, Stamp) {
        (stamp(&self.info_path()), stamp(&self.dir.events()))
    }

    fn info_path(&self) -> PathBuf {
        self.dir.path().join("run.json")
    }
}

fn read_info(dir: &RunDir) -> Result<RunInfo, String> {
    dir.info()
        .map_err(|error| warmstart_schema::text::line(&error.to_string(), 300))
}
