//! The sharded, replicated log and the state machine of sessions.
//!
//! A [`Node`] runs one openraft group for each shard and one control group. All groups of a node share one sled
//! database, one writer thread that makes whole batches durable with one barrier, and one gRPC connection to each
//! peer. Outside this crate a node is a [`dialogue::ports::Journal`].

#![recursion_limit = "256"]

pub mod admin;
mod blocking;
pub mod certs;
pub mod codec;
mod control;
pub mod data;
pub mod failpoints;
pub mod limits;
pub mod machine;
mod net;
mod node;
mod placement;
mod runtime;
pub mod simulation;
pub mod store;
mod types;

pub use control::{
    Assignment, ControlCommand, ControlOutcome, ControlState, FEATURE_LEVEL, MemberRecord, NodeRecord, NodeState,
    Placement, Refused,
};
pub use net::PeerRefusal;
pub use node::{
    FollowerLag, GroupStatus, Node, NodeStatus, RejoinError, Rejoined, Role, StartError, rejoin, rejoin_simulated,
};
pub use runtime::runtime;
pub use types::{Applied, GroupId, Proposal, TypeConfig};

/// Generated from `proto/peer.proto`.
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
mod proto {
    tonic::include_proto!("tertulia.peer.v1");
}
