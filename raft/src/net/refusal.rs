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
    /// The caller was a member once.
    #[error("node {found} was removed from this cluster; its id is never used again")]
    RemovedMember {
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
    /// The disk is too full to take entries or a snapshot; the caller backs off and tries again.
    #[error("the data folder has {free_bytes} bytes free, a follower needs {needed_bytes} besides what comes in")]
    StorageFull {
        /// Free bytes.
        free_bytes: u64,
        /// Half of `raft.free_disk_bytes_min`.
        needed_bytes: u64,
    },
}

impl From<PeerRefusal> for Status {
    fn from(refusal: PeerRefusal) -> Self {
        match refusal {
            // The caller must tell this one from the others: it will never be let in again.
            PeerRefusal::RemovedMember { .. } => Status::failed_precondition(refusal.to_string()),
            PeerRefusal::StorageFull { .. } => Status::resource_exhausted(refusal.to_string()),
            _ => Status::permission_denied(refusal.to_string()),
        }
    }
}
