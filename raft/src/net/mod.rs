//! The transport between the nodes of a cluster: gRPC, one shared connection to each peer.

mod client;
mod convert;
mod peers;
mod refusal;
mod server;
mod tls;

pub use refusal::PeerRefusal;

pub(crate) use client::NetworkFactory;
pub(crate) use peers::{Peers, PeersError, reason_chain};
pub(crate) use server::{Groups, PeerService, Registered};
pub(crate) use tls::{TlsError, client_tls, server_tls};

/// Metadata that every call between peers carries: an encoded `Header`.
const HEADER: &str = "tertulia-header-bin";
