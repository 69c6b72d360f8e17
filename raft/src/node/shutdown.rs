//! A node goes in good order: leaderships first, then the groups, then the store.

use super::{GroupStatus, Node, group::Group};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long other members get to take over.
const HANDOVER: Duration = Duration::from_secs(2);
/// How long the groups get to stop.
const STOP: Duration = Duration::from_secs(3);
/// How long the writer gets to write what is queued.
const DRAIN: Duration = Duration::from_secs(5);

impl Node {
    /// Moves all leaderships to other members, and goes on serving as a follower. Takes two seconds at most.
    pub async fn resign(&self) {
        let handover = futures::future::join_all(self.groups.values().map(hand_over));
        if timeout(HANDOVER, handover).await.is_err() {
            tracing::warn!("not all leaderships could be moved in time: the others will elect");
        }
    }

    /// Moves leaderships away, stops the groups, writes what is queued and closes the store. Takes ten seconds at
    /// most; proposals are refused from the first moment on. Calling it again does nothing.
    pub async fn shutdown(&self) {
        if self.stopping.send_replace(true) {
            return;
        }
        tracing::info!(node = self.config.node, "shutting down");
        self.resign().await;
        let stop = futures::future::join_all(self.groups.values().map(|g| g.raft.shutdown()));
        if timeout(STOP, stop).await.is_err() {
            tracing::warn!("not all groups stopped in time");
        }
        for task in std::mem::take(&mut *self.tasks.lock()) {
            task.abort();
        }
        self.writer.close();
        let thread = self.writer_thread.lock().take();
        if let Some(thread) = thread {
            let written = tokio::task::spawn_blocking(move || thread.join());
            if timeout(DRAIN, written).await.is_err() {
                tracing::warn!("the writer did not finish in time; what was not acknowledged is lost");
            }
        }
        let store = self.store.clone();
        if let Err(e) = tokio::task::spawn_blocking(move || store.close()).await {
            tracing::warn!(error = %e, "the store was not closed");
        }
        self.lock.lock().take();
        tracing::info!(node = self.config.node, "shut down");
    }
}

/// Asks the follower that is nearest to take over, and waits until this node no longer leads.
async fn hand_over(group: &Arc<Group>) {
    if !group.leads() {
        return;
    }
    let status = GroupStatus::new(None, &group.metrics());
    let heard = |ms: Option<u64>| ms.unwrap_or(u64::MAX);
    let nearest = status.followers.iter().min_by_key(|f| (f.entries, heard(f.heard_ms_ago)));
    let Some(to) = nearest.map(|f| f.node) else { return };
    if let Err(e) = group.raft.trigger().transfer_leader(to).await {
        tracing::warn!(group = %group.id, error = %e, "the leadership cannot be moved");
        return;
    }
    let mut owner = group.owner.subscribe();
    let _ = owner.wait_for(|o| *o != dialogue::ports::Owner::Local).await;
}
