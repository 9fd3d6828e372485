//! Which member of a group of runs a run is.

use serde::{Deserialize, Serialize};
use warmstart_schema::experiment::{Group, Member, Rounds, Setting};
use warmstart_schema::text;

use crate::storage::fingerprint;

/// In `run.json`: the group of a run, and which of its members it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemberOf {
    /// SHA-256 of what all runs of the group have in common. A change of the file begins a new group, unless it changes only seeds
    /// and values.
    pub group: String,
    /// Its values of the grid's fields; none without a grid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    pub seed: u64,
    /// The rounds after which the worse half of the group is stopped; none without `halving`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halving: Option<Rounds>,
}

impl MemberOf {
    /// A member of `group`, whose name is `id`.
    pub(crate) fn new(id: &str, group: &Group, member: &Member) -> Self {
        Self {
            group: id.to_owned(),
            halving: group.rounds.clone(),
            settings: member.settings.clone(),
            seed: member.experiment.seed,
        }
    }

    /// Its texts, safe for screens: a folder may be a copy from anywhere.
    pub(crate) fn sanitized(mut self) -> Self {
        self.group = text::line(&self.group, 64);
        for setting in &mut self.settings {
            setting.field = text::line(&setting.field, 120);
            setting.value = text::line(&setting.value, 60);
        }
        self
    }
}

/// The name of a group in `run.json`.
pub fn group_id(group: &Group) -> String {
    fingerprint(group.identity.as_bytes())
}
