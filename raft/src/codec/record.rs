//! The records that are persisted, and how they relate to openraft's types.
//!
//! They are our own types, not openraft's: an upgrade of openraft cannot change what stands on disk. Append only.

use super::{DecodeError, Record, decode_payload};
use crate::types::{Entry, LeaderId, LogId, Membership, Proposal, StoredMembership, TypeConfig, Vote};
use crate::{ControlCommand, ControlState, control::ControlStateV1};
use bytes::Bytes;
use dialogue::{CommitTurn, SessionId, TimestampMs, TurnRecord};
use openraft::{BasicNode, EntryPayload};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, io};

macro_rules! records {
    ($($kind:literal => $name:ty),* $(,)?) => { $(impl Record for $name { const KIND: u8 = $kind; })* };
}

records! {
    1 => VoteRecord,
    2 => EntryRecord,
    3 => MarkRecord,
    4 => AppliedRecord,
    5 => HeaderRecord,
    6 => TurnRecord,
    7 => KeyRecord,
    8 => Command,
    9 => SnapshotHeadRecord,
    10 => SnapshotPairsRecord,
    11 => SnapshotFootRecord,
    12 => InstallRecord,
    16 => TombstoneRecord,
    17 => TurnsRecord,
    18 => WakingHeaderRecord,
    40 => ExportHeadRecord,
}

impl Record for ControlState {
    const KIND: u8 = 13;
    /// 2: nodes have states, ids are counted, shards are placed.
    const VERSION: u16 = 2;

    fn decode_version(version: u16, payload: &[u8]) -> Result<Self, DecodeError> {
        match version {
            1 => decode_payload::<ControlStateV1>(Self::KIND, payload).map(Self::from),
            found => Err(DecodeError::Version { kind: Self::KIND, found, known: Self::VERSION }),
        }
    }
}

/// The place of an entry in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIdRecord {
    /// The leader's term.
    pub term: u64,
    /// The leader.
    pub node: u64,
    /// The index.
    pub index: u64,
}

/// A vote, or a leadership when committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteRecord {
    /// The term.
    pub term: u64,
    /// For whom.
    pub node: u64,
    /// Granted by a majority.
    pub committed: bool,
}

/// How far a log is purged or committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRecord {
    /// Up to here, inclusive.
    pub at: Option<LogIdRecord>,
}

/// Voters and known nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipRecord {
    /// One set of voters, or two in a joint configuration.
    pub configs: Vec<Vec<u64>>,
    /// Voters and learners with their addresses.
    pub nodes: Vec<(u64, String)>,
}

/// A membership and the entry that set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMembershipRecord {
    /// The entry.
    pub log_id: Option<LogIdRecord>,
    /// The membership.
    pub membership: MembershipRecord,
}

/// One log entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// Its place.
    pub log_id: LogIdRecord,
    /// What it carries.
    pub body: Body,
}

/// What a log entry carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Nothing: a new leader's first entry.
    Blank,
    /// An encoded [`Command`].
    Command(Bytes),
    /// A new membership.
    Membership(MembershipRecord),
}

/// How far a state machine is, in the same batch as the effects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedRecord {
    /// The last entry applied.
    pub last: Option<LogIdRecord>,
    /// The membership as of then.
    pub membership: StoredMembershipRecord,
}

/// What a session's other records hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeaderRecord {
    /// Number of turns.
    pub seq: u64,
    /// The turn in which the context began; 0 before the first.
    pub context_begins_seq: u64,
}

/// The header of a session that wants to be woken. Since feature level 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakingHeaderRecord {
    /// Number of turns.
    pub seq: u64,
    /// The turn in which the context began.
    pub context_begins_seq: u64,
    /// When.
    pub wake_at: TimestampMs,
}

/// Turns of a session that follow one another, under the key of the last. Since feature level 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnsRecord {
    /// Encoded [`TurnRecord`]s, in order.
    pub turns: Vec<Bytes>,
}

/// Which turn an idempotency key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The turn's number in its session.
    pub seq: u64,
}

/// What an entry asks of the state machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Of a shard.
    Turn(Box<CommitTurn>),
    /// Of the control group.
    Control(ControlCommand),
    /// Encoded commands that were proposed together, in their order; none of them is a batch. Since feature level 2.
    Batch(Vec<Bytes>),
    /// Of a shard: a turn, after which the session wants to be woken. Since feature level 4, as what is below.
    WakingTurn {
        /// The turn.
        turn: Box<CommitTurn>,
        /// When.
        wake_at: TimestampMs,
    },
    /// Of a shard: says anew when a session wants to be woken.
    Wake {
        /// Which.
        session: SessionId,
        /// How many turns it has; otherwise nothing is done.
        expected_seq: u64,
        /// When, if at all.
        wake_at: Option<TimestampMs>,
    },
}

impl Command {
    /// The session that it is about.
    pub(crate) fn session(&self) -> Option<&SessionId> {
        match self {
            Command::Turn(turn) | Command::WakingTurn { turn, .. } => Some(&turn.session),
            Command::Wake { session, .. } => Some(session),
            Command::Control(_) | Command::Batch(_) => None,
        }
    }
}

/// First record of a snapshot file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHeadRecord {
    /// The cluster it belongs to.
    pub cluster: String,
    /// The group.
    pub group: u32,
    /// The last entry that is in it.
    pub last: Option<LogIdRecord>,
    /// The membership as of then.
    pub membership: StoredMembershipRecord,
}

/// Keys and values of a state; keys without the group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SnapshotPairsRecord {
    /// In the order of the keys.
    pub pairs: Vec<(Bytes, Bytes)>,
}

/// Last record of a snapshot file: without it the file is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFootRecord {
    /// How many pairs there were.
    pub pairs: u64,
    /// CRC32C over everything in front of this record.
    pub crc: u32,
}

/// First record of an exported data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHeadRecord {
    /// Whose it is, as its identity file says.
    pub identity: String,
}

/// Written before a snapshot replaces a state and removed by its last batch: found at open, the install is redone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallRecord {
    /// The snapshot's file name.
    pub file: String,
}

/// Left where a replica was wiped: until the log reaches this entry again, the replica grants no votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TombstoneRecord {
    /// The membership without this node.
    pub removed_at: LogIdRecord,
    /// Is everything gone? If not, the wipe is done again at the next open.
    pub wiped: bool,
}

impl From<&LogId> for LogIdRecord {
    fn from(id: &LogId) -> Self {
        Self { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
    }
}

impl From<LogIdRecord> for LogId {
    fn from(id: LogIdRecord) -> Self {
        LogId::new(LeaderId { term: id.term, node_id: id.node }, id.index)
    }
}

impl From<&Vote> for VoteRecord {
    fn from(vote: &Vote) -> Self {
        Self { term: vote.leader_id.term, node: vote.leader_id.node_id, committed: vote.committed }
    }
}

impl From<VoteRecord> for Vote {
    fn from(vote: VoteRecord) -> Self {
        if vote.committed { Vote::new_committed(vote.term, vote.node) } else { Vote::new(vote.term, vote.node) }
    }
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> Self {
        Self {
            configs: membership.get_joint_config().iter().map(|c| c.iter().copied().collect()).collect(),
            nodes: membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect(),
        }
    }
}

impl TryFrom<MembershipRecord> for Membership {
    type Error = io::Error;
    fn try_from(record: MembershipRecord) -> io::Result<Self> {
        let configs: Vec<BTreeSet<u64>> = record.configs.into_iter().map(|c| c.into_iter().collect()).collect();
        if configs.is_empty() {
            return Ok(Membership::default());
        }
        let nodes: std::collections::BTreeMap<u64, BasicNode> =
            record.nodes.into_iter().map(|(id, addr)| (id, BasicNode { addr })).collect();
        Membership::new(configs, nodes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))
    }
}

impl From<&StoredMembership> for StoredMembershipRecord {
    fn from(stored: &StoredMembership) -> Self {
        Self { log_id: stored.log_id().as_ref().map(LogIdRecord::from), membership: stored.membership().into() }
    }
}

impl TryFrom<StoredMembershipRecord> for StoredMembership {
    type Error = io::Error;
    fn try_from(record: StoredMembershipRecord) -> io::Result<Self> {
        Ok(StoredMembership::new(record.log_id.map(LogId::from), record.membership.try_into()?))
    }
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> Self {
        let body = match &entry.payload {
            EntryPayload::Blank => Body::Blank,
            EntryPayload::Normal(proposal) => Body::Command(proposal.0.clone()),
            EntryPayload::Membership(membership) => Body::Membership(membership.into()),
        };
        Self { log_id: (&entry.log_id).into(), body }
    }
}

impl EntryRecord {
    /// The entry as openraft has it. (`openraft::Entry` is generic, which leaves no room for a `TryFrom`.)
    pub fn into_entry(self) -> io::Result<openraft::alias::EntryOf<TypeConfig>> {
        let payload = match self.body {
            Body::Blank => EntryPayload::Blank,
            Body::Command(bytes) => EntryPayload::Normal(Proposal(bytes)),
            Body::Membership(membership) => EntryPayload::Membership(membership.try_into()?),
        };
        Ok(Entry { log_id: self.log_id.into(), payload })
    }
}
