//! The name of a run.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::text;

/// The name of a run folder: generated, never made of a user's text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// An invalid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run's name; expected 1 to 64 of a-z, 0-9 and -, and no - at its start")]
pub struct BadRunId(String);

impl RunId {
    /// A new name: the time to the second in UTC, and 16 random bits.
    pub fn generate() -> Self {
        let random = std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish()
            & 0xffff;
        Self(format!(
            "{}-{random:04x}",
            Timestamp::now().strftime("%Y%m%d-%H%M%S")
        ))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = BadRunId;

    fn from_str(name: &str) -> Result<Self, BadRunId> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid =
            (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('-');
        if valid {
            Ok(Self(name.to_owned()))
        } else {
            Err(BadRunId(text::line(name, 80)))
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = BadRunId;

    fn try_from(name: String) -> Result<Self, BadRunId> {
        name.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_against_a_name_is_true_of_it() {
        let refused = |name: &str| name.parse::<RunId>().unwrap_err().to_string();
        assert!(refused("-rf").contains("no - at its start"));
        assert!(refused("A").contains("a-z"));
        assert!("r-f-".parse::<RunId>().is_ok());
    }
}
