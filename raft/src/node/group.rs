//! One group as its node sees it: openraft's handle, the state, and who owns it.

use crate::{
    machine::GroupState,
    store::LogStore,
    types::{GroupId, Raft, TypeConfig},
};
use dialogue::{NodeId, ports::Owner};
use openraft::{RaftMetrics, ServerState, async_runtime::watch::WatchReceiver};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};
use tokio::sync::watch;

/// One group of a node.
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) raft: Raft,
    pub(super) state: Arc<GroupState>,
    /// Pushed on every change.
    pub(super) owner: watch::Sender<Owner>,
    /// Has this node applied what was in its log when it started?
    recovered: AtomicBool,
    last_log_at_start: Option<u64>,
}

impl Group {
    pub(super) fn new(id: GroupId, raft: Raft, state: Arc<GroupState>, log: &LogStore) -> Self {
        let last_log_at_start = log.ends().last.map(|l| l.index);
        let owner = watch::Sender::new(Owner::Unknown);
        Self { id, raft, state, owner, recovered: AtomicBool::new(false), last_log_at_start }
    }

    /// openraft's view, copied out: nothing is borrowed afterwards.
    pub(super) fn metrics(&self) -> RaftMetrics<TypeConfig> {
        self.raft.metrics().borrow_watched().clone()
    }

    pub(super) fn owner(&self) -> Owner {
        *self.owner.borrow()
    }

    pub(super) fn leads(&self) -> bool {
        self.owner() == Owner::Local
    }

    /// Knows a leader and has caught up with its own past.
    pub(super) fn is_ready(&self) -> bool {
        self.owner() != Owner::Unknown && self.recovered.load(Relaxed)
    }

    /// Follows who leads until openraft stops. Its server metrics change with leadership only, not with every entry.
    pub(super) async fn watch_owner(&self, me: u64) {
        let mut changes = self.raft.server_metrics();
        loop {
            let (leader, state) = {
                let now = changes.borrow_watched();
                (now.current_leader, now.state)
            };
            let owner = match leader {
                Some(leader) if leader == me && state == ServerState::Leader => Owner::Local,
                Some(leader) if leader != me => Owner::Remote(NodeId(leader)),
                _ => Owner::Unknown,
            };
            if self.owner.send_if_modified(|current| std::mem::replace(current, owner) != owner) {
                tracing::info!(group = %self.id, ?owner, "leadership changed");
                metrics::counter!("tertulia_leader_changes_total").increment(1);
            }
            if changes.changed().await.is_err() {
                break;
            }
        }
        self.owner.send_replace(Owner::Unknown);
        if let Err(fatal) = self.metrics().running_state {
            tracing::error!(group = %self.id, %fatal, "the group has stopped");
        }
    }

    /// Waits until this node has heard what is committed and has applied what its own log held when it started.
    pub(super) async fn watch_recovery(&self) {
        let mut changes = self.raft.metrics();
        while !self.has_recovered() {
            if changes.changed().await.is_err() {
                return;
            }
        }
        self.recovered.store(true, Relaxed);
    }

    fn has_recovered(&self) -> bool {
        let metrics = self.metrics();
        // A tail that no leader ever committed is cut off by the next one: then less than the old log suffices.
        let needed = self.last_log_at_start.min(metrics.last_log_index);
        metrics.cluster_committed.is_some() && metrics.last_applied.as_ref().map(|l| l.index) >= needed
    }
}
