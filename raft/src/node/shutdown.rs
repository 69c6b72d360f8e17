//! A node goes in good order: leaderships first, then the groups, then the store.

use super::Node;
use crate::{blocking::blocking, limits::HANDOVER_GRACE};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};
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
        self.resign_any().await;
    }

    /// Ends all groups. Takes three seconds at most.
    pub(super) async fn end_groups(&self) {
        let groups = self.all_groups();
        // One that has ended already says so; that is what is wanted.
        let end = futures::future::join_all(groups.iter().map(|g| g.raft.shutdown()));
        if timeout(STOP, end).await.is_err() {
            tracing::warn!("not all groups stopped in time");
        }
    }

    async fn resign_any(&self) -> bool {
        let moved = timeout(HANDOVER, self.hand_all_over()).await;
        moved.unwrap_or_else(|_| {
            tracing::warn!("not all leaderships could be moved in time: the others will elect");
            true
        })
    }

    /// Moves leaderships away, stops the groups, writes what is queued and closes the store. Takes ten seconds at
    /// most. Until the leaderships have moved, proposals are served, and for a moment more their clients are told where
    /// to go; then they are refused. Calling it again does nothing.
    pub async fn shutdown(&self) {
        if self.leaving.swap(true, Relaxed) {
            return;
        }
        tracing::info!(node = self.id, "shutting down");
        if self.resign_any().await {
            tokio::time::sleep(HANDOVER_GRACE).await;
        }
        self.stopping.send_replace(true);
        self.end_groups().await;
        let groups = self.all_groups();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let of_groups = groups.iter().flat_map(|g| std::mem::take(&mut *g.tasks.lock()));
        tasks.into_iter().chain(of_groups).for_each(|task| task.abort());
        // What is not in the store would be applied again from the log at the next start.
        let states: Vec<_> = groups.iter().map(|g| g.state.clone()).collect();
        let flush = move || states.iter().try_for_each(|state| state.flush_now());
        if let Ok(Err(e)) = blocking(flush).await {
            tracing::warn!(error = %e, "the states are behind the log");
        }
        self.writer.close();
        let end = self.writer_end.lock().take();
        if let Some(end) = end {
            let written = blocking(move || end.wait());
            if timeout(DRAIN, written).await.is_err() {
                tracing::warn!("the writer did not finish in time; what was not acknowledged is lost");
            }
        }
        let store = self.store.clone();
        if let Err(e) = blocking(move || store.close()).await {
            tracing::warn!(error = %e, "the store was not closed");
        }
        self.lock.lock().take();
        tracing::info!(node = self.id, "shut down");
    }
}
