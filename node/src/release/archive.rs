//! The archive of a release: tar, with nothing in it that depends on who wrote it and when.

use anyhow::{Context, ensure};
use std::io::Read;
use std::path::Path;

/// Why there is nothing to read.
pub(super) enum Unreadable {
    /// It is a folder.
    Folder,
    /// Anything else.
    Other(anyhow::Error),
}

/// The bytes of an archive with these files, in this order.
pub(super) fn write<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> anyhow::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, path, bytes).with_context(|| format!("{path}: cannot be stored"))?;
    }
    Ok(builder.into_inner()?)
}

/// All files of an archive, whose first bears this name.
pub(super) fn read(bytes: &[u8], first: &str) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    let mut archive = tar::Archive::new(bytes);
    let damaged = "not a whole archive";
    for entry in archive.entries().context(damaged)? {
        let mut entry = entry.context(damaged)?;
        let path = std::str::from_utf8(&entry.path_bytes()).context("a name is not UTF-8")?.to_owned();
        ensure!(!files.is_empty() || path == first, "not a release: its first file is {path:?}, expected {first}");
        let size = usize::try_from(entry.size()).unwrap_or(usize::MAX);
        // The size is what the header claims; the archive cannot hold more than there is.
        ensure!(size <= bytes.len(), "{path}: found {size} bytes announced, but the file has {}", bytes.len());
        let mut content = Vec::with_capacity(size);
        entry.read_to_end(&mut content).with_context(|| format!("{path}: {damaged}"))?;
        ensure!(content.len() == size, "{path}: found {} bytes, expected {size}; {damaged}", content.len());
        files.push((path, content));
    }
    ensure!(!files.is_empty(), "{damaged}: there is nothing in it");
    Ok(files)
}

/// The file, up to a limit.
pub(super) fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Unreadable> {
    let other = |e: std::io::Error| Unreadable::Other(e.into());
    let about = std::fs::metadata(path).map_err(other)?;
    if about.is_dir() {
        return Err(Unreadable::Folder);
    }
    if about.len() > limit {
        let message = format!("{} bytes, the limit is {limit}", about.len());
        return Err(Unreadable::Other(anyhow::anyhow!(message)));
    }
    std::fs::read(path).map_err(other)
}

/// Only the first file of an archive, which bears this name.
pub(super) fn first(path: &Path, name: &str) -> Result<Vec<u8>, Unreadable> {
    /// Largest manifest, in bytes.
    const FIRST_BYTES_MAX: u64 = 8 << 20;
    let other = |e: std::io::Error| Unreadable::Other(e.into());
    let file = std::fs::File::open(path).map_err(other)?;
    if file.metadata().map_err(other)?.is_dir() {
        return Err(Unreadable::Folder);
    }
    let mut archive = tar::Archive::new(file);
    let entry = archive.entries().map_err(other)?.next();
    let not_one = || Unreadable::Other(anyhow::anyhow!("not a release: it does not begin with {name}"));
    let entry = entry.ok_or_else(not_one)?.map_err(other)?;
    if *entry.path_bytes() != *name.as_bytes() {
        return Err(not_one());
    }
    let mut content = Vec::new();
    entry.take(FIRST_BYTES_MAX).read_to_end(&mut content).map_err(other)?;
    Ok(content)
}

/// Does a file begin as an archive does whose first file bears this name? A damaged one may.
pub(super) fn begins(path: &Path, name: &str) -> std::io::Result<bool> {
    let mut start = vec![0; name.len() + 1];
    let mut file = std::fs::File::open(path)?;
    Ok(file.read_exact(&mut start).is_ok() && start[..name.len()] == *name.as_bytes() && start[name.len()] == 0)
}
