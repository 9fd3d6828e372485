//! Groups of runs: the members that a file with `seeds` or `grid` describes, and what a launch does about each.

use std::collections::HashMap;

use warmstart_schema::experiment::Member;
use warmstart_schema::state::Status;

use crate::member::{MemberOf, group_id};
use crate::store::{ExperimentFile, Run, Runs};

impl Runs {
    /// The runs of a run's group, itself included, oldest first; none if it has no group.
    pub fn group_of<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = &'a Run> {
        let group = run.member().map(|member| member.group.as_str());
        self.all_like(run).filter(move |other| {
            group.is_some() && other.member().map(|member| member.group.as_str()) == group
        })
    }
}

/// What a launch does about one member.
#[derive(Debug, Clone)]
pub enum Step<'a> {
    /// It is done and is not run again.
    Done(&'a Run),
    /// It runs or waits already.
    Busy(&'a Run),
    /// It waits for a round of its group's halving.
    Waits(&'a Run),
    /// A round of its group's halving stopped it.
    Halved(&'a Run),
    /// Its folder cannot be read, so nobody knows whether it is done.
    Unreadable(&'a Run),
    /// It was stopped, failed or lost: it is resumed from its last checkpoint.
    Resume(&'a Run),
    /// It has no run yet.
    Launch(&'a Member, MemberOf),
}

/// What a launch of a group does, a step for each member.
#[derive(Debug, Clone)]
pub struct Plan<'a>(pub Vec<Step<'a>>);

impl<'a> Plan<'a> {
    /// The plan for a file; none if it describes one run, or has a mistake.
    pub fn of(file: &'a ExperimentFile, runs: &'a Runs) -> Option<Self> {
        let group = file.group.as_ref().filter(|_| file.loaded.is_ok())?;
        let id = group_id(group);
        let mut known: HashMap<&MemberOf, &Run> = HashMap::new();
        for run in runs.all_of(&file.experiment_key()) {
            let Some(member) = run.member().filter(|member| member.group == id) else {
                continue;
            };
            // Of several runs of one member the furthest counts, and of those the newest.
            let known = known.entry(member).or_insert(run);
            if rank(run.status()) >= rank(known.status()) {
                *known = run;
            }
        }
        let step = |member: &'a Member| {
            let key = MemberOf::new(&id, group, member);
            let Some(run) = known.get(&key).copied() else {
                return Step::Launch(member, key);
            };
            match run.status() {
                Status::Finished => Step::Done(run),
                Status::Unreadable => Step::Unreadable(run),
                Status::Paused if run.round().is_some() => Step::Waits(run),
                Status::Paused => Step::Resume(run),
                status if status.is_resumable() && run.is_halved() => Step::Halved(run),
                status if status.is_resumable() => Step::Resume(run),
                _ => Step::Busy(run),
            }
        };
        Some(Self(group.members.iter().map(step).collect()))
    }

    /// How many members a launch adds to the queue.
    pub fn queued(&self) -> usize {
        let adds = |step: &&Step| matches!(step, Step::Launch(..) | Step::Resume(_));
        self.0.iter().filter(adds).count()
    }

    /// The members that run or wait already, in the queue or for their group.
    pub fn busy(&self) -> impl Iterator<Item = &'a Run> {
        self.0.iter().filter_map(|step| match step {
            Step::Busy(run) | Step::Waits(run) => Some(*run),
            _ => None,
        })
    }

    /// Whether members wait for a round of their group's halving, which a launch may decide.
    pub fn has_round(&self) -> bool {
        let waits = |step: &Step| matches!(step, Step::Waits(_));
        self.0.iter().any(waits)
    }

    /// The members that are done.
    pub fn done(&self) -> impl Iterator<Item = &'a Run> {
        self.0.iter().filter_map(|step| match step {
            Step::Done(run) => Some(*run),
            _ => None,
        })
    }

    /// `6 runs: 3 to train, 1 to resume, 2 done and skipped`.
    pub fn in_words(&self) -> String {
        let mut counts = [0; 7];
        for step in &self.0 {
            let index = match step {
                Step::Launch(..) => 0,
                Step::Resume(_) => 1,
                Step::Busy(_) => 2,
                Step::Waits(_) => 3,
                Step::Done(_) => 4,
                Step::Halved(_) => 5,
                Step::Unreadable(_) => 6,
            };
            counts[index] += 1;
        }
        let words = [
            "to train",
            "to resume",
            "running or queued already",
            "waiting for their group",
            "done and skipped",
            "stopped by halving",
            "unreadable and skipped",
        ];
        let parts: Vec<String> = counts
            .iter()
            .zip(words)
            .filter(|(count, _)| **count > 0)
            .map(|(count, words)| format!("{count} {words}"))
            .collect();
        let runs = self.0.len();
        let noun = if runs == 1 { "run" } else { "runs" };
        format!("{runs} {noun}: {}", parts.join(", "))
    }
}

fn rank(status: Status) -> u8 {
    match status {
        Status::Finished => 3,
        Status::Unreadable => 0,
        status if status.is_resumable() => 1,
        _ => 2,
    }
}
