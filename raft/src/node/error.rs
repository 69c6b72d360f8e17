//! Why a node does not start.

use crate::store::Damage;
use std::{io, net::SocketAddr, path::PathBuf};

/// Why a node does not start: what, where, and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process listens there.
    #[error("{field}: {address} is in use by another process")]
    PortInUse {
        /// The configuration field.
        field: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("{field}: cannot listen on {address}: {source}")]
    Listen {
        /// The configuration field.
        field: &'static str,
        /// The address.
        address: SocketAddr,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// Another process has the data folder.
    #[error("data_dir: {} is in use by another process", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The data folder belongs to something else.
    #[error("{}: the data folder has {field} {found}, the configuration says {configured}", path.display())]
    OtherIdentity {
        /// The identity file.
        path: PathBuf,
        /// Which part of the identity.
        field: &'static str,
        /// What stands in the folder.
        found: String,
        /// What the configuration says.
        configured: String,
    },
    /// The cluster was founded with another number of shards.
    #[error("shards: found {configured}, but the cluster was founded with {recorded}")]
    OtherShards {
        /// What the configuration says.
        configured: u32,
        /// What the control log says.
        recorded: u32,
    },
    /// The node was removed from its cluster.
    #[error(
        "node {node} was removed from the cluster, and its id is never used again: `tertulia cluster add` gives another, for an empty data folder"
    )]
    Removed {
        /// The node.
        node: u64,
    },
    /// A log, a state or a snapshot in the folder is damaged.
    #[error(
        "{}: {source}; `tertulia node rejoin --config FILE` moves the data aside and re-enters under a new node id",
        path.display()
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        #[source]
        source: Damage,
    },
    /// A rejoin was cut off: data of the old id may still be in the folder.
    #[error("{}: a rejoin was cut off; `tertulia node rejoin --config FILE` ends it", path.display())]
    UnfinishedRejoin {
        /// The folder.
        path: PathBuf,
    },
    /// A folder or file in the data folder cannot be read or written.
    #[error("data_dir: {}: {source}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// There is no room left on the disk.
    #[error("data_dir: {}: the disk is full: {source}", path.display())]
    DiskFull {
        /// The folder or file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("{field}: {}: {reason}", path.display())]
    Tls {
        /// The configuration field.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A value of the configuration cannot be used.
    #[error("{field}: {reason}")]
    Config {
        /// The configuration field.
        field: String,
        /// The reason.
        reason: String,
    },
    /// A group cannot start on what is stored.
    #[error("{group} cannot start: {reason}")]
    Group {
        /// The group.
        group: crate::GroupId,
        /// The reason.
        reason: String,
    },
}

impl StartError {
    /// An I/O error at a path of the data folder.
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path, source },
            _ => Self::Folder { path, source },
        }
    }
}
