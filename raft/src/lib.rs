//! The sharded, replicated log and the state machine of sessions.
//!
//! A [`Node`] runs one openraft group for each shard and one control group. All groups of a node share one sled
//! database, one writer thread that makes whole batches durable with one barrier, and one gRPC connection to each
//! peer. Outside this crate a node is a [`dialogue::ports::Journal`].

#![recursion_limit = "256"]

pub mod certs;
pub mod codec;
mod control;
pub mod limits;
pub mod machine;
mod net;
mod node;
pub mod store;
mod types;

pub use control::{ControlCommand, ControlOutcome, ControlState, FEATURE_LEVEL, MemberRecord};
pub use net::PeerRefusal;
pub use node::{FollowerLag, GroupStatus, Node, NodeStatus, Role, StartError};
pub use types::{Applied, GroupId, Proposal, TypeConfig};

/// Generated from `proto/peer.proto`.
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
mod proto {
    tonic::include_proto!("tertulia.peer.v1");
}
