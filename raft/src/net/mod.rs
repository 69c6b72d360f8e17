//! The transport between the nodes of a cluster: gRPC over a few shared connections to each peer.

mod appends;
mod client;
mod convert;
mod gate;
mod lane;
mod lane_server;
mod peers;
mod refusal;
mod secure;
mod server;
mod tls;

pub use refusal::PeerRefusal;

pub(crate) use client::NetworkFactory;
pub(crate) use convert::{from_log_id, log_id};
pub(crate) use gate::Gate;
pub(crate) use lane::Lanes;
pub(crate) use peers::{Dial, Peers, PeersError, Standing, reason_chain};
pub(crate) use secure::accepted;
pub(crate) use server::{Groups, PeerService, Registered, check_cluster, refuse};
pub(crate) use tls::{Certificates, Seen, TlsError};

/// Metadata that every call between peers carries: an encoded `Header`.
const HEADER: &str = "tertulia-header-bin";
