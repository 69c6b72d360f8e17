//! sled's file only grows, up to some twenty times what it holds: a copy is small again.

use super::{
    DataError, DataFolder, Progress,
    folder::{CHECKED, COPYING, OLD, Opened, disk_bytes, finish_compaction, sync_folder},
};
use crate::{limits::APPLY_BYTES_MAX, store::Store};
use bytes::Bytes;
use std::{fs, path::Path};

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Keys copied.
    pub keys: u64,
    /// Bytes of the database on the disk before.
    pub bytes_before: u64,
    /// Bytes of the database on the disk after.
    pub bytes_after: u64,
}

/// Copies the database beside itself, checks the copy pair by pair as it stands on the disk, and swaps the two by
/// renames. The old one goes only when the new one is in its place. A crash at any moment leaves the one or the other
/// whole (see [`DataFolder::lock`]); needs as much free space as the copy takes.
pub fn compact(folder: &DataFolder, progress: &mut Progress<'_>) -> Result<Compaction, DataError> {
    let [current, copying, checked, old] = ["db", COPYING, CHECKED, OLD].map(|name| folder.path().join(name));
    let bytes_before = disk_bytes(&current).map_err(DataError::at(&current))?;
    let (keys, crc) = copy(&current, &copying, progress).inspect_err(|_| {
        let _ = fs::remove_dir_all(&copying);
    })?;

    // Opened anew: what counts is what the disk gives back.
    let found = {
        let copy = Opened::at(&copying)?;
        sum(&copy, "check", keys, progress)?
    };
    if found != (keys, crc) {
        let _ = fs::remove_dir_all(&copying);
        let text = |(keys, crc): (u64, u32)| format!("{keys} keys with checksum {crc:08x}");
        return Err(DataError::BadCopy { path: copying, found: text(found), expected: text((keys, crc)) });
    }
    let swap = || {
        fs::rename(&copying, &checked)?;
        sync_folder(folder.path())?;
        fs::rename(&current, &old)?;
        fs::rename(&checked, &current)?;
        sync_folder(folder.path())?;
        finish_compaction(folder.path())
    };
    swap().map_err(DataError::at(folder.path()))?;
    let bytes_after = disk_bytes(&current).map_err(DataError::at(&current))?;
    Ok(Compaction { keys, bytes_before, bytes_after })
}

/// Copies all pairs, synced; gives their number and their checksum.
fn copy(from: &Path, to: &Path, progress: &mut Progress<'_>) -> Result<(u64, u32), DataError> {
    let (source, target) = (Opened::at(from)?, Opened::at(to)?);
    let (mut changes, mut bytes, mut crc) = (Vec::new(), 0, 0);
    let keys = source.for_each("copy", progress, |key, value| {
        crc = add(crc, key, value);
        bytes += key.len() + value.len();
        changes.push((key.to_vec(), Some(Bytes::copy_from_slice(value))));
        if bytes >= APPLY_BYTES_MAX {
            bytes = 0;
            target.apply(std::mem::take(&mut changes)).map_err(DataError::at(to))?;
        }
        Ok(())
    })?;
    target.apply(changes).and_then(|()| target.barrier()).map_err(DataError::at(to))?;
    Ok((keys, crc))
}

fn sum(store: &Opened, phase: &str, keys: u64, progress: &mut Progress<'_>) -> Result<(u64, u32), DataError> {
    let mut crc = 0;
    let found = store.for_each(phase, &mut |phase, done, _| progress(phase, done, Some(keys)), |key, value| {
        crc = add(crc, key, value);
        Ok(())
    })?;
    Ok((found, crc))
}

fn add(crc: u32, key: &[u8], value: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc, &(key.len() as u64).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, key), value)
}
