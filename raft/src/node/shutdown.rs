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
        let handover = self.all_groups();
        let handover = futures::future::join_all(handover.iter().map(hand_over));
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
        tracing::info!(node = self.id, "shutting down");
        self.resign().await;
        let groups = self.all_groups();
        let stop = futures::future::join_all(groups.iter().map(|g| g.raft.shutdown()));
        if timeout(STOP, stop).await.is_err() {
            tracing::warn!("not all groups stopped in time");
        }
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let of_groups = groups.iter().flat_map(|g| std::mem::take(&mut *g.tasks.lock()));
        tasks.into_iter().chain(of_groups).for_each(|task| task.abort());
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
        tracing::info!(node = self.id, "shut down");
    }
}

/// Asks the follower that is nearest to take over, and waits until this node no longer leads.
async fn hand_over(group: &Arc<Group>) {
    if !group.leads() {
        return;
    }
    let status = GroupStatus::new(None, &group.metrics());
    let heard = |ms: Option<u64>| ms.unwrap_or(u64::MAX);
    // A learner cannot lead.
    let votes: Vec<u64> = group.metrics().membership_config.membership().voter_ids().collect();
    let nearest =
        status.followers.iter().filter(|f| votes.contains(&f.node)).min_by_key(|f| (f.entries, heard(f.heard_ms_ago)));
    let Some(to) = nearest.map(|f| f.node) else { return };
    group.sleep.wake();
    if let Err(e) = group.raft.trigger().transfer_leader(to).await {
        tracing::warn!(group = %group.id, error = %e, "the leadership cannot be moved");
        return;
    }
    let mut owner = group.owner.subscribe();
    let _ = owner.wait_for(|o| *o != dialogue::ports::Owner::Local).await;
}
