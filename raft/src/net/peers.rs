//! Channels to the other nodes: shared by all groups and by the node's own services.

use super::{HEADER, secure::Connector, tls::Certificates};
use crate::{
    NodeRecord, NodeState,
    limits::{LANES_MAX, PEER_MESSAGE_BYTES_MAX, PEER_PING_MIN},
    proto::{self, peer_client::PeerClient},
    simulation::Dialer,
    types::GroupId,
};
use cluster_config::NodeConfig;
use parking_lot::RwLock;
use prost::Message;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;
use tonic::{
    Request,
    metadata::{Binary, MetadataValue},
    transport::{Channel, Endpoint},
};

/// The channels of a node. They connect when they are first used and again after a failure. Whom they lead to
/// follows the control state; before that is known, the configuration.
#[derive(Clone)]
pub(crate) struct Peers(Arc<Inner>);

struct Inner {
    config: NodeConfig,
    dial: Dial,
    /// This node's id, which is not the configured one after it has rejoined.
    node: u64,
    known: RwLock<BTreeMap<u64, Known>>,
    changes: watch::Sender<u64>,
    /// Lanes to each peer: one for every two worker threads.
    lanes: usize,
}

/// How connections are made.
pub(crate) enum Dial {
    Plain,
    /// With the certificates of the moment.
    Tls(Certificates),
    Simulated(Dialer),
}

enum Known {
    Present(Link),
    /// This node itself.
    Me,
    Removed,
}

struct Link {
    address: String,
    main: Channel,
    /// A connection of its own for snapshots, so that a heartbeat never waits behind one.
    bulk: Channel,
    /// For appends and heartbeats.
    lanes: Vec<Channel>,
}

/// How a node stands to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Member,
    Removed,
    /// Its id is higher than any that this node has heard of. Ids only grow: this node is behind, and that one may be the
    /// leader that has to tell it so.
    Later,
    Unknown,
}

/// An address that cannot be called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeersError {
    #[error("peer address {address:?}: {reason}")]
    Address { address: String, reason: String },
}

impl Peers {
    /// Channels to the configured members.
    pub(crate) fn new(config: &NodeConfig, node: u64, dial: Dial) -> Result<Self, PeersError> {
        let workers = tokio::runtime::Handle::try_current().map_or(1, |h| h.metrics().num_workers());
        let inner = Inner {
            config: config.clone(),
            dial,
            node,
            known: RwLock::default(),
            changes: watch::Sender::new(0),
            lanes: (workers / 2).clamp(1, LANES_MAX),
        };
        let this = Self(Arc::new(inner));
        if node == config.node {
            for member in &config.members {
                let known = if member.node == node { Known::Me } else { Known::Present(this.link(&member.peer)?) };
                this.0.known.write().insert(member.node, known);
            }
        }
        Ok(this)
    }

    /// Takes over who is there and where.
    pub(crate) fn follow(&self, nodes: &[NodeRecord]) {
        let mut known = self.0.known.write();
        let mut next = BTreeMap::new();
        for record in nodes {
            let old = known.remove(&record.node);
            let now = match (record.state, old) {
                (NodeState::Removed, _) => Known::Removed,
                _ if record.node == self.0.node => Known::Me,
                (_, Some(Known::Present(link))) if link.address == record.peer => Known::Present(link),
                _ => match self.link(&record.peer) {
                    Ok(link) => Known::Present(link),
                    Err(e) => {
                        tracing::error!(node = record.node, error = %e, "a node cannot be called");
                        continue;
                    }
                },
            };
            next.insert(record.node, now);
        }
        *known = next;
        drop(known);
        self.0.changes.send_modify(|n| *n += 1);
    }

    fn link(&self, address: &str) -> Result<Link, PeersError> {
        Ok(Link {
            address: address.to_owned(),
            main: self.connect(address)?,
            bulk: self.connect(address)?,
            lanes: (0..self.0.lanes).map(|_| self.connect(address)).collect::<Result<_, _>>()?,
        })
    }

    /// A channel that connects when it is used.
    fn connect(&self, address: &str) -> Result<Channel, PeersError> {
        let config = &self.0.config;
        let wrong = |reason: String| PeersError::Address { address: address.to_owned(), reason };
        let alive = Duration::from_millis(config.raft.election_timeout_ms_max).max(PEER_PING_MIN);
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|e| wrong(e.to_string()))?
            .connect_timeout(alive)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(alive)
            .keep_alive_timeout(alive * 2)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(2 << 20)
            .initial_connection_window_size(16 << 20);
        Ok(match &self.0.dial {
            Dial::Plain => endpoint.connect_lazy(),
            Dial::Tls(certificates) => endpoint.connect_with_connector_lazy(Connector(certificates.clone())),
            Dial::Simulated(dialer) => endpoint.connect_with_connector_lazy(dialer.clone()),
        })
    }

    /// The channel for everything but snapshots.
    pub(crate) fn main(&self, node: u64) -> Option<Channel> {
        self.with_link(node, |l| l.main.clone())
    }

    fn with_link<T>(&self, node: u64, take: impl FnOnce(&Link) -> T) -> Option<T> {
        match self.0.known.read().get(&node) {
            Some(Known::Present(link)) => Some(take(link)),
            _ => None,
        }
    }

    /// A client of a peer for everything but snapshots.
    pub(crate) fn client(&self, node: u64) -> Option<PeerClient<Channel>> {
        self.main(node).map(client)
    }

    /// A client of a peer for snapshots.
    pub(super) fn bulk_client(&self, node: u64) -> Option<PeerClient<Channel>> {
        self.with_link(node, |l| l.bulk.clone()).map(client)
    }

    /// How many lanes there are to each peer.
    pub(super) fn lanes(&self) -> usize {
        self.0.lanes
    }

    /// A client of a peer for one of its lanes.
    pub(super) fn lane_client(&self, node: u64, lane: usize) -> Option<PeerClient<Channel>> {
        self.with_link(node, |l| l.lanes[lane].clone()).map(client)
    }

    /// A client of an address that may belong to nobody that is known yet.
    pub(crate) fn seed(&self, address: &str) -> Result<PeerClient<Channel>, PeersError> {
        self.seed_channel(address).map(client)
    }

    /// A channel to an address.
    pub(crate) fn seed_channel(&self, address: &str) -> Result<Channel, PeersError> {
        self.connect(address)
    }

    /// What says who calls whom about which group.
    pub(crate) fn header(&self, to: u64, group: GroupId) -> MetadataValue<Binary> {
        let header = proto::Header { cluster: self.0.config.cluster.clone(), from: self.0.node, to, group: group.0 };
        MetadataValue::from_bytes(&header.encode_to_vec())
    }

    /// A request with its header.
    pub(crate) fn request<T>(&self, message: T, to: u64, group: GroupId) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert_bin(HEADER, self.header(to, group));
        request
    }

    /// How a node stands to the cluster.
    pub(crate) fn standing(&self, node: u64) -> Standing {
        let known = self.0.known.read();
        match known.get(&node) {
            None if node > known.last_key_value().map_or(0, |(last, _)| *last) => Standing::Later,
            None => Standing::Unknown,
            Some(Known::Removed) => Standing::Removed,
            Some(Known::Present(_) | Known::Me) => Standing::Member,
        }
    }

    /// The nodes that can be called.
    pub(crate) fn others(&self) -> Vec<u64> {
        let known = self.0.known.read();
        known.iter().filter(|(_, k)| matches!(k, Known::Present(_))).map(|(node, _)| *node).collect()
    }

    /// Tells of every change of who is there.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}

fn client(channel: Channel) -> PeerClient<Channel> {
    PeerClient::new(channel)
        .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX)
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
