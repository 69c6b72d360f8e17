//! When a group's snapshot is due. openraft counts entries and copies the whole state for them, however large it is; here
//! the size of both counts.

use super::{Node, group::Group};
use crate::types::GroupId;
use cluster_config::RaftOptions;
use std::{collections::BTreeMap, sync::Weak, time::Duration};

/// How often the logs are measured.
const EVERY: Duration = Duration::from_millis(250);

/// How much of something: bytes, and entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    bytes: u64,
    entries: u64,
}

/// Where a log stood when its newest snapshot was first seen, or the next one was asked for.
#[derive(Default)]
struct Measured {
    snapshot: Option<u64>,
    at: Amount,
}

impl Measured {
    /// Has the log grown by more than either limit? `log` is all that was ever appended.
    fn is_due(&mut self, snapshot: Option<u64>, log: Amount, limit: Amount) -> bool {
        if self.snapshot != snapshot {
            let entries = snapshot.map_or(0, |index| index + 1);
            *self = Self { snapshot, at: Amount { bytes: log.bytes, entries } };
        }
        log.bytes.saturating_sub(self.at.bytes) > limit.bytes
            || log.entries.saturating_sub(self.at.entries) > limit.entries
    }

    /// A snapshot was asked for: the next one when it has grown by as much again.
    fn asked(&mut self, log: Amount) {
        self.at = log;
    }
}

/// By how much a log grows before the next snapshot. A snapshot copies the whole state: a log that grows by twice as many
/// bytes as the last one holds pays for the copy. Small entries make up for it by their number, which is what a restart
/// pays for.
fn growth(options: &RaftOptions, snapshot_bytes: u64) -> Amount {
    let larger = (snapshot_bytes / options.snapshot_after_bytes).max(1);
    Amount {
        bytes: options.snapshot_after_bytes.max(2 * snapshot_bytes),
        entries: options.snapshot_after_entries.saturating_mul(larger),
    }
}

/// Asks for the snapshots of all groups when they are due, for as long as the node runs.
pub(super) async fn run(node: Weak<Node>) {
    let mut measured: BTreeMap<GroupId, Measured> = BTreeMap::new();
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        let Some(node) = node.upgrade() else { return };
        for group in node.all_groups() {
            look(&group, measured.entry(group.id).or_default(), &node.config.raft).await;
        }
    }
}

async fn look(group: &Group, measured: &mut Measured, options: &RaftOptions) {
    let metrics = group.metrics();
    let entries = metrics.last_applied.as_ref().map_or(0, |applied| applied.index + 1);
    let log = Amount { bytes: group.log.appended_bytes(), entries };
    let limit = growth(options, group.state.current_snapshot().map_or(0, |(_, file)| file.length()));
    if !measured.is_due(metrics.snapshot.as_ref().map(|s| s.index), log, limit)
        || metrics.last_applied <= metrics.snapshot
    {
        return;
    }
    tracing::debug!(group = %group.id, ?log, "the log has grown: a snapshot");
    metrics::counter!("tertulia_snapshots_asked_total").increment(1);
    measured.asked(log);
    if let Err(e) = group.raft.trigger().snapshot().await {
        tracing::warn!(group = %group.id, error = %e, "no snapshot can be asked for");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_state_is_copied_only_when_its_log_has_grown_enough_to_pay_for_it() {
        let options = RaftOptions { snapshot_after_bytes: 64, snapshot_after_entries: 10, ..RaftOptions::default() };
        assert_eq!(growth(&options, 0), Amount { bytes: 64, entries: 10 });
        assert_eq!(growth(&options, 32), Amount { bytes: 64, entries: 10 });
        assert_eq!(growth(&options, 300), Amount { bytes: 600, entries: 40 });
    }

    #[test]
    fn a_snapshot_is_due_when_the_log_has_grown_since_the_newest_one_by_bytes_or_by_entries() {
        let limit = Amount { bytes: 100, entries: 10 };
        let log = |bytes, entries| Amount { bytes, entries };
        let mut measured = Measured::default();
        assert!(!measured.is_due(None, log(100, 10), limit));
        assert!(measured.is_due(None, log(101, 10), limit), "what stood there at the start counts");
        assert!(measured.is_due(None, log(100, 11), limit));
        measured.asked(log(101, 11));
        assert!(!measured.is_due(None, log(150, 20), limit), "it is being built");
        assert!(!measured.is_due(Some(11), log(180, 22), limit), "it is there");
        assert!(!measured.is_due(Some(11), log(280, 22), limit));
        assert!(measured.is_due(Some(11), log(281, 22), limit));
        assert!(measured.is_due(Some(11), log(280, 23), limit), "entries count from the snapshot on");
    }
}
