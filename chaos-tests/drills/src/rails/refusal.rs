//! Why nodes must not be taken away, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A group: a shard's, or the control group where there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupName(pub Option<u32>);

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(shard) => write!(f, "shard {shard}"),
            None => f.write_str("the control group"),
        }
    }
}

/// Why a voter does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The drill takes it away, or has done so.
    Away,
    /// It does not answer that it is ready.
    NotReady,
    /// It lacks too many entries.
    Behind {
        /// So many.
        entries: u64,
    },
    /// Its leader does not say how far it is, or no leader answers.
    LagUnknown,
}

/// Why nodes must not be taken away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A group would be left without a majority of its voters.
    Minority {
        /// The group.
        group: GroupName,
        /// Its voters.
        voters: BTreeSet<u64>,
        /// The voters that would be left.
        left: BTreeSet<u64>,
        /// Zones in which all of its voters would be left,
        places_left: usize,
        /// of so many. More than half are needed.
        places: usize,
        /// The other voters, and why they do not count.
        gone: BTreeMap<u64, Gone>,
        /// How many more groups would be left without a majority.
        others: usize,
    },
    /// Too few nodes answer to know all groups.
    Unseen {
        /// The nodes that are not ready.
        silent: Vec<u64>,
    },
}

fn list(nodes: impl IntoIterator<Item = u64>) -> String {
    let nodes: Vec<String> = nodes.into_iter().map(|n| n.to_string()).collect();
    if nodes.is_empty() { "none".into() } else { nodes.join(", ") }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minority { group, voters, left, places_left, places, gone, others } => {
                write!(f, "{group} has the voters {}; left would be {}", list(voters.clone()), list(left.clone()))?;
                write!(f, ", {places_left} of {places} zones, and {} are needed (", places / 2 + 1)?;
                for (i, (node, why)) in gone.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}node {node} {why}")?;
                }
                f.write_str(")")?;
                if *others > 0 {
                    write!(f, "; the same holds for {others} more groups")?;
                }
            }
            Self::Unseen { silent } => write!(
                f,
                "in every zone a node is not ready ({}): a shard that only such nodes hold cannot be seen",
                list(silent.iter().copied())
            )?,
        }
        f.write_str("; --force overrides this")
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away => f.write_str("is to be away"),
            Self::NotReady => f.write_str("is not ready"),
            Self::Behind { entries } => write!(f, "lacks {entries} entries"),
            Self::LagUnknown => f.write_str("is as far as nobody says"),
        }
    }
}
