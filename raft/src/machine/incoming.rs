//! A snapshot that is being received: it stays when the connection is cut, and goes on where it was.
//!
//! The file's name says which snapshot it is to become; a leftover of another one goes. What is there already counts
//! as far as its records are whole, so neither a cut nor a crash of the receiver leaves anything to trust. Memory: one
//! chunk, besides what the connection's window holds (see `limits`).

use super::{GroupState, SnapshotFile, SnapshotPlace, pace::Pace, snapshot};
use crate::{
    codec::{self, LogIdRecord, SnapshotHeadRecord},
    limits::SNAPSHOT_SYNC_BYTES,
    types::SnapshotMeta,
};
use parking_lot::Mutex;
use std::{
    fs::{self, File},
    io::{self, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Which snapshot it is: two of the same entry may differ in how their records are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announced {
    /// Bytes of the file.
    pub(crate) length: u64,
    /// The checksum in its foot.
    pub(crate) crc: u32,
}

/// A snapshot on its way in.
pub(crate) struct Incoming {
    place: SnapshotPlace,
    announced: Announced,
    file: File,
    path: PathBuf,
    /// Bytes that are there.
    at: u64,
    unsynced: u64,
    /// The newest stream of the group's snapshots; an older one that hangs must not write any more.
    newest: Arc<Mutex<u64>>,
    stream: u64,
}

fn bad(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl GroupState {
    /// Begins to receive a snapshot, or goes on with it. Other leftovers of the group go.
    pub(crate) fn receive(&self, meta: &SnapshotMeta, announced: Announced) -> io::Result<Incoming> {
        let place = self.place().clone();
        let newest = self.receiving().clone();
        let mut stream = newest.lock();
        *stream += 1;
        let name = snapshot::incoming_name(&place, meta.last_log_id.as_ref(), announced.length, announced.crc);
        let path = place.folder.join(name);
        snapshot::remove_incoming(&place, |other| other != path)?;
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path)?;
        let at = whole_records(&path, &place)?;
        file.set_len(at)?;
        file.seek(SeekFrom::Start(at))?;
        let number = *stream;
        drop(stream);
        Ok(Incoming { place, announced, file, path, at, unsynced: 0, newest, stream: number })
    }
}

impl Incoming {
    /// Bytes that are there already: where the sender is to go on.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Takes the next chunk.
    pub(crate) fn take(&mut self, offset: u64, data: &[u8], crc: u32) -> io::Result<()> {
        let sum = crc32c::crc32c(data);
        if offset != self.at || sum != crc || self.at + data.len() as u64 > self.announced.length {
            let found = format!("a chunk of {} bytes at {offset} where {} is next", data.len(), self.at);
            return Err(bad(format!("{found}; checksum {sum:08x}, stated {crc:08x}")));
        }
        let pace = Pace::begin();
        let newest = self.newest.lock();
        if *newest != self.stream {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "another stream of the snapshot has begun"));
        }
        self.file.write_all(data)?;
        self.at += data.len() as u64;
        self.unsynced += data.len() as u64;
        if self.unsynced >= SNAPSHOT_SYNC_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        drop(newest);
        pace.pause();
        Ok(())
    }

    /// All chunks are there: the file, if it is whole and is what was announced. Otherwise it goes, if it cannot become
    /// that any more.
    pub(crate) fn finish(self, meta: &SnapshotMeta) -> io::Result<SnapshotFile> {
        if self.at != self.announced.length {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the snapshot ended after {} of {} bytes", self.at, self.announced.length),
            ));
        }
        self.file.sync_all()?;
        let checked = self.check(meta);
        if checked.is_err() {
            let _ = fs::remove_file(&self.path);
        }
        checked
    }

    fn check(&self, meta: &SnapshotMeta) -> io::Result<SnapshotFile> {
        let file = SnapshotFile::open(&self.path)?;
        let head = file.verify(&self.place)?;
        let same = head.last == meta.last_log_id.as_ref().map(LogIdRecord::from)
            && head.membership == (&meta.last_membership).into()
            && file.foot()?.crc == self.announced.crc;
        if same { Ok(file) } else { Err(bad("the snapshot is not the one that was announced".into())) }
    }
}

/// Bytes of the whole records that a file begins with.
fn whole_records(path: &Path, place: &SnapshotPlace) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut bytes = 0;
    loop {
        let record = match snapshot::next(&mut reader, path) {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(bytes),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => return Ok(bytes),
            Err(e) => return Err(e),
        };
        let whole = if bytes == 0 {
            let head = codec::decode::<SnapshotHeadRecord>(&record);
            head.is_ok_and(|h| h.cluster == place.cluster && h.group == place.group.0)
        } else {
            codec::check(&record).is_ok()
        };
        if !whole {
            return Ok(bytes);
        }
        bytes += 4 + record.len() as u64;
    }
}
