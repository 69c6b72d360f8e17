//! Snapshot files: a head, records of pairs, a foot; each in its checked envelope behind its length.
//!
//! A file gets its name only when it is complete and synced: `{group}-{term}-{node}-{index}.snap`.

use super::SnapshotPlace;
use crate::{
    codec::{self, ENVELOPE_BYTES, LogIdRecord, Record, SnapshotFootRecord, SnapshotHeadRecord, SnapshotPairsRecord},
    failpoints,
    limits::{RECORD_BYTES_MAX, SNAPSHOT_RECORD_BYTES, SNAPSHOT_SYNC_BYTES},
    types::{LogId, SnapshotMeta},
};
use parking_lot::Mutex;
use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Bytes of the foot in its envelope.
const FOOT_BYTES: u64 = ENVELOPE_BYTES as u64 + 12;

/// A snapshot on the disk, held open: it can be read on after its name is gone.
#[derive(Debug, Clone)]
pub struct SnapshotFile {
    file: Arc<File>,
    path: PathBuf,
    length: u64,
    /// When it was read last by its handles.
    read: Arc<Mutex<Option<Instant>>>,
}

fn bad(path: &Path, what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("snapshot {}: {what}", path.display()))
}

impl SnapshotFile {
    /// Opens a file, without looking into it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), path: path.to_owned(), length, read: Arc::default() })
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its file name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Bytes from `offset` on: `length` of them, or up to the end.
    pub fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX).min(length);
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset)?;
        *self.read.lock() = Some(Instant::now());
        Ok(bytes)
    }

    /// Its last record.
    pub(crate) fn foot(&self) -> io::Result<SnapshotFootRecord> {
        let bytes = self.read_at(self.length.saturating_sub(FOOT_BYTES), FOOT_BYTES as usize)?;
        codec::decode(&bytes).map_err(|e| bad(&self.path, format!("its foot: {e}")))
    }

    fn reader(&self) -> io::Result<BufReader<File>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(BufReader::with_capacity(1 << 16, file))
    }

    /// Reads the whole file once: every checksum, the foot, and that it is of this cluster and group.
    pub(crate) fn verify(&self, place: &SnapshotPlace) -> io::Result<SnapshotHeadRecord> {
        let mut reader = self.reader()?;
        let (mut crc, mut pairs) = (0, 0);
        let head_bytes = next(&mut reader, &self.path)?.ok_or_else(|| bad(&self.path, "is empty"))?;
        let head: SnapshotHeadRecord = codec::decode(&head_bytes).map_err(|e| bad(&self.path, e))?;
        if head.cluster != place.cluster || head.group != place.group.0 {
            return Err(bad(&self.path, format!("is of cluster {:?}, group {}", head.cluster, head.group)));
        }
        crc = crc32c::crc32c_append(crc, &head_bytes);
        loop {
            let bytes = next(&mut reader, &self.path)?.ok_or_else(|| bad(&self.path, "has no foot: it is cut off"))?;
            if bytes.get(3) == Some(&SnapshotFootRecord::KIND) {
                let foot: SnapshotFootRecord = codec::decode(&bytes).map_err(|e| bad(&self.path, e))?;
                if (foot.pairs, foot.crc) != (pairs, crc) {
                    return Err(bad(&self.path, "the foot does not fit what stands in front of it"));
                }
                return Ok(head);
            }
            let record: SnapshotPairsRecord = codec::decode(&bytes).map_err(|e| bad(&self.path, e))?;
            for (_, value) in &record.pairs {
                codec::check(value).map_err(|e| bad(&self.path, format!("a record in it: {e}")))?;
            }
            pairs += record.pairs.len() as u64;
            crc = crc32c::crc32c_append(crc, &bytes);
        }
    }

    /// Hands the records of pairs of a verified file to `each`, in order.
    pub(super) fn for_each_record(
        &self,
        mut each: impl FnMut(SnapshotPairsRecord) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut reader = self.reader()?;
        next(&mut reader, &self.path)?;
        while let Some(bytes) = next(&mut reader, &self.path)? {
            if bytes.get(3) == Some(&SnapshotFootRecord::KIND) {
                break;
            }
            each(codec::decode(&bytes).map_err(|e| bad(&self.path, e))?)?;
        }
        Ok(())
    }

    /// Has anybody else a handle, or has read it not longer ago than that?
    pub(super) fn is_in_use(&self, ago: Duration) -> bool {
        Arc::strong_count(&self.file) > 1 || self.read.lock().is_some_and(|at| at.elapsed() < ago)
    }

    /// Takes its name away. Whoever reads it reads on.
    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", self.path.display())))
    }

    /// Gives the file a name under which an install that is cut off finds it again, synced.
    pub(super) fn keep_for_install(self, place: &SnapshotPlace, meta: &SnapshotMeta) -> io::Result<Self> {
        let target = place.folder.join(file_name(place, meta.last_log_id.as_ref()));
        if self.path != target {
            if self.path.extension().is_some_and(|e| e == "incoming") {
                File::open(&self.path)?.sync_all()?;
                fs::rename(&self.path, &target)?;
            } else {
                let copy = target.with_extension("building");
                fs::copy(&self.path, &copy)?;
                File::open(&copy)?.sync_all()?;
                fs::rename(&copy, &target)?;
            }
            File::open(&place.folder)?.sync_all()?;
        }
        Self::open(&target)
    }
}

/// The name of a snapshot that is being received. The file stays over a restart.
pub(super) fn incoming_name(place: &SnapshotPlace, last: Option<&LogId>, length: u64, crc: u32) -> String {
    let (term, node, index) = last.map_or((0, 0, 0), |l| (l.leader_id.term, l.leader_id.node_id, l.index));
    format!("{}.{index}-{term}-{node}-{length}-{crc:08x}.incoming", place.group)
}

/// The index in the name of a snapshot that is being received.
fn incoming_index(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.split('.').nth(1)?.split('-').next()?.parse().ok()
}

/// Removes snapshots of the group that are being received, where asked.
pub(super) fn remove_incoming(place: &SnapshotPlace, goes: impl Fn(&Path) -> bool) -> io::Result<()> {
    for path in of_group(place)? {
        if path.extension().is_some_and(|e| e == "incoming") && goes(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn file_name(place: &SnapshotPlace, last: Option<&LogId>) -> String {
    let (term, node, index) = last.map_or((0, 0, 0), |l| (l.leader_id.term, l.leader_id.node_id, l.index));
    format!("{}-{term}-{node}-{index}.snap", place.group)
}

/// Length-prefixed, so that a reader needs no other knowledge to walk the file.
pub(super) fn next(reader: &mut impl Read, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > RECORD_BYTES_MAX {
        return Err(bad(path, format!("a record of {length} bytes")));
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).map_err(|_| bad(path, "is cut off in a record"))?;
    Ok(Some(bytes))
}

/// Writes a snapshot under a working name until it is whole.
pub(super) struct SnapshotWriter {
    place: SnapshotPlace,
    out: BufWriter<File>,
    working: PathBuf,
    target: PathBuf,
    record: SnapshotPairsRecord,
    record_bytes: usize,
    crc: u32,
    pairs: u64,
    unsynced: u64,
    whole: bool,
}

/// What is not finished goes: it may be large, and the disk full.
impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.whole {
            drop(fs::remove_file(&self.working));
        }
    }
}

impl SnapshotWriter {
    pub(super) fn begin(place: &SnapshotPlace, meta: &SnapshotMeta) -> io::Result<Self> {
        let target = place.folder.join(file_name(place, meta.last_log_id.as_ref()));
        let working = target.with_extension("building");
        let mut this = Self {
            place: place.clone(),
            out: BufWriter::with_capacity(1 << 16, File::create(&working)?),
            working,
            target,
            record: SnapshotPairsRecord::default(),
            record_bytes: 0,
            crc: 0,
            pairs: 0,
            unsynced: 0,
            whole: false,
        };
        let head = SnapshotHeadRecord {
            cluster: place.cluster.clone(),
            group: place.group.0,
            last: meta.last_log_id.as_ref().map(LogIdRecord::from),
            membership: (&meta.last_membership).into(),
        };
        this.write(&head)?;
        failpoints::pass("snapshot-begun");
        Ok(this)
    }

    fn write<R: Record>(&mut self, record: &R) -> io::Result<()> {
        let bytes = codec::encode(record);
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= SNAPSHOT_SYNC_BYTES {
            self.out.flush()?;
            self.out.get_ref().sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    pub(super) fn pairs(&mut self, pairs: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> io::Result<()> {
        for (key, value) in pairs {
            self.record_bytes += key.len() + value.len();
            self.record.pairs.push((key.into(), value.into()));
            self.pairs += 1;
            if self.record_bytes >= SNAPSHOT_RECORD_BYTES {
                self.flush_record()?;
            }
        }
        Ok(())
    }

    fn flush_record(&mut self) -> io::Result<()> {
        if !self.record.pairs.is_empty() {
            let record = std::mem::take(&mut self.record);
            self.record_bytes = 0;
            self.write(&record)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<SnapshotFile> {
        self.flush_record()?;
        let foot = SnapshotFootRecord { pairs: self.pairs, crc: self.crc };
        self.write(&foot)?;
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        failpoints::pass("snapshot-written");
        fs::rename(&self.working, &self.target)?;
        self.whole = true;
        failpoints::pass("snapshot-renamed");
        File::open(&self.place.folder)?.sync_all()?;
        SnapshotFile::open(&self.target)
    }
}

fn of_group(place: &SnapshotPlace) -> io::Result<Vec<PathBuf>> {
    let (dash, dot) = (format!("{}-", place.group), format!("{}.", place.group));
    let mut found = Vec::new();
    for file in fs::read_dir(&place.folder)? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&dash) || name.starts_with(&dot) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Removes all snapshots of a group, whole or not.
pub(super) fn remove_all(place: &SnapshotPlace) -> io::Result<()> {
    of_group(place)?.into_iter().try_for_each(fs::remove_file)?;
    File::open(&place.folder)?.sync_all()
}

/// Removes the files of a group, but for the one of that name and what is on its way in. What a node copied for others
/// before it stopped is of no use: where its state is, is in its store.
pub(super) fn remove_leftovers(place: &SnapshotPlace, keep: Option<&str>) -> io::Result<()> {
    for path in of_group(place)? {
        let kept = keep.is_some_and(|name| path.file_name().is_some_and(|n| n == name));
        if !kept && path.extension().is_none_or(|e| e != "incoming") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes what was on its way to become a snapshot that goes no further than `last`.
pub(super) fn remove_outdated_incoming(place: &SnapshotPlace, last: Option<&LogId>) -> io::Result<()> {
    remove_incoming(place, |path| incoming_index(path).is_none_or(|index| last.is_some_and(|l| index <= l.index)))
}
