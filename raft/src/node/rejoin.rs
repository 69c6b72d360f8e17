//! A node whose data folder is damaged comes back under a new id: its old data is moved aside, never deleted.

use super::{
    StartError,
    identity::{self, Identity},
};
use crate::{
    NodeState,
    admin::{AdminError, Answer, Ask, Client, ClusterStatus, NodeEntry},
    simulation::{self, Wire},
};
use cluster_config::NodeConfig;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What came of a rejoin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejoined {
    /// The id that the node had.
    pub old: u64,
    /// The id that it has now; the configuration stays as it is.
    pub node: u64,
    /// Where its old data lies.
    pub kept: PathBuf,
}

/// Why a node does not rejoin.
#[derive(Debug, thiserror::Error)]
pub enum RejoinError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] StartError),
    /// The cluster gives no id.
    #[error("the cluster gives no new id: {0}")]
    Cluster(#[from] AdminError),
    /// The cluster knows nothing of the node.
    #[error(
        "node {node} is not known to the cluster, so that nothing can take its place: `tertulia cluster add` gives an id to a new node"
    )]
    Unknown {
        /// The node.
        node: u64,
    },
}

/// Asks the cluster for a new id in place of the one that the data folder has, moves the folder's content into a
/// subfolder and notes the new id. The node must not run. Begun again after it was cut off, it ends as well.
pub async fn rejoin(config: &NodeConfig) -> Result<Rejoined, RejoinError> {
    rejoin_by(config, Client::new).await
}

/// As [`rejoin`], in a simulation: over its wires.
pub async fn rejoin_simulated(config: &NodeConfig, wire: Arc<dyn Wire>) -> Result<Rejoined, RejoinError> {
    rejoin_by(config, |config| Client::simulated(config, wire)).await
}

async fn rejoin_by(
    config: &NodeConfig,
    client: impl FnOnce(&NodeConfig) -> Result<Client, AdminError>,
) -> Result<Rejoined, RejoinError> {
    let (lock, found) = identity::claim_damaged(config)?;
    let (old, node) = match &found {
        // An earlier attempt has an id already.
        Some(Identity { unfinished_rejoin_of: Some(old), node, .. }) => (*old, *node),
        _ => {
            // Without a readable identity it is who the configuration says.
            let old = found.as_ref().map_or(config.node, |i| i.node);
            (old, new_id(&client(config)?, old).await?)
        }
    };
    let unfinished = Identity::rejoined(config, node, Some(old));
    identity::write(&config.data_dir, &unfinished)?;
    let kept = set_aside(&config.data_dir, old).map_err(StartError::at(&config.data_dir))?;
    identity::write(&config.data_dir, &Identity::rejoined(config, node, None))?;
    drop(lock);
    Ok(Rejoined { old, node, kept })
}

async fn new_id(client: &Client, old: u64) -> Result<u64, RejoinError> {
    let status = client.status().await?;
    let entry = status.nodes.iter().find(|n| n.node == old).ok_or(RejoinError::Unknown { node: old })?;
    if let Some(given) = given_before(&status, entry) {
        return Ok(given);
    }
    let replaces = (entry.state != NodeState::Removed).then_some(old);
    let (zone, peer, http) = (entry.zone.clone(), entry.peer.clone(), entry.http.clone());
    match client.ask(&Ask::Add { zone, peer, http, replaces }).await {
        Ok(Answer::Added(node)) => Ok(node),
        Ok(other) => Err(AdminError::Answer(format!("{other:?} to the wish for an id")).into()),
        // It may have been given, and the answer lost with the leader: asked again, the cluster refuses.
        Err(AdminError::Refused(why)) => {
            let status = client.status().await?;
            let entry = status.nodes.iter().find(|n| n.node == old);
            entry.and_then(|e| given_before(&status, e)).ok_or(AdminError::Refused(why).into())
        }
        Err(e) => Err(e.into()),
    }
}

/// An id that was given for this very purpose and never reached the folder: nobody else stands at its address.
fn given_before(status: &ClusterStatus, old: &NodeEntry) -> Option<u64> {
    let ours = |n: &&NodeEntry| n.replaces == Some(old.node) && n.peer == old.peer && n.state != NodeState::Removed;
    status.nodes.iter().find(ours).filter(|n| !n.alive).map(|n| n.node)
}

/// Moves everything but the lock and the identity into a subfolder: the folder itself may be a mount point.
fn set_aside(folder: &Path, old: u64) -> io::Result<PathBuf> {
    let prefix = format!("lost-node-{old}-");
    let begun = fs::read_dir(folder)?.filter_map(Result::ok).map(|e| e.path());
    let begun = begun.filter(|p| p.is_dir()).find(|p| name(p).starts_with(&prefix));
    let seconds = simulation::wall_clock().as_secs();
    let kept = begun.unwrap_or_else(|| folder.join(format!("{prefix}{seconds}")));
    fs::create_dir_all(&kept)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stays = name(&path).starts_with("lost-node-") || identity::FILES.contains(&name(&path).as_str());
        if !stays {
            fs::rename(&path, kept.join(path.file_name().unwrap_or_default()))?;
        }
    }
    File::open(&kept)?.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(kept)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
