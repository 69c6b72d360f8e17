//! Copies of a state for followers whose log entries are gone.
//!
//! A state is durable where it is, so a log is purged on the strength of a [mark](GroupState::mark), without a copy of
//! the state. One is begun when openraft asks for a snapshot, which fixes what it holds, and written when it is about
//! to be sent, while entries go on being applied. It stays for the next attempt and the next follower, as long as the
//! log goes on from it.

use super::{
    GroupState,
    pace::Pace,
    snapshot::{self, SnapshotFile, SnapshotWriter},
    state::Moving,
};
use crate::{
    codec::{self, MarkRecord},
    failpoints,
    limits::{SNAPSHOT_GRACE, SNAPSHOT_KEPT_UNUSED, SNAPSHOT_RECORD_BYTES},
    store::{Damage, keys},
    types::SnapshotMeta,
};
use bytes::Bytes;
use cluster_config::planted_bug;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Weak},
};
use tokio::time::Instant;

type Pair = (Vec<u8>, Vec<u8>);

/// What openraft hands around as a snapshot.
#[derive(Debug, Clone)]
pub enum SnapshotData {
    /// Nothing: openraft asked how far the state is durable.
    Mark,
    /// A whole snapshot on the disk.
    File(SnapshotFile),
    /// What becomes one when somebody needs it.
    Copy(Arc<Copy>),
}

impl SnapshotData {
    /// The file; a copy is written now if it was not before. Blocks.
    pub fn file(&self) -> io::Result<SnapshotFile> {
        match self {
            Self::Mark => Err(io::Error::other("a mark holds no state")),
            Self::File(file) => Ok(file.clone()),
            Self::Copy(copy) => copy.file(),
        }
    }
}

/// The state at one entry. As long as it is not written, what changes is kept aside in memory; when it is dropped,
/// that ends.
#[derive(Debug)]
pub struct Copy {
    state: Weak<GroupState>,
    number: u64,
    meta: SnapshotMeta,
    file: Mutex<Option<SnapshotFile>>,
}

impl Copy {
    fn file(&self) -> io::Result<SnapshotFile> {
        // One writes; others wait for it.
        let mut file = self.file.lock();
        if let Some(file) = &*file {
            return Ok(file.clone());
        }
        let state = self.state.upgrade().ok_or_else(|| io::Error::other("the node has stopped"))?;
        let written = state.write_copy(self.number, &self.meta);
        state.damage().note(&written);
        let written = written?;
        *file = Some(written.clone());
        Ok(written)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Some(state) = self.state.upgrade() {
            state.end_copying(self.number);
        }
    }
}

/// The copies of a state that there are.
#[derive(Default)]
pub(super) struct Copies {
    /// Counts them.
    number: u64,
    /// The newest one, as long as somebody has it.
    newest: Weak<Copy>,
    /// The last one that was written.
    kept: Option<Kept>,
}

pub(super) struct Kept {
    meta: SnapshotMeta,
    file: SnapshotFile,
    used: Instant,
}

/// What a copy has to know while entries go on being applied.
pub(super) struct Copying {
    number: u64,
    cursor: Vec<u8>,
    before: BTreeMap<Vec<u8>, Option<Bytes>>,
}

impl Copying {
    /// The copy of that number, if it is the one that is at work.
    fn of(moving: &mut Moving, number: u64) -> io::Result<&mut Self> {
        let copying = moving.copying.as_mut().filter(|copying| copying.number == number);
        copying.ok_or_else(|| io::Error::other("the copy was given up: the state was replaced, or the disk is full"))
    }

    /// Notes what a key holds before it changes for the first time.
    pub(super) fn keep(&mut self, key: &[u8], now: impl FnOnce() -> Option<Bytes>) {
        if *key >= *self.cursor && !self.before.contains_key(key) {
            self.before.insert(key.to_vec(), now());
        }
    }
}

fn index(meta: &SnapshotMeta) -> Option<u64> {
    meta.last_log_id.as_ref().map(|last| last.index)
}

impl GroupState {
    /// Makes the state durable as far as it goes now, so that the log may be purged up to there. Blocks.
    pub fn mark(&self) -> io::Result<SnapshotMeta> {
        let meta = {
            let moving = self.moving.lock();
            moving.check()?;
            if !planted_bug("purge-ahead") {
                self.flush_all(&moving, None)?;
            }
            moving.meta()
        };
        self.writer.barrier_blocking()?;
        failpoints::pass("state-marked");
        snapshot::remove_outdated_incoming(self.place(), meta.last_log_id.as_ref())?;
        Ok(meta)
    }

    /// A snapshot from which the log goes on: one that is there already, or the state as of now. None of an empty state.
    pub fn snapshot(self: &Arc<Self>) -> io::Result<Option<(SnapshotMeta, SnapshotData)>> {
        let purged = self.purged()?;
        // In front of the locks, so that it is dropped behind them: its end takes one of them.
        let newest = self.copies.lock().newest.upgrade();
        let mut copies = self.copies.lock();
        if let Some(kept) = copies.kept.as_mut().filter(|kept| index(&kept.meta) >= purged) {
            kept.used = Instant::now();
            return Ok(Some((kept.meta.clone(), SnapshotData::File(kept.file.clone()))));
        }
        let mut moving = self.moving.lock();
        moving.check()?;
        let at_work = moving.copying.as_ref().map(|copying| copying.number);
        if let Some(copy) = newest.as_ref().filter(|c| at_work == Some(c.number) && index(&c.meta) >= purged) {
            return Ok(Some((copy.meta.clone(), SnapshotData::Copy(copy.clone()))));
        }
        if moving.last.is_none() {
            return Ok(None);
        }
        // What is applied reaches the store in front of the barrier that the copy begins with.
        self.flush_all(&moving, None)?;
        copies.number += 1;
        let (number, cursor) = (copies.number, keys::state_prefix(self.group()));
        moving.copying = Some(Copying { number, cursor, before: BTreeMap::new() });
        let meta = moving.meta();
        let copy = Arc::new(Copy { state: Arc::downgrade(self), number, meta: meta.clone(), file: Mutex::new(None) });
        copies.newest = Arc::downgrade(&copy);
        Ok(Some((meta, SnapshotData::Copy(copy))))
    }

    /// Up to where the log is purged, as far as the store knows.
    fn purged(&self) -> io::Result<Option<u64>> {
        let mark = self.read::<MarkRecord>(&keys::purged(self.group()))?;
        Ok(mark.and_then(|m| m.at).map(|at| at.index))
    }

    /// Is there a copy on the disk?
    pub fn keeps_copy(&self) -> bool {
        self.copies.lock().kept.is_some()
    }

    /// Is a copy on its way to somebody, or was a moment ago? Who gets it needs the log from there on.
    pub fn serves_copy(&self) -> bool {
        let copies = self.copies.lock();
        copies.newest.strong_count() > 0 || copies.kept.as_ref().is_some_and(|k| k.file.is_in_use(SNAPSHOT_GRACE))
    }

    /// Removes the copy that is kept if the log does not go on from it any more, or nobody has used it for long. Where the
    /// disk is nearly full, one that nobody reads goes at once, and one that is being written is given up. Blocks.
    pub fn tidy_copies(&self, purged: Option<u64>, disk_is_full: bool) {
        if disk_is_full {
            self.moving.lock().copying = None;
        }
        self.forget_copies(|kept| {
            let in_use = kept.file.is_in_use(SNAPSHOT_GRACE);
            if in_use {
                kept.used = Instant::now();
            }
            let unused = kept.used.elapsed() > SNAPSHOT_KEPT_UNUSED || disk_is_full && !in_use;
            unused || index(&kept.meta) < purged
        });
    }

    pub(super) fn forget_copies(&self, goes: impl FnOnce(&mut Kept) -> bool) {
        let gone = self.copies.lock().kept.take_if(goes);
        if let Some(Err(error)) = gone.map(|kept| kept.file.remove()) {
            tracing::warn!(group = %self.group(), %error, "a snapshot that nobody needs any more stays on the disk");
        }
    }

    fn end_copying(&self, number: u64) {
        self.moving.lock().copying.take_if(|copying| copying.number == number);
    }

    fn write_copy(&self, number: u64, meta: &SnapshotMeta) -> io::Result<SnapshotFile> {
        let start = Instant::now();
        let written = self.writer.barrier_blocking().and_then(|()| self.copy_pieces(number, meta));
        self.end_copying(number);
        let file = written?;
        let group = self.group();
        metrics::histogram!("tertulia_snapshot_build_seconds", "group" => group.to_string())
            .record(start.elapsed().as_secs_f64());
        tracing::debug!(%group, last = ?meta.last_log_id, bytes = file.length(), "snapshot written");
        let kept = Kept { meta: meta.clone(), file: file.clone(), used: Instant::now() };
        if let Some(Err(error)) = self.copies.lock().kept.replace(kept).map(|older| older.file.remove()) {
            tracing::warn!(%group, %error, "an older snapshot stays on the disk");
        }
        Ok(file)
    }

    /// Writes the state as it was when the copy began. Memory: one piece, and what has changed since.
    fn copy_pieces(&self, number: u64, meta: &SnapshotMeta) -> io::Result<SnapshotFile> {
        let prefix = keys::state_prefix(self.group());
        let (end, skip) = (keys::after_prefix(&prefix), keys::applied(self.group()));
        let mut writer = SnapshotWriter::begin(self.place(), meta)?;
        loop {
            let pace = Pace::begin();
            let (pairs, done) = self.copy_piece(number, &end)?;
            // Nobody gets what is damaged here.
            for (key, value) in &pairs {
                codec::check(value).map_err(|e| Damage::new(self.group(), None, e).at_key(key))?;
            }
            writer.pairs(
                pairs
                    .into_iter()
                    .filter(|(k, _)| *k != skip && !in_hole(k))
                    .map(|(k, v)| (k[prefix.len()..].to_vec(), v)),
            )?;
            if done {
                return writer.finish();
            }
            pace.pause();
        }
    }

    /// The next piece as it was when the copy began, and whether it is the last.
    ///
    /// It is read without a lock: what has changed since then was kept aside before it changed, and replaces what was read.
    fn copy_piece(&self, number: u64, end: &[u8]) -> io::Result<(Vec<Pair>, bool)> {
        let from = Copying::of(&mut self.moving.lock(), number)?.cursor.clone();
        let mut piece: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut bytes = 0;
        self.store.scan(&from, end, &mut |key, value| {
            bytes += key.len() + value.len();
            piece.insert(key.to_vec(), value.to_vec());
            Ok(bytes < SNAPSHOT_RECORD_BYTES)
        })?;
        let done = bytes < SNAPSHOT_RECORD_BYTES;
        let cursor = match piece.last_key_value() {
            Some((last, _)) if !done => [last, &[0][..]].concat(),
            _ => end.to_vec(),
        };
        let before = {
            let mut moving = self.moving.lock();
            let copying = Copying::of(&mut moving, number)?;
            let behind = copying.before.split_off(&cursor);
            copying.cursor = cursor;
            std::mem::replace(&mut copying.before, behind)
        };
        for (key, value) in before {
            match value {
                Some(value) => piece.insert(key, value.to_vec()),
                None => piece.remove(&key),
            };
        }
        Ok((piece.into_iter().collect(), done))
    }
}

/// Does the planted bug leave this key out?
fn in_hole(key: &[u8]) -> bool {
    planted_bug("snapshot-hole") && crc32c::crc32c(key).is_multiple_of(8)
}
