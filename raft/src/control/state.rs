//! The replicated state of the control group.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A member as a command names it, and as version 1 of the state kept it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// Its id, never reused.
    pub node: u64,
    /// Its zone.
    pub zone: String,
    /// `host:port` of its peer transport.
    pub peer: String,
    /// Base URL of its client API.
    pub http: String,
}

/// What is meant to become of a node. Append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Holds shards.
    Up,
    /// Hands its shards over and stays.
    Draining,
    /// Hands its shards over and is removed when it has none.
    Leaving,
    /// Gone. The record stays, so that the id is never given again.
    Removed,
}

/// A node as the control log knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its id, never reused.
    pub node: u64,
    /// Its zone.
    pub zone: String,
    /// `host:port` of its peer transport.
    pub peer: String,
    /// Base URL of its client API.
    pub http: String,
    /// What is meant to become of it.
    pub state: NodeState,
    /// The node that it stands in for.
    pub replaces: Option<u64>,
}

/// Who should hold a shard, as a command has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The shard.
    pub shard: u32,
    /// One node of each zone, in the order of their ids.
    pub voters: Vec<u64>,
    /// The voter that should lead while all are well.
    pub leader: u64,
}

/// Who should hold a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The shard.
    pub shard: u32,
    /// One node of each zone, in the order of their ids.
    pub voters: Vec<u64>,
    /// The voter that should lead while all are well.
    pub leader: u64,
    /// 1 at first, and one more with every change of the voters.
    pub version: u64,
}

/// The replicated state of the control group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ControlState {
    /// All nodes that ever were, in the order of their ids.
    pub members: Vec<NodeRecord>,
    /// The feature level that every node must understand.
    pub feature_level: u32,
    /// The next id to be given.
    pub next_node: u64,
    /// The number of shards; 0 until the cluster is founded.
    pub shards: u32,
    /// One for each shard, in order.
    pub placement: Vec<Placement>,
    /// One more with every change.
    pub version: u64,
}

/// Version 1 of the stored state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ControlStateV1 {
    pub(crate) members: Vec<MemberRecord>,
    pub(crate) feature_level: u32,
}

impl From<MemberRecord> for NodeRecord {
    fn from(m: MemberRecord) -> Self {
        Self { node: m.node, zone: m.zone, peer: m.peer, http: m.http, state: NodeState::Up, replaces: None }
    }
}

impl From<ControlStateV1> for ControlState {
    fn from(old: ControlStateV1) -> Self {
        let next_node = old.members.iter().map(|m| m.node + 1).max().unwrap_or(0);
        let members = old.members.into_iter().map(NodeRecord::from).collect();
        Self { members, feature_level: old.feature_level, next_node, ..Self::default() }
    }
}

impl ControlState {
    /// Has the cluster recorded what it began with?
    pub fn is_founded(&self) -> bool {
        self.shards > 0
    }

    /// A node that is or was.
    pub fn node(&self, id: u64) -> Option<&NodeRecord> {
        self.members.binary_search_by_key(&id, |m| m.node).ok().map(|at| &self.members[at])
    }

    pub(super) fn node_mut(&mut self, id: u64) -> Option<&mut NodeRecord> {
        self.members.binary_search_by_key(&id, |m| m.node).ok().map(|at| &mut self.members[at])
    }

    /// The nodes that are not removed.
    pub fn present(&self) -> impl Iterator<Item = &NodeRecord> {
        self.members.iter().filter(|m| m.state != NodeState::Removed)
    }

    /// The nodes of a zone that may hold shards.
    pub fn up_in<'a>(&'a self, zone: &'a str) -> impl Iterator<Item = &'a NodeRecord> {
        self.members.iter().filter(move |m| m.state == NodeState::Up && m.zone == zone)
    }

    /// The zones. Each has a node that is up.
    pub fn zones(&self) -> BTreeSet<&str> {
        self.present().map(|m| m.zone.as_str()).collect()
    }

    /// Where a shard belongs.
    pub fn placed(&self, shard: u32) -> Option<&Placement> {
        self.placement.get(shard as usize)
    }

    /// How many shards a node is to hold.
    pub fn shards_of(&self, node: u64) -> usize {
        self.placement.iter().filter(|p| p.voters.contains(&node)).count()
    }

    /// Who should vote in the control group: one node that is up in each zone. Who votes already goes on.
    pub fn control_voters(&self, now: &BTreeSet<u64>) -> BTreeSet<u64> {
        let of_zone = |zone: &str| {
            let mut ids = self.up_in(zone).map(|m| m.node).collect::<Vec<_>>();
            ids.sort_by_key(|id| (!now.contains(id), *id));
            ids.first().copied()
        };
        self.zones().into_iter().filter_map(of_zone).collect()
    }
}
