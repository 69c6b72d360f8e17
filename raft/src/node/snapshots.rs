//! When a group's log is purged behind a mark of its state (which openraft calls a snapshot). openraft counts entries; here
//! the size of log and state counts. Also the end of copies that nobody needs.

use super::{Node, group::Group};
use crate::{blocking::blocking, types::GroupId};
use cluster_config::RaftOptions;
use std::{collections::BTreeMap, sync::Weak, time::Duration};

/// How often the logs are measured.
const EVERY: Duration = Duration::from_millis(250);

/// A log grows by this many times `snapshot_after_bytes` at most before it is purged: it is read when a node starts. While
/// a follower gets a copy of the state, as many times more.
const LOG_GROWTH_MAX: u64 = 8;

/// How much of something: bytes, and entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    bytes: u64,
    entries: u64,
}

impl Amount {
    fn times(self, factor: u64) -> Self {
        Self { bytes: self.bytes.saturating_mul(factor), entries: self.entries.saturating_mul(factor) }
    }
}

/// Where a log stood when its newest snapshot was first seen, or the next one was asked for.
#[derive(Default)]
struct Measured {
    snapshot: Option<u64>,
    at: Amount,
    /// Bytes of the log when a snapshot was asked for that was not seen yet.
    asked_bytes: Option<u64>,
}

impl Measured {
    /// A snapshot that was not seen before: the log counts from there on, or from here where nobody asked for it.
    fn see(&mut self, snapshot: Option<u64>, log: Amount) {
        if self.snapshot != snapshot {
            let (bytes, entries) = (self.asked_bytes.unwrap_or(log.bytes), snapshot.map_or(0, |index| index + 1));
            *self = Self { snapshot, at: Amount { bytes, entries }, asked_bytes: None };
        }
    }

    /// Has the log grown by more than either limit? `log` is all that was ever appended.
    fn is_due(&self, log: Amount, limit: Amount) -> bool {
        log.bytes.saturating_sub(self.at.bytes) > limit.bytes
            || log.entries.saturating_sub(self.at.entries) > limit.entries
    }

    /// A snapshot was asked for: the next one when it has grown by as much again.
    fn asked(&mut self, log: Amount) {
        self.at = log;
        self.asked_bytes = Some(log.bytes);
    }
}

/// By how much a log grows before it is purged again, behind a state of so many bytes. A follower that was away for as
/// long gets the entries that it lacks; for more than the whole state is, it gets the state. Small entries count by
/// their number, which is what a restart pays for.
fn growth(options: &RaftOptions, state_bytes: u64) -> Amount {
    let least = options.snapshot_after_bytes;
    let bytes = state_bytes.clamp(least, least.saturating_mul(LOG_GROWTH_MAX));
    Amount { bytes, entries: options.snapshot_after_entries.saturating_mul(bytes / least) }
}

/// Asks for the snapshots of all groups when they are due, for as long as the node runs.
pub(super) async fn run(node: Weak<Node>) {
    let mut measured: BTreeMap<GroupId, Measured> = BTreeMap::new();
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        let Some(node) = node.upgrade() else { return };
        for group in node.all_groups() {
            look(&node, &group, measured.entry(group.id).or_default()).await;
        }
    }
}

async fn look(node: &Node, group: &Group, measured: &mut Measured) {
    let metrics = group.metrics();
    let entries = metrics.last_applied.as_ref().map_or(0, |applied| applied.index + 1);
    let log = Amount { bytes: group.log.appended_bytes(), entries };
    measured.see(metrics.snapshot.as_ref().map(|s| s.index), log);
    // Turns are kept: a state is about as large as all entries that ever were.
    let limit = growth(&node.config.raft, measured.at.entries.saturating_mul(group.log.entry_bytes()));
    let full = node.disk.refusal().is_some();
    if full || group.state.keeps_copy() {
        let state = group.state.clone();
        let purged = metrics.purged.map(|p| p.index);
        drop(blocking(move || state.tidy_copies(purged, full)).await);
    }
    // Who is sent a copy needs the entries behind it, or would need the next copy; but a log does not grow without end.
    let limit = if group.state.serves_copy() { limit.times(LOG_GROWTH_MAX) } else { limit };
    if !measured.is_due(log, limit) || metrics.last_applied <= metrics.snapshot {
        return;
    }
    tracing::debug!(group = %group.id, ?log, "the log has grown");
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
    fn the_log_of_a_large_state_grows_as_large_before_it_is_purged() {
        let options = RaftOptions { snapshot_after_bytes: 64, snapshot_after_entries: 10, ..RaftOptions::default() };
        assert_eq!(growth(&options, 0), Amount { bytes: 64, entries: 10 });
        assert_eq!(growth(&options, 32), Amount { bytes: 64, entries: 10 });
        assert_eq!(growth(&options, 300), Amount { bytes: 300, entries: 40 });
        assert_eq!(growth(&options, 100_000), Amount { bytes: 64 * 8, entries: 80 }, "there is an end to it");
    }

    #[test]
    fn a_snapshot_is_due_when_the_log_has_grown_since_the_newest_one_by_bytes_or_by_entries() {
        let limit = Amount { bytes: 100, entries: 10 };
        let log = |bytes, entries| Amount { bytes, entries };
        let mut measured = Measured::default();
        assert!(!measured.is_due(log(100, 10), limit));
        assert!(measured.is_due(log(101, 10), limit), "what stood there at the start counts");
        assert!(measured.is_due(log(100, 11), limit));
        measured.asked(log(101, 11));
        assert!(!measured.is_due(log(150, 20), limit), "it is on its way");
        measured.see(Some(11), log(180, 22));
        assert!(!measured.is_due(log(180, 22), limit), "it is there");
        measured.see(Some(11), log(201, 22));
        assert!(!measured.is_due(log(201, 22), limit));
        assert!(measured.is_due(log(202, 22), limit), "bytes count from where it was asked for");
        assert!(measured.is_due(log(201, 23), limit), "entries count from the snapshot on");
        // Somebody else asked for this one.
        measured.see(Some(30), log(300, 40));
        assert!(!measured.is_due(log(400, 41), limit) && measured.is_due(log(401, 41), limit));
    }
}
