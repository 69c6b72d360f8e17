//! sled 0.34.7 with a barrier that holds.

use super::{Change, Store, Visit};
use crate::{
    failpoints,
    limits::{SLED_SEGMENT_BYTES, STORE_CLOSE_WAIT_MAX, STORE_VALUE_BYTES_MAX},
};
use parking_lot::RwLock;
use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
};

/// The one sled database of a node.
///
/// `sled::Db::flush` writes and calls `sync_file_range`, which is no fsync: it leaves the disk's own cache and the
/// file's size alone. So [`barrier`](Store::barrier) is `flush` and then `fdatasync` on a descriptor of our own of
/// the same file. sled recovers a prefix of its log, which gives the order that [`Store`] promises.
///
/// Values that would exceed a quarter of a segment go to blob files that are never synced. That counts whole leaves
/// of the tree (up to some 20 values), not single values: the segment is large enough for the largest leaf.
pub struct SledStore {
    db: RwLock<Option<sled::Db>>,
    file: File,
}

impl SledStore {
    /// Opens or creates the database in `folder`, with a page cache of `cache_bytes`.
    pub fn open(folder: &Path, cache_bytes: u64) -> io::Result<Self> {
        if folder.is_dir() {
            remove_half_written_snapshots(folder)?;
        }
        let db = sled::Config::new()
            .path(folder)
            .cache_capacity(cache_bytes)
            .segment_size(SLED_SEGMENT_BYTES)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(None)
            .open()
            .map_err(|e| match io::Error::from(e) {
                // sled makes a text of it.
                e if e.to_string().contains("could not acquire lock") => io::Error::new(io::ErrorKind::WouldBlock, e),
                e => e,
            })?;
        let file = OpenOptions::new().read(true).write(true).open(folder.join("db"))?;
        // A new database must be found again after a crash: its files and the folders that name them.
        File::open(folder.join("conf"))?.sync_all()?;
        file.sync_all()?;
        File::open(folder)?.sync_all()?;
        if let Some(parent) = folder.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { db: RwLock::new(Some(db)), file })
    }

    /// A handle that is cheap to clone, until the store is closed.
    fn db(&self) -> io::Result<sled::Db> {
        self.db.read().clone().ok_or_else(|| io::Error::other("the store is closed"))
    }
}

/// sled writes `snap.*.generating`, then renames it; one that a crash left behind would block the next open.
fn remove_half_written_snapshots(folder: &Path) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn fitting(value: &[u8]) -> &[u8] {
    assert!(value.len() <= STORE_VALUE_BYTES_MAX, "a value of {} bytes reached the store", value.len());
    value
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> io::Result<Option<sled::IVec>> {
        Ok(self.db()?.get(key)?)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> io::Result<()> {
        for pair in self.db()?.range(from..to) {
            let (key, value) = pair?;
            if !visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, changes: Vec<Change>) -> io::Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, fitting(&value)),
                None => batch.remove(key),
            }
        }
        Ok(self.db()?.apply_batch(batch)?)
    }

    /// sled puts a record of its own in front of every batch and writes it apart from the rest: with a batch, a barrier
    /// writes, waits and wakes all of sled's threads twice.
    fn apply_in_order(&self, changes: Vec<Change>) -> io::Result<()> {
        let db = self.db()?;
        for (key, value) in changes {
            match value {
                Some(value) => db.insert(key, fitting(&value))?,
                None => db.remove(key)?,
            };
        }
        Ok(())
    }

    fn barrier(&self) -> io::Result<()> {
        self.db()?.flush()?;
        failpoints::pass("store-flushed");
        self.file.sync_data()
    }

    fn close(&self) {
        let Some(db) = self.db.write().take() else { return };
        if let Err(e) = db.flush() {
            tracing::warn!(error = %e, "the database was not flushed when it was closed");
        }
        drop(db);
        // sled's own threads may hold its lock a moment longer. Whoever opens the folder next would be refused.
        let begun = std::time::Instant::now();
        while self.file.try_lock().is_err() && begun.elapsed() < STORE_CLOSE_WAIT_MAX {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let _ = self.file.unlock();
    }
}
