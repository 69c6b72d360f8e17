//! What a node says of itself at `GET /v1/status`, as far as drills need it.

use crate::client::Client;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// A node, its groups, and the nodes that it knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeView {
    /// The cluster's name.
    pub cluster: String,
    /// The node's id.
    pub node: u64,
    /// Its zone.
    pub zone: String,
    /// The shards that it holds a replica of.
    pub shards: Vec<GroupView>,
    /// The control group, which it votes or learns in.
    pub control: GroupView,
    /// The nodes of the cluster.
    pub members: Vec<MemberView>,
}

/// A group, as one replica has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GroupView {
    /// The shard; none for the control group.
    pub shard: Option<u32>,
    /// `leader`, or something else.
    pub role: String,
    /// The term.
    pub term: u64,
    /// Who leads it, as far as the replica knows.
    pub leader: Option<u64>,
    /// Index up to which its log is committed.
    pub committed: Option<u64>,
    /// Who votes; in a joint configuration all of both.
    pub voters: Vec<u64>,
    /// The followers; empty where another leads.
    pub followers: Vec<FollowerView>,
}

/// A follower, as its leader has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FollowerView {
    /// The node.
    pub node: u64,
    /// Entries that it lacks.
    pub entries: u64,
}

/// A node, as the control group has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MemberView {
    /// Its id.
    pub node: u64,
    /// Its zone.
    pub zone: String,
    /// Base URL of its client API.
    pub http: String,
}

impl NodeView {
    /// Asks the node at a base URL.
    pub async fn fetch(client: &Client, base: &str) -> Result<Self> {
        let url = format!("{base}/v1/status");
        let (status, body) = client.get(&url).await?;
        ensure!(status == 200, "{url}: status {status}");
        serde_json::from_value(body).with_context(|| format!("{url}: not what a node answers"))
    }

    /// All its groups.
    pub(super) fn groups(&self) -> impl Iterator<Item = &GroupView> {
        self.shards.iter().chain([&self.control])
    }
}

impl GroupView {
    /// Does this replica lead?
    pub(super) fn leads(&self) -> bool {
        self.role == "leader"
    }
}
