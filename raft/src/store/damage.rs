//! What is wrong with a stored log.

use super::keys;
use crate::types::GroupId;
use std::fmt;

/// A stored log or state is not what it must be. The node does not start on it: it re-enters under a new id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Damage {
    /// The group.
    pub group: GroupId,
    /// The log index, where there is one.
    pub index: Option<u64>,
    /// The key in the store, readable, where there is one.
    pub key: Option<String>,
    /// What was found.
    pub found: String,
    /// What was expected, where `found` does not say it.
    pub expected: Option<String>,
}

impl Damage {
    pub(crate) fn new(group: GroupId, index: Option<u64>, found: impl fmt::Display) -> Self {
        Self { group, index, key: None, found: found.to_string(), expected: None }
    }

    pub(crate) fn at_key(mut self, key: &[u8]) -> Self {
        self.key = Some(keys::name(key));
        self
    }

    pub(crate) fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.expected = Some(expected.to_string());
        self
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.group)?;
        if let Some(index) = self.index {
            write!(f, ", log index {index}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ", key {key}")?;
        }
        write!(f, ": {}", self.found)?;
        if let Some(expected) = &self.expected {
            write!(f, ", expected {expected}")?;
        }
        Ok(())
    }
}

impl From<Damage> for std::io::Error {
    fn from(damage: Damage) -> Self {
        std::io::Error::new(std::io::ErrorKind::InvalidData, damage)
    }
}
