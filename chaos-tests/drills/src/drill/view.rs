//! What a drill sees of the cluster, through the nodes' client API.

use crate::client::{Client, Protocol};
use crate::hands::Target;
use crate::limits::{POLL_PAUSE, VIEW_TIMEOUT};
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Looks at nodes.
pub struct View {
    client: Client,
}

impl View {
    /// Each look takes a second at most.
    pub fn new() -> Result<Self> {
        Ok(Self { client: Client::new(Protocol::Tertulia, VIEW_TIMEOUT)? })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Is the node ready? The error says what it answered.
    pub async fn ready(&self, target: &Target) -> Result<()> {
        match self.client.get_text(&format!("{}/readyz", target.url)).await? {
            (200, _) => Ok(()),
            (status, body) => bail!("{status} {body}"),
        }
    }

    /// The node that leads each shard, as the first node has it that knows a leader for all of them.
    pub async fn leaders(&self, targets: &[Target], patience: Duration) -> Result<BTreeMap<u64, u64>> {
        let deadline = Instant::now() + patience;
        loop {
            for target in targets {
                if let Ok((200, status)) = self.client.get(&format!("{}/v1/status", target.url)).await
                    && let Some(leaders) = read_leaders(&status)
                {
                    return Ok(leaders);
                }
            }
            if Instant::now() > deadline {
                bail!("no node knows a leader for every shard");
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }
}

fn read_leaders(status: &serde_json::Value) -> Option<BTreeMap<u64, u64>> {
    let shards = status["shards"].as_array()?;
    // The control group has no number.
    let numbered = shards.iter().filter_map(|shard| Some((shard["shard"].as_u64()?, shard)));
    let leaders: Option<BTreeMap<u64, u64>> =
        numbered.map(|(id, shard)| Some((id, shard["leader"].as_u64()?))).collect();
    leaders.filter(|leaders| !leaders.is_empty())
}
