//! How openraft is configured for a group.

use super::StartError;
use crate::limits::{APPEND_BYTES_MAX, APPEND_ENTRIES_MAX};
use cluster_config::NodeConfig;
use openraft::{Config, SnapshotPolicy};
use std::{sync::Arc, time::Duration};

/// How long a snapshot may take on its way to a follower.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(600);
/// Log entries that are purged at once, at least.
const PURGE_BATCH: u64 = 64;
/// Messages to one group that wait; more make the caller wait.
const GROUP_QUEUE: u64 = 8_192;

pub(super) fn raft_config(config: &NodeConfig) -> Result<Arc<Config>, StartError> {
    let raft = &config.raft;
    let openraft = Config {
        cluster_name: config.cluster.clone(),
        heartbeat_interval: raft.heartbeat_ms,
        // A follower that just acknowledged an append needs no heartbeat.
        heartbeat_min_interval: Some(raft.heartbeat_ms / 2),
        election_timeout_min: raft.election_timeout_ms_min,
        election_timeout_max: raft.election_timeout_ms_max,
        enable_pre_vote: Some(true),
        // A restarted leader is elected anew: its first entry then covers everything it ever acknowledged.
        enable_leader_restore: Some(false),
        install_snapshot_timeout: SNAPSHOT_TIMEOUT.as_millis() as u64,
        snapshot_max_chunk_size: APPEND_BYTES_MAX as u64,
        // When one is due is said elsewhere: see `snapshots`.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: raft.log_entries_kept,
        replication_lag_threshold: raft.snapshot_after_entries.saturating_mul(2),
        purge_batch_size: PURGE_BATCH,
        max_payload_entries: APPEND_ENTRIES_MAX,
        max_append_entries: Some(4_096),
        api_batch_capacity: 4_096,
        api_channel_size: Some(GROUP_QUEUE),
        notification_channel_size: Some(GROUP_QUEUE),
        backoff: "50ms 100ms 200ms ...500ms".into(),
        ..Config::default()
    };
    let refused = |e: openraft::ConfigError| StartError::Config { field: "raft".into(), reason: e.to_string() };
    Ok(Arc::new(openraft.validate().map_err(refused)?))
}
