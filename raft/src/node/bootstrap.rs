//! The first start of a cluster: the control group gets its voters and records who is there; the shards follow.

use super::{Node, group::Group};
use crate::types::GroupId;
use cluster_config::NodeConfig;
use openraft::BasicNode;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::Instant;

/// How often it is looked whether enough voters are there.
const LOOK: Duration = Duration::from_millis(10);

/// Who votes in the control group first: the lowest id of each zone.
pub(super) fn first_control_voters(config: &NodeConfig) -> BTreeSet<u64> {
    let mut lowest: BTreeMap<&str, u64> = BTreeMap::new();
    for member in &config.members {
        lowest.entry(&member.zone).and_modify(|n| *n = member.node.min(*n)).or_insert(member.node);
    }
    lowest.into_values().collect()
}

/// Founds the control group, then every shard that this node is the first to hold.
pub(super) async fn run(node: Weak<Node>) {
    let Some((control, mut view)) = node.upgrade().map(|n| (n.group(GroupId::CONTROL), n.view.subscribe())) else {
        return;
    };
    {
        let Some(node) = node.upgrade() else { return };
        if node.is_first_of_cluster() {
            let voters: Vec<u64> = first_control_voters(&node.config).into_iter().collect();
            node.spawn(initialize(Arc::downgrade(&node), control, voters));
        }
    }
    while !view.borrow_and_update().is_founded() {
        if view.changed().await.is_err() {
            return;
        }
    }
    let Some(node) = node.upgrade() else { return };
    for placement in &node.view().placement {
        // Only the first placement is begun with: in later ones a new voter learns from who was there before.
        if placement.version == 1 && placement.voters.contains(&node.id) {
            let first = placement.voters.iter().position(|v| *v == placement.leader).unwrap_or(0);
            let mut voters = placement.voters.clone();
            voters.rotate_left(first);
            node.spawn(initialize(Arc::downgrade(&node), node.group(GroupId(placement.shard)), voters));
        }
    }
}

/// Initializes a pristine group. All voters offer the same ones, so any of them may be first; the first of them does
/// not wait, which makes it the leader. Nobody begins before a majority is there to elect it.
async fn initialize(node: Weak<Node>, group: Arc<Group>, voters: Vec<u64>) {
    let begun = Instant::now();
    loop {
        let Some(node) = node.upgrade() else { return };
        let Some(rank) = voters.iter().position(|v| *v == node.id) else { return };
        if group.is_tombstoned() || group.raft.is_initialized().await.unwrap_or(true) {
            return;
        }
        let wait = Duration::from_millis(node.config.raft.election_timeout_ms_max) * 4 * rank as u32;
        let there = voters.iter().filter(|v| **v == node.id || node.pulses.is_alive(**v)).count();
        if there > voters.len() / 2 && begun.elapsed() >= wait {
            break;
        }
        drop(node);
        tokio::time::sleep(LOOK).await;
    }
    let Some(peer) = node.upgrade().map(|n| n.addresses()) else { return };
    let members: BTreeMap<u64, BasicNode> =
        voters.iter().map(|v| (*v, BasicNode { addr: peer.get(v).cloned().unwrap_or_default() })).collect();
    match group.raft.initialize(members).await {
        Ok(()) => tracing::info!(group = %group.id, "initialized"),
        // Another voter was faster.
        Err(e) => tracing::debug!(group = %group.id, error = %e, "not initialized by this node"),
    }
}

impl Node {
    /// Does this node begin the cluster, rather than join it?
    fn is_first_of_cluster(&self) -> bool {
        !self.config.members.is_empty() && self.config.node == self.id
    }

    /// Peer addresses by node, as the control state has them, or the configuration before that.
    pub(super) fn addresses(&self) -> BTreeMap<u64, String> {
        let view = self.view();
        if view.is_founded() {
            return view.present().map(|m| (m.node, m.peer.clone())).collect();
        }
        self.config.members.iter().map(|m| (m.node, m.peer.clone())).collect()
    }
}
