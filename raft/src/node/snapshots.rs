//! Snapshots by the size of the log: openraft counts entries, and they may be large.

use super::{Node, group::Group};
use crate::types::GroupId;
use std::{collections::BTreeMap, sync::Weak, time::Duration};

/// How often the logs are measured.
const EVERY: Duration = Duration::from_millis(500);

/// What was appended to a log when its newest snapshot was first seen.
#[derive(Default)]
struct Measured {
    snapshot: Option<u64>,
    appended_bytes: u64,
}

impl Measured {
    /// Has the log grown by more than `limit` bytes since its newest snapshot?
    fn is_large(&mut self, snapshot: Option<u64>, appended_bytes: u64, limit: u64) -> bool {
        if self.snapshot != snapshot {
            *self = Self { snapshot, appended_bytes };
        }
        appended_bytes - self.appended_bytes > limit
    }

    /// A snapshot was asked for: the next one when it has grown by as much again.
    fn asked(&mut self, appended_bytes: u64) {
        self.appended_bytes = appended_bytes;
    }
}

/// Asks for snapshots of the groups whose logs have grown by `raft.snapshot_after_bytes`, and by twice as much as the last
/// snapshot holds.
pub(super) async fn by_size(node: Weak<Node>) {
    let mut measured: BTreeMap<GroupId, Measured> = BTreeMap::new();
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        let Some(node) = node.upgrade() else { return };
        for group in node.all_groups() {
            look(&group, measured.entry(group.id).or_default(), node.config.raft.snapshot_after_bytes).await;
        }
    }
}

/// By how much a log grows before the next snapshot, in bytes. A snapshot copies the whole state: by growing by twice as
/// much as the last one holds, a log pays for the copy, and a large state is not copied all the time.
fn growth(limit: u64, snapshot_bytes: u64) -> u64 {
    limit.max(2 * snapshot_bytes)
}

async fn look(group: &Group, measured: &mut Measured, limit: u64) {
    let metrics = group.metrics();
    let appended = group.log.appended_bytes();
    let snapshot_bytes = group.state.current_snapshot().map_or(0, |(_, file)| file.length());
    let limit = growth(limit, snapshot_bytes);
    if !measured.is_large(metrics.snapshot.as_ref().map(|s| s.index), appended, limit)
        || metrics.last_applied <= metrics.snapshot
    {
        return;
    }
    tracing::debug!(group = %group.id, "the log has grown: a snapshot");
    metrics::counter!("tertulia_snapshots_by_size_total").increment(1);
    measured.asked(appended);
    if let Err(e) = group.raft.trigger().snapshot().await {
        tracing::warn!(group = %group.id, error = %e, "no snapshot can be asked for");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_state_is_copied_only_when_the_log_has_grown_as_much() {
        assert_eq!(growth(64, 0), 64);
        assert_eq!(growth(64, 32), 64);
        assert_eq!(growth(64, 300), 600);
    }

    #[test]
    fn a_log_is_large_when_it_has_grown_since_its_newest_snapshot() {
        let mut measured = Measured::default();
        assert!(!measured.is_large(None, 100, 100));
        assert!(measured.is_large(None, 101, 100), "what stood there at the start counts");
        measured.asked(101);
        assert!(!measured.is_large(None, 150, 100), "it is being built");
        assert!(!measured.is_large(Some(7), 180, 100), "it is there");
        assert!(!measured.is_large(Some(7), 280, 100));
        assert!(measured.is_large(Some(7), 281, 100));
    }
}
