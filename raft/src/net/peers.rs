//! Channels to the other members: shared by all groups and by the node's own services.

use super::{TlsError, client_tls};
use cluster_config::NodeConfig;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tonic::transport::{Channel, Endpoint};

/// The channels of a node. They connect when they are first used and again after a failure.
#[derive(Clone)]
pub(crate) struct Peers(Arc<BTreeMap<u64, Link>>);

pub(super) struct Link {
    pub(super) main: Channel,
    /// A connection of its own for snapshots, so that a heartbeat never waits behind one.
    pub(super) bulk: Channel,
}

/// An address that cannot be called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeersError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("members: node {node}: peer address {address:?}: {reason}")]
    Address { node: u64, address: String, reason: String },
}

impl Peers {
    pub(crate) fn new(config: &NodeConfig) -> Result<Self, PeersError> {
        let mut links = BTreeMap::new();
        for member in config.members.iter().filter(|m| m.node != config.node) {
            let wrong =
                |reason: String| PeersError::Address { node: member.node, address: member.peer.clone(), reason };
            let scheme = if config.peer.tls.is_some() { "https" } else { "http" };
            let alive = Duration::from_millis(config.raft.election_timeout_ms_max);
            let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", member.peer))
                .map_err(|e| wrong(e.to_string()))?
                .connect_timeout(Duration::from_millis(config.raft.election_timeout_ms_min))
                .tcp_nodelay(true)
                .http2_keep_alive_interval(alive)
                .keep_alive_timeout(alive * 2)
                .keep_alive_while_idle(true)
                .initial_stream_window_size(2 << 20)
                .initial_connection_window_size(16 << 20);
            if let Some(tls) = &config.peer.tls {
                endpoint =
                    endpoint.tls_config(client_tls(tls, &config.cluster)?).map_err(|e| wrong(reason_chain(&e)))?;
            }
            let link = Link { main: endpoint.connect_lazy(), bulk: endpoint.connect_lazy() };
            links.insert(member.node, link);
        }
        Ok(Self(Arc::new(links)))
    }

    /// The channel for everything but snapshots.
    pub(crate) fn main(&self, node: u64) -> Option<Channel> {
        self.0.get(&node).map(|l| l.main.clone())
    }

    pub(super) fn bulk(&self, node: u64) -> Option<Channel> {
        self.0.get(&node).map(|l| l.bulk.clone())
    }
}

/// An error and everything under it, in one line.
pub(crate) fn reason_chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        out = format!("{out}: {cause}");
        next = cause.source();
    }
    out
}
