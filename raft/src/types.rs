//! The types that openraft is instantiated with.

use bytes::Bytes;
use dialogue::{CommitOutcome, ShardId};
use openraft::{BasicNode, alias};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A replicated group: one of the shards, or the control group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The group that holds members, zones and the feature level.
    pub const CONTROL: GroupId = GroupId(u32::MAX);

    /// All groups of a node: the shards in order, then the control group.
    pub fn all(shards: u32) -> impl Iterator<Item = GroupId> {
        (0..shards).map(GroupId).chain([GroupId::CONTROL])
    }
    /// The shard, unless this is the control group.
    pub fn shard(self) -> Option<ShardId> {
        (self != GroupId::CONTROL).then_some(ShardId(self.0))
    }
}

impl From<ShardId> for GroupId {
    fn from(shard: ShardId) -> Self {
        GroupId(shard.0)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shard() {
            Some(shard) => write!(f, "shard-{shard}"),
            None => f.write_str("control"),
        }
    }
}

/// What a log entry carries: an encoded command. Encoded once by the proposer; log, followers and wire copy bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal(pub Bytes);

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// What the state machine answers to an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Applied {
    /// The entry carried no command.
    Nothing,
    /// A turn.
    Turn(CommitOutcome),
    /// A control command.
    Control(crate::ControlOutcome),
    /// One answer for each command of a batch, in order.
    Batch(Vec<Applied>),
}

openraft::declare_raft_types!(
    /// Our instantiation of openraft.
    pub TypeConfig:
        D = Proposal,
        R = Applied,
        NodeId = u64,
        Node = BasicNode,
);

pub(crate) type LogId = alias::LogIdOf<TypeConfig>;
pub(crate) type LeaderId = alias::LeaderIdOf<TypeConfig>;
pub(crate) type Vote = alias::VoteOf<TypeConfig>;
pub(crate) type Entry = alias::EntryOf<TypeConfig>;
pub(crate) type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, BasicNode>;
pub(crate) type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type IOFlushed = openraft::storage::IOFlushed<TypeConfig>;
pub(crate) type Raft = openraft::Raft<TypeConfig, crate::machine::StateMachine>;
