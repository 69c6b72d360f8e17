//! What is wrong with a stored log.

use crate::types::GroupId;

/// A stored log or state is not what it must be. The node does not start on it: it re-enters under a new id.
#[derive(Debug, thiserror::Error)]
#[error("{group}{}: {found}", index.map(|i| format!(", log index {i}")).unwrap_or_default())]
pub struct Damage {
    /// The group.
    pub group: GroupId,
    /// The log index, where there is one.
    pub index: Option<u64>,
    /// What was found, and what was expected.
    pub found: String,
}

impl Damage {
    pub(crate) fn new(group: GroupId, index: Option<u64>, found: impl std::fmt::Display) -> Self {
        Self { group, index, found: found.to_string() }
    }
}

impl From<Damage> for std::io::Error {
    fn from(damage: Damage) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidData, damage)
    }
}
