//! What a node tells about itself.

use super::{Node, group::Group};
use crate::{
    codec::EntryRecord,
    types::{GroupId, LogId, TypeConfig},
};
use openraft::{Instant, RaftLogReader, RaftMetrics, ServerState};
use serde::{Deserialize, Serialize};
use std::{io, time::Duration};

/// What a replica does in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes the writes.
    Leader,
    /// Follows.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Has no vote.
    Learner,
    /// Has stopped.
    Stopped,
}

/// How far a follower is behind its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowerLag {
    /// The follower.
    pub node: u64,
    /// Entries that it does not have; all of them if nothing is known of it.
    pub entries: u64,
    /// Milliseconds since it was last heard of, if ever.
    pub heard_ms_ago: Option<u64>,
}

/// One group of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// The shard; none for the control group.
    pub shard: Option<u32>,
    /// What this node does in it.
    pub role: Role,
    /// The term.
    pub term: u64,
    /// Who leads it, as far as this node knows.
    pub leader: Option<u64>,
    /// Index of the last entry of the log.
    pub last_log: Option<u64>,
    /// Index up to which it is committed.
    pub committed: Option<u64>,
    /// Index up to which it is applied here.
    pub applied: Option<u64>,
    /// Index up to which the state was made durable last, so that the log may be purged.
    pub snapshot: Option<u64>,
    /// Index up to which the log is purged.
    pub purged: Option<u64>,
    /// Who votes, as far as this replica knows; in a joint configuration all of both.
    #[serde(default)]
    pub voters: Vec<u64>,
    /// Who learns without a vote.
    #[serde(default)]
    pub learners: Vec<u64>,
    /// The followers; empty unless this node leads.
    pub followers: Vec<FollowerLag>,
    /// Idle: no heartbeats until it is used. Then the followers' nodes are what was heard of.
    #[serde(default)]
    pub asleep: bool,
}

/// A node and all its groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The cluster.
    pub cluster: String,
    /// The node.
    pub node: u64,
    /// Its zone.
    pub zone: String,
    /// May it serve?
    pub ready: bool,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// Barriers (`fdatasync` of the database) since it started.
    pub barriers: u64,
    /// Free bytes in the data folder; writes are refused below the configured minimum.
    pub disk_free_bytes: u64,
    /// The shards, in order.
    pub shards: Vec<GroupStatus>,
    /// The control group.
    pub control: GroupStatus,
}

fn index(id: &Option<LogId>) -> Option<u64> {
    id.as_ref().map(|id| id.index)
}

impl GroupStatus {
    pub(super) fn new(shard: Option<u32>, metrics: &RaftMetrics<TypeConfig>) -> Self {
        let next = metrics.last_log_index.map_or(0, |i| i + 1);
        let heard = |node: &u64| metrics.heartbeat.as_ref()?.get(node)?.as_ref().map(|at| at.elapsed());
        let followers = metrics.replication.iter().flatten().filter(|(node, _)| **node != metrics.id);
        Self {
            shard,
            role: match metrics.state {
                ServerState::Leader => Role::Leader,
                ServerState::Follower => Role::Follower,
                ServerState::Candidate => Role::Candidate,
                ServerState::Learner => Role::Learner,
                ServerState::Shutdown => Role::Stopped,
            },
            term: metrics.current_term,
            leader: metrics.current_leader,
            last_log: metrics.last_log_index,
            committed: index(&metrics.local_committed),
            applied: index(&metrics.last_applied),
            snapshot: index(&metrics.snapshot),
            purged: index(&metrics.purged),
            voters: metrics.membership_config.membership().voter_ids().collect(),
            learners: metrics.membership_config.membership().learner_ids().collect(),
            followers: followers
                .map(|(node, matched)| FollowerLag {
                    node: *node,
                    entries: next.saturating_sub(index(matched).map_or(0, |i| i + 1)),
                    heard_ms_ago: heard(node).map(millis),
                })
                .collect(),
            asleep: false,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Node {
    /// The entries of a group that are committed, as far as this node knows, from an index on or from where its log begins:
    /// what invariants are checked on.
    pub async fn committed_entries(&self, group: GroupId, from: u64) -> io::Result<Vec<EntryRecord>> {
        let Some(group) = self.find(group) else { return Ok(Vec::new()) };
        let Some(committed) = group.metrics().local_committed.map(|c| c.index) else { return Ok(Vec::new()) };
        let entries = group.log.clone().try_get_log_entries(from..=committed).await?;
        Ok(entries.iter().map(EntryRecord::from).collect())
    }

    /// A group as of now. One that sleeps has no heartbeats: the nodes' pulse stands in.
    pub(super) fn group_status(&self, group: &Group) -> GroupStatus {
        let mut status = GroupStatus::new(group.id.shard().map(|s| s.0), &group.metrics());
        status.asleep = group.sleep.is_asleep();
        if status.asleep {
            status.followers.iter_mut().for_each(|f| f.heard_ms_ago = self.pulses.heard_ago(f.node).map(millis));
        }
        status
    }
}
