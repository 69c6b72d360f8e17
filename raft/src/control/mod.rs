//! What the control group replicates: nodes, zones, the placement of shards and the feature level.

mod apply;
mod state;

pub(crate) use state::ControlStateV1;
pub use state::{Assignment, ControlState, MemberRecord, NodeRecord, NodeState, Placement};

use serde::{Deserialize, Serialize};

/// The highest feature level that this version understands: 2 since nodes come and go, 3 since turns share
/// records and purged entries are removed later, 4 since sessions are woken.
pub const FEATURE_LEVEL: u32 = 4;
/// What this node says that it understands: [`FEATURE_LEVEL`], but for a drill's nodes of the version before.
pub(crate) fn feature_level() -> u32 {
    if cluster_config::is_previous_version() { FEATURE_LEVEL - 1 } else { FEATURE_LEVEL }
}

/// The level from which every node reads turns that share a record, and logs with purged entries in them.
pub(crate) const FEATURE_PACKED_TURNS: u32 = 3;

/// The level from which every node reads when sessions want to be woken, and the events that came with it.
pub(crate) const FEATURE_TIMERS: u32 = 4;

/// A command to the control group. Append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlCommand {
    /// Records a member of a new cluster; later what changed of its addresses.
    PutMember(MemberRecord),
    /// Lets records of this level into the logs. Never goes down.
    RaiseFeatureLevel(u32),
    /// Records what the cluster begins with. Level 2, as everything below.
    Found {
        /// The first nodes.
        members: Vec<MemberRecord>,
        /// The number of shards, for ever.
        shards: u32,
        /// Who holds which shard.
        placement: Vec<Assignment>,
    },
    /// Gives a new node its id.
    AddNode {
        /// Its zone, one of those that the cluster began with.
        zone: String,
        /// `host:port` of its peer transport.
        peer: String,
        /// Base URL of its client API.
        http: String,
        /// The node that it stands in for: its shards become the new one's, and it leaves.
        replaces: Option<u64>,
    },
    /// Says what is meant to become of a node.
    Mark {
        /// The node.
        node: u64,
        /// Its state from now on.
        state: NodeState,
    },
    /// Places shards anew.
    Place {
        /// The version of the state that this was computed from; refused when it has changed since.
        based_on: u64,
        /// The shards that change.
        assignments: Vec<Assignment>,
    },
}

/// What came of a [`ControlCommand`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlOutcome {
    /// Done, or already so.
    Done,
    /// A node has its id.
    Added {
        /// The id, never given before.
        node: u64,
    },
    /// Refused, and why; nothing has changed.
    Refused(Refused),
}

/// Why a [`ControlCommand`] is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refused {
    /// The feature level never goes down.
    #[error("the feature level is {current} and never goes down to {asked}")]
    LevelDown {
        /// What holds.
        current: u32,
        /// What was asked for.
        asked: u32,
    },
    /// Not all nodes understand this yet.
    #[error("the cluster's feature level is {current}, this needs {needed}: upgrade all nodes first")]
    LevelTooLow {
        /// What holds.
        current: u32,
        /// What is needed.
        needed: u32,
    },
    /// The cluster has recorded its beginning before.
    #[error("the cluster is founded already, with {shards} shards")]
    Founded {
        /// Its shards.
        shards: u32,
    },
    /// The cluster has not recorded its beginning yet.
    #[error("the cluster is not founded yet: its first nodes must run")]
    NotFounded,
    /// No node has that id.
    #[error("there is no node {node}")]
    UnknownNode {
        /// The id.
        node: u64,
    },
    /// The node is gone for good.
    #[error("node {node} was removed, and its id is never used again")]
    Removed {
        /// The id.
        node: u64,
    },
    /// The node is on its way out already.
    #[error("node {node} is leaving already")]
    Leaving {
        /// The id.
        node: u64,
    },
    /// The cluster has no such zone.
    #[error("there is no zone {zone:?}: the zones are {known}")]
    UnknownZone {
        /// What was asked for.
        zone: String,
        /// Those that there are.
        known: String,
    },
    /// A node stays in its zone, and so does who replaces it.
    #[error("node {node} stands in zone {expected:?}, not in {found:?}")]
    OtherZone {
        /// The node.
        node: u64,
        /// What was asked for.
        found: String,
        /// Where it is.
        expected: String,
    },
    /// Two nodes cannot have one address.
    #[error("node {node} has the peer address {address:?} already")]
    AddressTaken {
        /// The address.
        address: String,
        /// Who has it.
        node: u64,
    },
    /// Its zone would have nobody to vote.
    #[error("node {node} is the only one in zone {zone:?} that can hold shards: add another first")]
    OnlyNodeOfZone {
        /// The node.
        node: u64,
        /// Its zone.
        zone: String,
    },
    /// It holds replicas.
    #[error("node {node} is to hold {shards} shards: drain it first (`tertulia cluster drain {node}`)")]
    StillHolds {
        /// The node.
        node: u64,
        /// How many.
        shards: usize,
    },
    /// The state has changed since the command was made.
    #[error("the control state is version {current}, the change was computed from {based_on}: ask again")]
    Stale {
        /// What it is.
        current: u64,
        /// What it was.
        based_on: u64,
    },
    /// A placement that breaks a rule.
    #[error("shard {shard}: {reason}")]
    Placement {
        /// The shard.
        shard: u32,
        /// The rule.
        reason: String,
    },
}

#[cfg(test)]
mod tests;
