//! An export becomes a data folder: all of it or nothing.

use super::{
    DataError, DataFolder, Progress, Report,
    folder::{Opened, sync_folder},
    verify::verify_strictly,
};
use crate::{
    codec::{self, ENVELOPE_BYTES, ExportHeadRecord, Record, SnapshotFootRecord, SnapshotPairsRecord},
    limits::RECORD_BYTES_MAX,
    node::identity::{self, Identity},
    store::Store,
};
use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

/// Makes `folder`, which must be empty or absent, out of an export. It is made beside its place, checked like any other
/// folder, and gets its name at the end.
pub fn import(file: &Path, folder: &Path, progress: &mut Progress<'_>) -> Result<Report, DataError> {
    let in_the_way =
        |found: &str| DataError::InTheWay { path: folder.to_owned(), found: found.into(), expected: "an empty folder" };
    match fs::read_dir(folder) {
        Ok(mut files) => {
            if files.next().is_some() {
                return Err(in_the_way("a folder that holds something"));
            }
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Err(in_the_way("a file")),
        Err(e) => return Err(DataError::at(folder)(e)),
    }
    let mut working = folder.as_os_str().to_owned();
    working.push(".importing");
    let working = Working(PathBuf::from(working));
    if working.0.exists() {
        fs::remove_dir_all(&working.0).map_err(DataError::at(&working.0))?;
    }
    let report = fill(file, &working.0, progress)?;
    // Over an empty folder, if it is there.
    fs::rename(&working.0, folder).map_err(DataError::at(folder))?;
    let parent = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_folder(parent).map_err(DataError::at(parent))?;
    Ok(report)
}

/// Gone unless it got its name.
struct Working(PathBuf);

impl Drop for Working {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fill(file: &Path, working: &Path, progress: &mut Progress<'_>) -> Result<Report, DataError> {
    let mut reader = Records::open(file)?;
    let head = reader.next()?;
    let head: ExportHeadRecord = reader.decode(&head)?;
    let identity: Identity = serde_json::from_str(&head.identity)
        .map_err(|e| reader.bad(format!("its identity: {e}"), "that of a node".into()))?;
    fs::create_dir_all(working.join("snapshots")).map_err(DataError::at(working))?;
    let database = working.join("db");
    let store = Opened::at(&database)?;
    let mut pairs = 0;
    loop {
        let bytes = reader.next()?;
        if bytes.get(3) == Some(&SnapshotFootRecord::KIND) {
            let foot: SnapshotFootRecord = reader.decode(&bytes)?;
            let found = format!("{pairs} pairs with checksum {:08x}", reader.crc_before);
            if (foot.pairs, foot.crc) != (pairs, reader.crc_before) {
                return Err(reader.bad(found, format!("{} with {:08x}, as its foot says", foot.pairs, foot.crc)));
            }
            break;
        }
        let record: SnapshotPairsRecord = reader.decode(&bytes)?;
        pairs += record.pairs.len() as u64;
        let changes = record.pairs.into_iter().map(|(k, v)| (k.to_vec(), Some(v))).collect();
        store.apply(changes).map_err(DataError::at(&database))?;
        progress("import", reader.read_bytes, Some(reader.length));
    }
    if reader.read_bytes != reader.length {
        let found = format!("{} bytes", reader.length);
        return Err(reader.bad(found, format!("{}, where its foot ends", reader.read_bytes)));
    }
    store.barrier().map_err(DataError::at(&database))?;
    drop(store);
    identity::write(working, &identity)?;

    let folder = DataFolder::lock(working)?;
    let store = folder.open()?;
    let report = verify_strictly(&folder, &store, progress)?;
    Ok(Report { disk_bytes: folder.disk_bytes()?, ..report })
}

/// Reads length-prefixed records.
struct Records {
    path: PathBuf,
    reader: BufReader<File>,
    length: u64,
    read_bytes: u64,
    crc: u32,
    /// Over everything in front of the last record.
    crc_before: u32,
}

impl Records {
    fn open(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(DataError::at(path))?;
        let length = file.metadata().map_err(DataError::at(path))?.len();
        let reader = BufReader::with_capacity(1 << 16, file);
        Ok(Self { path: path.to_owned(), reader, length, read_bytes: 0, crc: 0, crc_before: 0 })
    }

    fn bad(&self, found: String, expected: String) -> DataError {
        DataError::BadExport { path: self.path.clone(), found, expected }
    }

    fn decode<R: Record>(&self, bytes: &[u8]) -> Result<R, DataError> {
        codec::decode(bytes).map_err(|e| {
            let at = self.read_bytes - bytes.len() as u64;
            self.bad(format!("at byte {at}: {e}"), format!("a record of kind {}", R::KIND))
        })
    }

    fn next(&mut self) -> Result<Vec<u8>, DataError> {
        let cut = |this: &Self, e: io::Error| match e.kind() {
            io::ErrorKind::UnexpectedEof => {
                this.bad(format!("the end of the file at byte {}", this.length), "more records and a foot".into())
            }
            _ => DataError::at(&this.path)(e),
        };
        let mut length = [0; 4];
        self.reader.read_exact(&mut length).map_err(|e| cut(self, e))?;
        let length = u32::from_le_bytes(length) as usize;
        if length > RECORD_BYTES_MAX + ENVELOPE_BYTES {
            let found = format!("at byte {}: a record of {length} bytes", self.read_bytes);
            return Err(self.bad(found, format!("at most {}", RECORD_BYTES_MAX + ENVELOPE_BYTES)));
        }
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).map_err(|e| cut(self, e))?;
        self.read_bytes += 4 + length as u64;
        self.crc_before = self.crc;
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        Ok(bytes)
    }
}
