//! Successive halving of groups. A worker ends at the end of a round's epoch. Once every run of its group has done so or has ended
//! otherwise, the process that advances the queue decides: the better half of the settings waits in the queue again, the others are
//! stopped.

use std::io;
use std::path::Path;

use warmstart_schema::event::{Event, Halved, Record, now};
use warmstart_schema::experiment::{self, Monitor, Rounds, Setting};
use warmstart_schema::metric::Metric;
use warmstart_schema::state::{Outcome, RunState};

use crate::event_log::append;
use crate::launcher;
use crate::queue::{Content, Entry, Failed, Task};
use crate::run::{RunDir, RunId, RunInfo};

/// The place of some settings in a round.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    /// From 1.
    rank: usize,
    /// The mean over the members that have a figure.
    figure: Option<f64>,
    continues: bool,
}

/// The place of each setting, by the figures of its members. Settings without a figure are last; of equal ones the earlier is
/// better. The better half continues; of an odd number of settings, the middle one too.
fn places(monitor: Monitor, settings: &[Vec<Option<f64>>]) -> Vec<Place> {
    let mean = |figures: &Vec<Option<f64>>| {
        let known: Vec<f64> = figures.iter().flatten().copied().collect();
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        mean.is_finite().then_some(mean)
    };
    let figures: Vec<Option<f64>> = settings.iter().map(mean).collect();
    // The smaller the better.
    let key = |place: usize| match (figures[place], monitor) {
        (None, _) => f64::INFINITY,
        (Some(figure), Monitor::ValLoss) => figure,
        (Some(figure), Monitor::ValAcc) => -figure,
    };
    let mut order: Vec<usize> = (0..settings.len()).collect();
    order.sort_by(|&one, &other| key(one).total_cmp(&key(other)));
    let stay = settings.len().div_ceil(2);
    let mut places = vec![
        Place {
            rank: 0,
            figure: None,
            continues: false
        };
        settings.len()
    ];
    for (rank, setting) in (1..).zip(order) {
        places[setting] = Place {
            rank,
            figure: figures[setting],
            continues: rank <= stay,
        };
    }
    places
}

/// The best monitored metric of the epochs up to this one; none if no epoch has a finite one.
fn figure(monitor: Monitor, state: &RunState, epoch: u32) -> Option<f64> {
    let metric = match monitor {
        Monitor::ValLoss => Metric::ValLoss,
        Monitor::ValAcc => Metric::ValAcc,
    };
    let figures = state.epochs.iter().filter(|known| known.epoch <= epoch);
    figures
        .filter_map(|known| metric.of_epoch(known))
        .filter(|figure| figure.is_finite())
        .reduce(|best, figure| {
            if monitor.improves(figure, best, 0.0) {
                figure
            } else {
                best
            }
        })
}

/// A run's figure in a round; none if it failed or was lost before it.
pub(crate) fn figure_in_round(rounds: &Rounds, state: &RunState, epoch: u32) -> Option<f64> {
    let last = state.epochs.last();
    let has_reached = last.is_some_and(|last| last.epoch >= epoch);
    let has_finished = matches!(state.outcome, Some(Outcome::Finished { .. }));
    figure(rounds.monitor, state, epoch).filter(|_| has_finished || has_reached)
}

/// A run of a group. Unless it `is_live`, no worker has it and it does not wait in the queue.
#[derive(Debug)]
struct Member {
    info: RunInfo,
    settings: Vec<Setting>,
    rounds: Rounds,
    state: RunState,
    is_live: bool,
}

impl Member {
    /// The member; none if it has no rounds or its log is unreadable.
    fn read(root: &Path, info: &RunInfo, is_live: bool) -> Option<Self> {
        let member = info.member.clone()?;
        Some(Self {
            settings: member.settings,
            rounds: member.halving?,
            state: RunDir::of(root, &info.id).state().ok()?,
            info: info.clone(),
            is_live,
        })
    }

    /// The epoch of its next round.
    fn next(&self) -> Option<u32> {
        self.rounds.next(&self.state.halvings)
    }

    /// Whether a round waits until somebody resumes it: its user stopped it, or it has never run.
    fn needs_resume(&self) -> bool {
        self.state.attempt.is_none() || self.state.outcome == Some(Outcome::Stopped)
    }

    /// As [`figure_in_round`] says.
    fn figure(&self, epoch: u32) -> Option<f64> {
        figure_in_round(&self.rounds, &self.state, epoch)
    }

    /// Whether it continues after this round; none if that is not decided.
    fn decided(&self, epoch: u32) -> Option<bool> {
        let mut rounds = self.state.halvings.iter();
        let round = rounds.find(|round| round.epoch == epoch)?;
        Some(round.continues)
    }

    /// Logs what a round decided.
    fn log(&mut self, root: &Path, place: Halved) -> io::Result<()> {
        let dir = RunDir::of(root, &self.info.id);
        let taken = || io::Error::other("a worker has it");
        let _lock = dir.lock()?.ok_or_else(taken)?;
        let event = Event::Halved(place);
        append(&dir, &event)?;
        self.state.apply(Record { t: now(), event });
        Ok(())
    }

    /// Whether it waits for nothing but a worker.
    fn waits_for_worker(&self) -> bool {
        let epoch = self.state.epochs.last().map_or(0, |last| last.epoch);
        !self.is_live
            && self.state.outcome == Some(Outcome::Paused)
            && self.next().is_none_or(|next| next > epoch)
    }

    fn entry(&self, root: &Path) -> Entry {
        let dir = RunDir::of(root, &self.info.id);
        let experiment = experiment::load(&dir.experiment_yaml(), &[]);
        let devices = experiment.map_or(1, |experiment| experiment.train.devices);
        let slot = launcher::of_run(&dir).slot(&self.info.device, devices);
        Entry::of(&self.info, slot, None)
    }
}

/// Whether the run waits in the queue, or a worker has it or is about to take it.
fn is_live(dir: &RunDir, info: &RunInfo, content: &Content) -> bool {
    let id = &info.id;
    let is_started = content.active.iter().any(|active| active.entry.run == *id);
    let job = info.worker.as_ref().filter(|worker| worker.job().is_some());
    is_started
        || content.position(id).is_some()
        || match job {
            Some(worker) => launcher::of_worker(worker).occupies(dir, worker),
            None => launcher::is_held(dir, None),
        }
}

/// What a group's halving needs next.
enum Next {
    /// Every round is decided.
    Nothing,
    /// Runs of the group train, or somebody must resume one.
    Others,
    /// A decision about the round of this epoch.
    Decision(u32),
}

/// What the halving of these members needs next.
fn next(members: &[Member]) -> Next {
    let Some(epoch) = members.iter().filter_map(Member::next).min() else {
        return Next::Nothing;
    };
    let mut due = members.iter().filter(|member| member.next() == Some(epoch));
    let is_open =
        due.any(|member| member.is_live || member.needs_resume() || member.waits_for_worker());
    // If all have failed, nothing tells which is better.
    let has_figure = members.iter().any(|member| member.figure(epoch).is_some());
    if is_open || !has_figure {
        Next::Others
    } else {
        Next::Decision(epoch)
    }
}

/// Settings in a round, in the order of the file.
#[derive(Debug)]
struct Candidate {
    settings: Vec<Setting>,
    /// Of each member.
    figures: Vec<Option<f64>>,
    /// Whether they continue, if that was decided before: a seed was added, or the process that decided has ended meanwhile.
    decided: Option<bool>,
}

fn candidates(members: &[Member], epoch: u32) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for member in members {
        let decided = member.decided(epoch);
        if decided.is_none() && member.next() != Some(epoch) {
            continue;
        }
        let mut known = candidates.iter();
        let known = known.position(|candidate| candidate.settings == member.settings);
        let place = known.unwrap_or(candidates.len());
        if known.is_none() {
            candidates.push(Candidate {
                settings: member.settings.clone(),
                figures: Vec::new(),
                decided: None,
            });
        }
        let candidate = &mut candidates[place];
        candidate.figures.push(member.figure(epoch));
        candidate.decided = candidate.decided.or(decided);
    }
    candidates
}

/// Decides a round, and logs it in each member that has no decision yet. A member whose log does not take it is left out. Returns
/// why.
fn decide(root: &Path, members: &mut Vec<Member>, epoch: u32) -> Vec<Failed> {
    let Some(monitor) = members.first().map(|member| member.rounds.monitor) else {
        return Vec::new();
    };
    let candidates = candidates(members, epoch);
    let figures: Vec<Vec<Option<f64>>> = candidates.iter().map(|it| it.figures.clone()).collect();
    let places = places(monitor, &figures);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let place_of = |settings: &[Setting]| {
        let mut both = candidates.iter().zip(&places);
        let (candidate, place) = both.find(|(candidate, _)| candidate.settings == settings)?;
        Some(Halved {
            epoch,
            rank: count(place.rank),
            of: count(places.len()),
            monitor,
            figure: place.figure,
            continues: candidate.decided.unwrap_or(place.continues),
        })
    };
    let mut failures = Vec::new();
    members.retain_mut(|member| {
        let place = place_of(&member.settings).filter(|_| member.next() == Some(epoch));
        let Some(Err(error)) = place.map(|place| member.log(root, place)) else {
            return true;
        };
        failures.push(Failed {
            run: member.info.id.clone(),
            task: Task::Halve,
            error,
        });
        false
    });
    failures
}

/// Decides the rounds of these groups that can be decided, and queues the runs that continue. The caller holds the queue's lock,
/// so that one process decides. Returns the runs whose logs could not be written.
pub(crate) fn advance(root: &Path, content: &mut Content) -> Vec<Failed> {
    let mut failures = Vec::new();
    for group in std::mem::take(&mut content.halving) {
        let (is_over, failed) = advance_group(root, content, &group);
        if !is_over || !failed.is_empty() {
            content.halving.push(group);
        }
        failures.extend(failed);
    }
    failures
}

fn advance_group(root: &Path, content: &mut Content, group: &[RunId]) -> (bool, Vec<Failed>) {
    // A run whose folder is gone or unreadable is no longer in the group.
    let found = group.iter().filter_map(|id| {
        let dir = RunDir::of(root, id);
        let info = dir.info().ok()?;
        let is_live = is_live(&dir, &info, content);
        Some((info, is_live))
    });
    let found: Vec<(RunInfo, bool)> = found.collect();
    let read = |(info, is_live): &(RunInfo, bool)| Member::read(root, info, *is_live);
    // The group mostly waits for a run on its way to the first round. The logs of the others need no reading then. A run on its
    // way to a later round does not delay an earlier one, which runs of an added seed may wait for.
    let is_before_all = |member: Member| {
        let next = member.next();
        next.is_some() && next == member.rounds.epochs.first().copied()
    };
    let mut live = found.iter().filter(|(_, is_live)| *is_live);
    if live.any(|run| read(run).is_some_and(is_before_all)) {
        return (false, Vec::new());
    }
    let mut members: Vec<Member> = found.iter().filter_map(read).collect();
    let mut failures = Vec::new();
    let is_over = loop {
        match next(&members) {
            Next::Nothing => break true,
            Next::Others => break false,
            Next::Decision(epoch) => failures.extend(decide(root, &mut members, epoch)),
        }
    };
    let entries = members
        .iter()
        .filter(|member| member.waits_for_worker())
        .map(|member| member.entry(root));
    content.waiting.extend(entries);
    (is_over, failures)
}

/// A user took a run out of the queue. If it was to continue, it is stopped. If it has never run, its group is not complete, and
/// waits for the next launch of its file.
pub(crate) fn taken_out(root: &Path, content: &mut Content, id: &RunId) -> io::Result<()> {
    let dir = RunDir::of(root, id);
    let member = dir.info().ok().and_then(|info| info.member);
    if member.and_then(|member| member.halving).is_none() {
        return Ok(());
    }
    let state = dir.state()?;
    if state.attempt.is_none() {
        content.halving.retain(|group| !group.contains(id));
    } else if state.outcome == Some(Outcome::Paused)
        && let Some(_lock) = dir.lock()?
    {
        let step = state.epochs.last().map_or(0, |last| last.step);
        let train_time = state.train_time().unwrap_or_default();
        append(&dir, &Event::Stopped { step, train_time })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
