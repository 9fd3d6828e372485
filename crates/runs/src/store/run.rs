//! One run in memory.

use std::sync::Arc;

use warmstart_schema::annotation::Annotation;
use warmstart_schema::experiment::Experiment;
use warmstart_schema::state::{Liveness, RunState, Status};

use super::ExperimentFile;
use crate::launcher::Standing;
use crate::member::{MemberOf, group_id};
use crate::run::{RunId, RunInfo};

/// One run.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: RunId,
    pub info: Result<RunInfo, String>,
    /// The experiment as it was at launch, with later changes.
    pub experiment: Option<Arc<Experiment>>,
    /// Boxed: `RunState` is large, and runs move.
    pub state: Box<RunState>,
    /// Whether the state lacks the progress within epochs; the log of an opened run is read whole.
    pub is_summary: bool,
    pub liveness: Liveness,
    /// What the cluster says about its worker.
    pub standing: Option<Standing>,
    pub annotation: Annotation,
}

impl Run {
    pub fn status(&self) -> Status {
        self.state.status(self.liveness)
    }

    /// Where its worker is, in a sentence, if it shows no sign of life itself.
    pub fn whereabouts(&self) -> Option<String> {
        let standing = self.standing.as_ref()?;
        let text = &standing.text;
        match self.status() {
            Status::Waiting if self.state.checkpoint.is_some() => Some(format!(
                "{text}; it continues from its last checkpoint by itself"
            )),
            Status::Waiting | Status::Starting | Status::Stopping => Some(text.clone()),
            _ => None,
        }
    }

    /// The experiment's name, or the run's id if the name is unreadable.
    pub fn label(&self) -> &str {
        self.info
            .as_ref()
            .map_or(self.id.as_str(), |info| &info.experiment)
    }

    /// The same for machines: exactly as the experiment's file has it.
    pub fn exact_label(&self) -> &str {
        let exact = self
            .info
            .as_ref()
            .ok()
            .and_then(|info| info.exact.as_deref());
        exact.unwrap_or_else(|| self.label())
    }

    /// What its rows of figures are of, in a word: epochs, or the strengths that a probe tries.
    pub fn unit(&self) -> &'static str {
        let probes = |experiment: &Experiment| experiment.probe.is_some();
        if self.experiment.as_deref().is_some_and(probes) {
            "strength"
        } else {
            "epoch"
        }
    }

    /// The experiment's file stem.
    pub fn stem(&self) -> Option<&str> {
        self.info.as_ref().ok().map(|info| info.stem.as_str())
    }

    /// Its group and which member it is; none of a run that is in no group.
    pub fn member(&self) -> Option<&MemberOf> {
        self.info.as_ref().ok()?.member.as_ref()
    }

    /// The epoch of the round of its group's halving for which it waits.
    pub fn round(&self) -> Option<u32> {
        let rounds = self.member()?.halving.as_ref()?;
        let next = rounds.next(&self.state.halvings)?;
        let last = self.state.epochs.last()?;
        (self.status() == Status::Paused && next <= last.epoch).then_some(next)
    }

    /// Whether a round of its group's halving stopped it. It can be resumed nevertheless.
    pub fn is_halved(&self) -> bool {
        self.state.halvings.iter().any(|round| !round.continues)
    }

    /// Whether the file that it was launched from has changed since.
    pub fn is_changed_since(&self, file: &ExperimentFile) -> bool {
        let Ok(info) = &self.info else { return false };
        let (Some(then), Some(now)) = (&info.sha256, &file.sha256) else {
            return false;
        };
        // A changed comment is no change, nor is another seed or value of a group. The run stores the split rule that its file may omit,
        // so compare with the rule that the file has by default.
        let with_split = |experiment: &Experiment| experiment.clone().frozen();
        let is_same = || match (&file.loaded, self.experiment.as_deref()) {
            (Ok(now), Some(then)) => match (&file.group, self.member()) {
                (Some(group), Some(member)) => group_id(group) == member.group,
                _ => with_split(now) == with_split(then),
            },
            _ => false,
        };
        then != now && !is_same()
    }

    /// The device it runs on, or the requested one before a worker has chosen.
    pub fn device(&self) -> &str {
        let chosen = self
            .state
            .attempt
            .as_ref()
            .map(|attempt| attempt.device.as_str());
        chosen
            .or_else(|| self.info.as_ref().ok().map(|info| info.device.as_str()))
            .unwrap_or("")
    }
}
