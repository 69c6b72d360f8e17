//! The cluster in one document.

use crate::NodeState;
use serde::{Deserialize, Serialize};

/// The cluster as the leader of its control group sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// Its name.
    pub cluster: String,
    /// The number of shards; 0 until it is founded.
    pub shards: u32,
    /// What every node must understand.
    pub feature_level: u32,
    /// The version of the control state.
    pub version: u64,
    /// All nodes that ever were.
    pub nodes: Vec<NodeEntry>,
    /// All shards.
    pub placement: Vec<ShardEntry>,
    /// The control group.
    pub control: ControlStatus,
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Its id.
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
    /// Was it heard of lately?
    pub alive: bool,
    /// How many shards it is to hold.
    pub shards: usize,
    /// How many it leads.
    pub leads: usize,
}

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// The shard.
    pub shard: u32,
    /// Who is to hold it.
    pub voters: Vec<u64>,
    /// Who should lead it.
    pub preferred: u64,
    /// Who leads it, if anybody does.
    pub leader: Option<u64>,
    /// Has it arrived at its voters?
    pub settled: bool,
}

/// The control group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlStatus {
    /// Who leads it.
    pub leader: Option<u64>,
    /// Who votes in it.
    pub voters: Vec<u64>,
}

impl ClusterStatus {
    /// How many shards are still on their way.
    pub fn moving(&self) -> usize {
        self.placement.iter().filter(|s| !s.settled).count()
    }
}
