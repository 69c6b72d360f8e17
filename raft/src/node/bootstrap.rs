//! The first start of a cluster: every group gets its voters, and first leaders are spread over the nodes.

use super::{Node, group::Group};
use crate::{ControlCommand, FEATURE_LEVEL, MemberRecord, types::GroupId};
use cluster_config::{Member, NodeConfig};
use dialogue::ports::Owner;
use openraft::BasicNode;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

/// Pause before the members are written again after a failure.
const RETRY: Duration = Duration::from_millis(500);

/// Who should lead a group while all nodes are well: the members in turn.
pub(super) fn preferred(config: &NodeConfig, group: GroupId) -> u64 {
    let place = group.shard().map_or(0, |s| s.0 as usize);
    config.members[place % config.members.len()].node
}

/// Initializes a pristine group. All nodes offer the same members, so any of them may be first; the preferred one
/// does not wait, which makes it the leader.
pub(super) async fn initialize(group: Arc<Group>, config: NodeConfig) {
    let first = config.members.iter().position(|m| m.node == preferred(&config, group.id)).unwrap_or(0);
    let me = config.members.iter().position(|m| m.node == config.node).unwrap_or(0);
    let rank = (me + config.members.len() - first) % config.members.len();
    let wait = Duration::from_millis(config.raft.election_timeout_ms_max) * 4 * rank as u32;
    let members: BTreeMap<u64, BasicNode> =
        config.members.iter().map(|m| (m.node, BasicNode { addr: m.peer.clone() })).collect();
    tokio::time::sleep(wait).await;
    match group.raft.is_initialized().await {
        Ok(true) | Err(_) => return,
        Ok(false) => {}
    }
    match group.raft.initialize(members).await {
        Ok(()) => tracing::info!(group = %group.id, "initialized"),
        // Another member was faster.
        Err(e) => tracing::debug!(group = %group.id, error = %e, "not initialized by this node"),
    }
}

/// While this node leads the control group: keeps the member records as the configuration has them.
pub(super) async fn record_members(node: Weak<Node>) {
    let Some(mut owner) = node.upgrade().map(|n| n.group(GroupId::CONTROL).owner.subscribe()) else { return };
    loop {
        let leads = *owner.borrow_and_update() == Owner::Local;
        let done = match node.upgrade() {
            None => return,
            Some(node) if leads => put_members(&node).await,
            Some(_) => true,
        };
        if done {
            if owner.changed().await.is_err() {
                return;
            }
        } else {
            tokio::time::sleep(RETRY).await;
        }
    }
}

fn record(member: &Member) -> MemberRecord {
    MemberRecord { node: member.node, zone: member.zone.clone(), peer: member.peer.clone(), http: member.http.clone() }
}

async fn put_members(node: &Node) -> bool {
    let Ok(state) = node.control().await else { return false };
    for member in node.config.members.iter().map(record).filter(|m| !state.members.contains(m)) {
        if let Err(e) = node.commit_control(ControlCommand::PutMember(member)).await {
            tracing::debug!(error = %e, "the members are not recorded yet");
            return false;
        }
    }
    if state.feature_level == 0 {
        return node.commit_control(ControlCommand::RaiseFeatureLevel(FEATURE_LEVEL)).await.is_ok();
    }
    true
}
