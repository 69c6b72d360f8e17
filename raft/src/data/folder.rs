//! A data folder that is held.

use super::{DataError, Progress};
use crate::{
    node::identity::{self, Identity},
    store::{SledStore, Store},
    types::GroupId,
};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// sled's page cache while a folder is worked on, in bytes.
const CACHE_BYTES: u64 = 64 << 20;

/// The data folder of a stopped node, locked until this is dropped.
pub struct DataFolder {
    path: PathBuf,
    pub(super) identity: Identity,
    _lock: File,
}

impl DataFolder {
    /// Locks the folder and reads whose it is. Ends a compaction that was cut off.
    pub fn lock(path: &Path) -> Result<Self, DataError> {
        let no_folder = |reason: String| DataError::NoDataFolder { path: path.to_owned(), reason };
        let identity = match identity::read(path) {
            Ok(identity) => identity,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(no_folder("it holds no node.json".into())),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(no_folder(format!("node.json: {e}"))),
            Err(e) => return Err(DataError::at(path)(e)),
        };
        if identity.unfinished_rejoin_of.is_some() {
            return Err(no_folder("its node is rejoining: start the rejoin again".into()));
        }
        let lock = identity::lock_folder(path)?;
        finish_compaction(path).map_err(DataError::at(path))?;
        Ok(Self { path: path.to_owned(), identity, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The cluster it belongs to.
    pub fn cluster(&self) -> &str {
        &self.identity.cluster
    }

    /// The node it belongs to.
    pub fn node(&self) -> u64 {
        self.identity.node
    }

    /// Bytes that the folder takes on the disk.
    pub fn disk_bytes(&self) -> Result<u64, DataError> {
        disk_bytes(&self.path).map_err(DataError::at(&self.path))
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = GroupId> + use<> {
        GroupId::all(self.identity.shards)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join("db")
    }

    pub(super) fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    pub(super) fn open(&self) -> Result<Opened, DataError> {
        Opened::at(&self.database())
    }
}

/// A database, closed when this goes.
pub(super) struct Opened {
    store: SledStore,
    pub(super) path: PathBuf,
}

impl Opened {
    pub(super) fn at(path: &Path) -> Result<Self, DataError> {
        let store = SledStore::open(path, CACHE_BYTES).map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => DataError::Locked { path: path.to_owned() },
            _ => DataError::at(path)(e),
        })?;
        Ok(Self { store, path: path.to_owned() })
    }

    /// Every key and value in order.
    pub(super) fn for_each(
        &self,
        phase: &str,
        progress: &mut Progress<'_>,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), DataError>,
    ) -> Result<u64, DataError> {
        let (mut keys, mut refused) = (0, None);
        let walked = self.store.scan(&[], &[u8::MAX; 16], &mut |key, value| {
            keys += 1;
            if keys % super::PROGRESS_KEYS == 0 {
                progress(phase, keys, None);
            }
            refused = each(key, value).err();
            Ok(refused.is_none())
        });
        if let Some(refused) = refused {
            return Err(refused);
        }
        walked.map_err(DataError::at(&self.path))?;
        progress(phase, keys, Some(keys));
        Ok(keys)
    }
}

impl std::ops::Deref for Opened {
    type Target = SledStore;
    fn deref(&self) -> &SledStore {
        &self.store
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.store.close();
    }
}

pub(super) fn disk_bytes(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::symlink_metadata(path)?;
    let mut bytes = metadata.blocks() * 512;
    if metadata.is_dir() {
        for file in fs::read_dir(path)? {
            bytes += disk_bytes(&file?.path())?;
        }
    }
    Ok(bytes)
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Names of a database while it is made small: the copy until it is checked, the checked copy, and the old one.
pub(super) const COPYING: &str = "db.copying";
pub(super) const CHECKED: &str = "db.checked";
pub(super) const OLD: &str = "db.old";

/// Ends a compaction that was cut off: with the new database if that had been checked and the swap begun, with the old
/// one otherwise. Called under the folder's lock.
pub(crate) fn finish_compaction(folder: &Path) -> io::Result<()> {
    let [current, copying, checked, old] = ["db", COPYING, CHECKED, OLD].map(|name| folder.join(name));
    if copying.exists() {
        fs::remove_dir_all(&copying)?;
    }
    if !current.exists() && checked.exists() {
        tracing::warn!("a compaction of the database was cut off in its swap: the new database is taken");
        fs::rename(&checked, &current)?;
        sync_folder(folder)?;
    } else if !current.exists() && old.exists() {
        fs::rename(&old, &current)?;
        sync_folder(folder)?;
    }
    for leftover in [checked, old] {
        if leftover.exists() {
            fs::remove_dir_all(leftover)?;
        }
    }
    Ok(())
}
