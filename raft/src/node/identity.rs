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

/// What a data folder remembers of its node. JSON, so that an operator can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    format: u32,
    cluster: String,
    node: u64,
    zone: String,
    shards: u32,
}

/// Locks the folder and checks whose it is; a new folder becomes ours. The lock goes with the file.
pub(super) fn claim(config: &NodeConfig) -> Result<File, StartError> {
    let folder = &config.data_dir;
    fs::create_dir_all(folder).map_err(StartError::at(folder))?;
    let lock_path = folder.join(LOCK_FILE);
    let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
    let lock = lock.map_err(StartError::at(&lock_path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StartError::Locked { path: folder.clone() }),
        Err(TryLockError::Error(e)) => return Err(StartError::at(&lock_path)(e)),
    }

    let ours = Identity {
        format: 1,
        cluster: config.cluster.clone(),
        node: config.node,
        zone: config.zone.clone(),
        shards: config.shards,
    };
    let path = folder.join(IDENTITY_FILE);
    match fs::read(&path) {
        Ok(bytes) => check(&path, &bytes, &ours)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => write(folder, &path, &ours).map_err(StartError::at(&path))?,
        Err(e) => return Err(StartError::at(&path)(e)),
    }
    Ok(lock)
}

fn check(path: &Path, bytes: &[u8], ours: &Identity) -> Result<(), StartError> {
    let found: Identity = serde_json::from_slice(bytes)
        .map_err(|e| StartError::at(path)(io::Error::new(io::ErrorKind::InvalidData, e)))?;
    let parts = [
        ("format", found.format.to_string(), ours.format.to_string()),
        ("cluster", found.cluster, ours.cluster.clone()),
        ("node", found.node.to_string(), ours.node.to_string()),
        ("zone", found.zone, ours.zone.clone()),
        ("shards", found.shards.to_string(), ours.shards.to_string()),
    ];
    match parts.into_iter().find(|(_, found, configured)| found != configured) {
        None => Ok(()),
        Some((field, found, configured)) => {
            Err(StartError::OtherIdentity { path: path.to_owned(), field, found, configured })
        }
    }
}

fn write(folder: &Path, path: &Path, identity: &Identity) -> io::Result<()> {
    let working = path.with_extension("json.new");
    let mut file = File::create(&working)?;
    serde_json::to_writer_pretty(&mut file, identity)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&working, path)?;
    File::open(folder)?.sync_all()
}
