//! A node that joins learns from its seeds who is there.

use super::StartError;
use crate::{
    ControlState, NodeState, codec,
    net::{Peers, reason_chain},
    proto,
    types::GroupId,
};
use cluster_config::NodeConfig;
use std::time::Duration;
use tokio::time::Instant;

/// How long one seed is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause before the seeds are asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// How often it is said that nobody has answered yet.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// The control state as any of the seeds has it. Asks until one knows this node: it may have been added a moment ago.
pub(super) async fn learn(peers: &Peers, config: &NodeConfig, node: u64) -> Result<ControlState, StartError> {
    let of_members = config.members.iter().filter(|m| m.node != config.node).map(|m| m.peer.clone());
    let seeds: Vec<String> = config.join.iter().cloned().chain(of_members).collect();
    let mut said: Option<Instant> = None;
    loop {
        let mut reasons = Vec::new();
        for seed in &seeds {
            match ask(peers, seed).await {
                Ok(state) => {
                    check(&state, config, node)?;
                    return Ok(state);
                }
                Err(No::Removed) => return Err(StartError::Removed { node }),
                Err(No::Other(reason)) => reasons.push(format!("{seed}: {reason}")),
            }
        }
        if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            said = Some(Instant::now());
            let reason = reasons.join("; ");
            tracing::warn!(node, reason, "the cluster does not let this node join yet; asking again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why a seed does not say who is there.
enum No {
    /// It never will.
    Removed,
    /// It may later.
    Other(String),
}

async fn ask(peers: &Peers, seed: &str) -> Result<ControlState, No> {
    let mut client = peers.seed(seed).map_err(|e| No::Other(e.to_string()))?;
    let mut request = peers.request(proto::ControlRequest {}, 0, GroupId::CONTROL);
    request.set_timeout(PATIENCE);
    let asked = tokio::time::timeout(PATIENCE, client.control(request)).await;
    let reply = asked.map_err(|_| No::Other(format!("no answer within {PATIENCE:?}")))?;
    let reply = reply.map_err(|status| match status.code() {
        tonic::Code::FailedPrecondition => No::Removed,
        _ => No::Other(reason_chain(&status)),
    })?;
    codec::decode(&reply.into_inner().state).map_err(|e| No::Other(e.to_string()))
}

/// Does the control state know this node as the configuration has it?
pub(super) fn check(state: &ControlState, config: &NodeConfig, node: u64) -> Result<(), StartError> {
    if !state.is_founded() {
        return Ok(());
    }
    if state.shards != config.shards {
        return Err(StartError::OtherShards { configured: config.shards, recorded: state.shards });
    }
    match state.node(node) {
        Some(record) if record.state == NodeState::Removed => Err(StartError::Removed { node }),
        Some(record) if record.zone != config.zone => Err(StartError::Config {
            field: "zone".into(),
            reason: format!("found {:?}, but the cluster knows node {node} in zone {:?}", config.zone, record.zone),
        }),
        _ => Ok(()),
    }
}
