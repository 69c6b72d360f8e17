//! A replica that has left its group is wiped: its shard is somewhere else now.
//!
//! The node asks by itself, as often as it takes, and only the group's leader can say that the group goes on without
//! it. See [`Gate`](crate::net::Gate) for what a wiped replica must not do.

use super::{Node, StartError, group::Group, replica};
use crate::{
    blocking::blocking,
    codec::{self, TombstoneRecord},
    machine::SnapshotPlace,
    net::reason_chain,
    proto,
    store::keys,
    types::{GroupId, LogId},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// How long the leader may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks after replicas that are no longer placed here, for as long as the node runs.
pub(super) async fn run(node: Weak<Node>) {
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(node) = node.upgrade().filter(|n| !n.is_stopping()) else { return };
        for group in node.all_groups() {
            if node.should_have_left(&group)
                && let Err(e) = leave(&node, &group).await
            {
                tracing::warn!(group = %group.id, error = %e, "a replica that has left its group is not wiped yet");
            }
        }
    }
}

/// Asks the leader, and wipes the replica if the group goes on without it.
async fn leave(node: &Arc<Node>, group: &Arc<Group>) -> Result<(), StartError> {
    // From here on the replica takes nothing in: if the leader lets it in again after its answer, it begins anew.
    group.gate.close();
    let Some(at) = excluded_at(node, group.id).await else {
        group.gate.open();
        return Ok(());
    };
    tracing::info!(group = %group.id, "the group goes on without this node: its replica is wiped");
    node.wipe(group, at).await
}

/// The membership without this node, if the group's leader confirms that there is one.
async fn excluded_at(node: &Node, group: GroupId) -> Option<LogId> {
    let leader = node.pulses.leader(group)?.node;
    let mut client = node.peers.client(leader)?;
    let mut request = node.peers.request(proto::ExclusionRequest {}, leader, group);
    request.set_timeout(PATIENCE);
    match client.exclusion(request).await {
        Ok(reply) => reply.into_inner().at.map(crate::net::from_log_id),
        Err(status) => {
            tracing::debug!(%group, error = reason_chain(&status), "the leader does not say whether the node has left");
            None
        }
    }
}

impl Node {
    /// Is a replica kept here of a shard that is placed elsewhere, and has arrived there?
    fn should_have_left(&self, group: &Group) -> bool {
        let view = self.view();
        let Some(placed) = group.id.shard().and_then(|s| view.placed(s.0)) else { return false };
        let arrived = self.pulses.leader(group.id).is_some_and(|l| l.settled >= placed.version);
        arrived && !placed.voters.contains(&self.id) && group.log.ends().last.is_some()
    }

    /// Stops a replica, removes all that it stored but its vote, and starts it empty.
    async fn wipe(&self, group: &Arc<Group>, at: LogId) -> Result<(), StartError> {
        let id = group.id;
        group.tasks.lock().drain(..).for_each(|task| task.abort());
        if let Err(e) = group.raft.shutdown().await {
            tracing::debug!(group = %id, error = %e, "the group had stopped already");
        }
        let io = || StartError::at(&self.shared.data_dir);
        let tombstone = TombstoneRecord { removed_at: (&at).into(), wiped: false };
        // Found at the next open, the wipe is done again.
        let tombstone = (keys::tombstone(id), Some(codec::encode(&tombstone).into()));
        self.writer.write_durably(vec![tombstone]).await.map_err(io())?;
        let (state, shared) = (group.state.clone(), self.shared.clone());
        let folder = replica::snapshots(&self.config);
        let opened = blocking(move || {
            state.retire().map_err(StartError::at(&shared.data_dir))?;
            let place = SnapshotPlace { cluster: shared.cluster.clone(), folder, group: id };
            replica::open(place, &shared.data_dir, &shared.store, &shared.writer)
        });
        let opened = opened.await.map_err(io())??;
        let fresh = Arc::new(replica::start(&self.shared, opened, group.owner.clone()).await?);
        self.registered.write().insert(id, fresh.registered());
        self.groups.write().insert(id, fresh.clone());
        self.attend(&fresh);
        Ok(())
    }
}
