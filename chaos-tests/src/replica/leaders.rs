//! Who leads the shards of bare replicas, by the word of their control group.

use anyhow::{Context, Result, bail};
use cluster_config::NodeConfig;
use drills::limits::{POLL_PAUSE, READY_DEADLINE};
use raft::admin::Client;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How long all shards may take; then one is enough. On a machine that is too busy, leaders change all the time.
const ALL: Duration = Duration::from_secs(20);

/// Waits until a node leads again what it should.
pub(super) async fn wait_preferred(config: &Path, node: u64) -> Result<()> {
    let client = Client::new(&NodeConfig::load(config)?)?;
    let begun = Instant::now();
    loop {
        let status = client.status().await.context("the replicas do not tell who leads")?;
        let should = status.placement.iter().filter(|s| s.preferred == node);
        let (back, away): (Vec<_>, Vec<_>) = should.partition(|s| s.leader == Some(node));
        if away.is_empty() || (begun.elapsed() > ALL && !back.is_empty()) {
            return Ok(());
        }
        if begun.elapsed() > READY_DEADLINE {
            bail!("no shard goes back to node {node}, which should lead {}", away.len());
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
}
