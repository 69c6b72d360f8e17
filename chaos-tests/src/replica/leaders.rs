//! Who leads the shards of bare replicas, by the word of their control group.

use crate::limits::{POLL_PAUSE, READY_DEADLINE};
use anyhow::{Context, Result, bail};
use cluster_config::NodeConfig;
use raft::admin::Client;
use std::{path::Path, time::Instant};

/// Waits until every shard is led by the node that should lead it.
pub(super) async fn wait_preferred(config: &Path) -> Result<()> {
    let client = Client::new(&NodeConfig::load(config)?)?;
    let deadline = Instant::now() + READY_DEADLINE;
    loop {
        let status = client.status().await.context("the replicas do not tell who leads")?;
        let away = status.placement.iter().filter(|s| s.leader != Some(s.preferred)).count();
        if away == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{away} shards do not go back to who should lead them");
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
}
