//! A folder as one file that can be carried elsewhere, or its sessions as JSON.
//!
//! The file is a head, records of pairs and a foot, each in its checked envelope behind its length, like a snapshot.
//! Snapshots are not in it: the state is, and a node that starts without a snapshot builds one.

use super::{DataError, DataFolder, Progress, folder::sync_folder, verify::verify_strictly};
use crate::{
    codec::{self, ExportHeadRecord, Record, SnapshotFootRecord, SnapshotPairsRecord},
    limits::SNAPSHOT_RECORD_BYTES,
    machine::unpack,
    store::{Store, keys},
};
use dialogue::TurnRecord;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Keys, or sessions.
    pub records: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes a folder into `file`, which must not exist. A folder that is damaged is refused.
pub fn export(folder: &DataFolder, file: &Path, progress: &mut Progress<'_>) -> Result<Exported, DataError> {
    let opened = folder.open()?;
    let total = verify_strictly(folder, &opened, progress)?.keys;
    let mut out = Out::create(file)?;
    let identity = serde_json::to_string(&folder.identity).map_err(io::Error::other).map_err(DataError::at(file))?;
    out.record(&ExportHeadRecord { identity })?;
    let (mut record, mut bytes, mut pairs) = (SnapshotPairsRecord::default(), 0, 0);
    let mut write = |key: &[u8], value: &[u8]| {
        bytes += key.len() + value.len();
        pairs += 1;
        record.pairs.push((key.to_vec().into(), value.to_vec().into()));
        if bytes >= SNAPSHOT_RECORD_BYTES {
            bytes = 0;
            out.record(&std::mem::take(&mut record))?;
        }
        Ok(())
    };
    opened.for_each("export", &mut |phase, done, _| progress(phase, done, Some(total)), &mut write)?;
    if !record.pairs.is_empty() {
        out.record(&record)?;
    }
    out.record(&SnapshotFootRecord { pairs, crc: out.crc })?;
    Ok(Exported { records: pairs, bytes: out.finish()? })
}

/// Writes the sessions of a folder into `file`, one JSON object a line: `session`, `shard` and `turns`. Memory: one
/// session.
pub fn export_sessions(folder: &DataFolder, file: &Path, progress: &mut Progress<'_>) -> Result<Exported, DataError> {
    #[derive(serde::Serialize)]
    struct Line {
        session: String,
        shard: u32,
        turns: Vec<TurnRecord>,
    }
    let opened = folder.open()?;
    verify_strictly(folder, &opened, progress)?;
    let mut out = Out::create(file)?;
    let mut sessions = 0;
    for group in folder.groups() {
        let Some(shard) = group.shard() else { continue };
        let prefix = [&keys::state_prefix(group)[..], b"t"].concat();
        let mut line: Option<Line> = None;
        let mut refused = None;
        let walked = opened.scan(&prefix, &keys::after_prefix(&prefix), &mut |key, value| {
            let session = key[prefix.len()..].split(|b| *b == 0).next().unwrap_or_default();
            let session = String::from_utf8_lossy(session).into_owned();
            let turns = unpack(value)?;
            if line.as_ref().is_none_or(|l| l.session != session) {
                let done = line.replace(Line { session, shard: shard.0, turns: Vec::new() });
                refused = done.map(|l| out.line(&l)).transpose().err();
                sessions += 1;
            }
            line.as_mut().expect("it was just made").turns.extend(turns);
            Ok(refused.is_none())
        });
        if let Some(refused) = refused {
            return Err(refused);
        }
        walked.map_err(DataError::at(&opened.path))?;
        line.map(|l| out.line(&l)).transpose()?;
        progress("sessions", sessions, None);
    }
    Ok(Exported { records: sessions, bytes: out.finish()? })
}

/// A file that gets its name when it is whole and synced.
struct Out {
    out: BufWriter<File>,
    working: PathBuf,
    target: PathBuf,
    crc: u32,
    bytes: u64,
    done: bool,
}

impl Out {
    fn create(target: &Path) -> Result<Self, DataError> {
        if target.exists() {
            let found = "a file".into();
            return Err(DataError::InTheWay { path: target.to_owned(), found, expected: "nothing" });
        }
        let mut working = target.as_os_str().to_owned();
        working.push(".writing");
        let working = PathBuf::from(working);
        let out = BufWriter::with_capacity(1 << 16, File::create(&working).map_err(DataError::at(&working))?);
        Ok(Self { out, working, target: target.to_owned(), crc: 0, bytes: 0, done: false })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes).map_err(DataError::at(&self.working))
    }

    fn record<R: Record>(&mut self, record: &R) -> Result<(), DataError> {
        let bytes = codec::encode(record);
        let length = u32::try_from(bytes.len()).map_err(io::Error::other).map_err(DataError::at(&self.working))?;
        self.write(&length.to_le_bytes())?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        self.write(&bytes)
    }

    fn line(&mut self, line: &impl serde::Serialize) -> Result<(), DataError> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::other).map_err(DataError::at(&self.working))?;
        text.push(b'\n');
        self.write(&text)
    }

    fn finish(mut self) -> Result<u64, DataError> {
        let parent = match self.target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let synced = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        let named = synced.and_then(|()| fs::rename(&self.working, &self.target)).and_then(|()| sync_folder(&parent));
        named.map_err(DataError::at(&self.target))?;
        self.done = true;
        Ok(self.bytes)
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.working);
        }
    }
}
