//! Whose data folder it is: a lock while a node runs on it, and a record that is written once.

use super::StartError;
use cluster_config::NodeConfig;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
};

const LOCK_FILE: &str = "LOCK";
const IDENTITY_FILE: &str = "node.json";

/// What stays in a folder whose data is moved aside.
pub(super) const FILES: [&str; 2] = [LOCK_FILE, IDENTITY_FILE];

/// What a data folder remembers of its node. JSON, so that an operator can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    pub(crate) format: u32,
    pub(crate) cluster: String,
    pub(crate) node: u64,
    pub(crate) zone: String,
    pub(crate) shards: u32,
    /// The node that the configuration names, where this folder has rejoined under another id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) configured_node: Option<u64>,
    /// The id that the folder's data is of, while a rejoin is not finished: nothing may start on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unfinished_rejoin_of: Option<u64>,
}

impl Identity {
    fn configured(config: &NodeConfig) -> Self {
        Self {
            format: 1,
            cluster: config.cluster.clone(),
            node: config.node,
            zone: config.zone.clone(),
            shards: config.shards,
            configured_node: None,
            unfinished_rejoin_of: None,
        }
    }

    /// Of a folder whose node has a new id.
    pub(super) fn rejoined(config: &NodeConfig, node: u64, unfinished_rejoin_of: Option<u64>) -> Self {
        Self { node, configured_node: Some(config.node), unfinished_rejoin_of, ..Self::configured(config) }
    }
}

/// Locks the folder and checks whose it is; a new folder becomes ours. Gives the lock, which goes with the file, and
/// the node's id: the configured one, unless it has rejoined under another.
pub(super) fn claim(config: &NodeConfig) -> Result<(File, u64), StartError> {
    let lock = lock(config)?;
    let ours = Identity::configured(config);
    let path = config.data_dir.join(IDENTITY_FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            let found = parse(&path, &bytes)?;
            check(&path, &found, &ours)?;
            if found.unfinished_rejoin_of.is_some() {
                return Err(StartError::UnfinishedRejoin { path: config.data_dir.clone() });
            }
            Ok((lock, found.node))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            write(&config.data_dir, &ours)?;
            Ok((lock, config.node))
        }
        Err(e) => Err(StartError::at(&path)(e)),
    }
}

/// Locks a folder that may be damaged; its identity, if that can be read, must be ours.
pub(super) fn claim_damaged(config: &NodeConfig) -> Result<(File, Option<Identity>), StartError> {
    let lock = lock(config)?;
    let path = config.data_dir.join(IDENTITY_FILE);
    let found = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Identity>(&bytes).ok());
    if let Some(found) = &found {
        check(&path, found, &Identity::configured(config))?;
    }
    Ok((lock, found))
}

fn lock(config: &NodeConfig) -> Result<File, StartError> {
    let folder = &config.data_dir;
    fs::create_dir_all(folder).map_err(StartError::at(folder))?;
    lock_folder(folder)
}

/// Locks a folder that is there. The lock goes with the file.
pub(crate) fn lock_folder(folder: &Path) -> Result<File, StartError> {
    let path = folder.join(LOCK_FILE);
    let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(StartError::at(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError::Locked { path: folder.to_owned() }),
        Err(TryLockError::Error(e)) => Err(StartError::at(&path)(e)),
    }
}

/// Whose a folder is.
pub(crate) fn read(folder: &Path) -> io::Result<Identity> {
    let bytes = fs::read(folder.join(IDENTITY_FILE))?;
    let identity: Identity =
        serde_json::from_slice(&bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    if identity.format != 1 {
        let found = format!("format {}, known is 1", identity.format);
        return Err(io::Error::new(io::ErrorKind::InvalidData, found));
    }
    Ok(identity)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Identity, StartError> {
    let damaged = |e| StartError::at(path)(io::Error::new(io::ErrorKind::InvalidData, e));
    serde_json::from_slice(bytes).map_err(damaged)
}

fn check(path: &Path, found: &Identity, ours: &Identity) -> Result<(), StartError> {
    let node = found.configured_node.unwrap_or(found.node);
    let parts = [
        ("format", found.format.to_string(), ours.format.to_string()),
        ("cluster", found.cluster.clone(), ours.cluster.clone()),
        ("node", node.to_string(), ours.node.to_string()),
        ("zone", found.zone.clone(), ours.zone.clone()),
        ("shards", found.shards.to_string(), ours.shards.to_string()),
    ];
    match parts.into_iter().find(|(_, found, configured)| found != configured) {
        None => Ok(()),
        Some((field, found, configured)) => {
            Err(StartError::OtherIdentity { path: path.to_owned(), field, found, configured })
        }
    }
}

/// Writes the identity of a folder, synced: whole or not at all.
pub(crate) fn write(folder: &Path, identity: &Identity) -> Result<(), StartError> {
    let path = folder.join(IDENTITY_FILE);
    write_synced(folder, &path, identity).map_err(StartError::at(&path))
}

fn write_synced(folder: &Path, path: &Path, identity: &Identity) -> io::Result<()> {
    let working = path.with_extension("json.new");
    let mut file = File::create(&working)?;
    serde_json::to_writer_pretty(&mut file, identity)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&working, path)?;
    File::open(folder)?.sync_all()
}
