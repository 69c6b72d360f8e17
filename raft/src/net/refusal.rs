//! Why a peer's call is refused before anything else is looked at.

use tonic::Status;

/// A call that is not for this node of this cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerRefusal {
    /// It says nothing of where it comes from.
    #[error("the call carries no cluster header")]
    NoHeader,
    /// It comes from another cluster.
    #[error("the caller is of cluster {found:?}, this is cluster {expected:?}")]
    OtherCluster {
        /// Its cluster.
        found: String,
        /// Ours.
        expected: String,
    },
    /// It is meant for another node.
    #[error("the call is for node {found}, this is node {expected}")]
    OtherNode {
        /// Whom it is for.
        found: u64,
        /// Who we are.
        expected: u64,
    },
    /// No member has that id.
    #[error("node {found} is no member of this cluster")]
    UnknownMember {
        /// The caller's id.
        found: u64,
    },
    /// There is no such group here.
    #[error("there is no group {found} here")]
    UnknownGroup {
        /// The group.
        found: u32,
    },
    /// Its certificate is not one of this cluster.
    #[error("the caller's certificate is not for cluster {expected:?}: {reason}")]
    Certificate {
        /// Our cluster.
        expected: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<PeerRefusal> for Status {
    fn from(refusal: PeerRefusal) -> Self {
        Status::permission_denied(refusal.to_string())
    }
}
