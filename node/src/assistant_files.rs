//! Reads an assistant's folder into the texts that `dialogue` parses.

use anyhow::{Context, bail};
use dialogue::format::SourceFile;
use std::path::Path;
use walkdir::WalkDir;

/// Most files in one assistant.
const FILES_MAX: usize = 10_000;
/// Largest file of an assistant, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// All `.yml` and `.yaml` files below `dir`, in the order of their paths. Hidden folders and releases are left out.
pub fn read(dir: &Path) -> anyhow::Result<Vec<SourceFile>> {
    if !dir.is_dir() {
        bail!("{}: not a folder; expected an assistant (domain.yml, data/, config.yml)", dir.display());
    }
    let mut files = Vec::new();
    let entries = WalkDir::new(dir).sort_by_file_name().into_iter().filter_entry(|e| {
        let hidden = e.depth() > 0 && e.file_name().to_string_lossy().starts_with('.');
        let release = e.depth() > 0 && e.path().join(crate::release::MANIFEST).exists();
        !hidden && !release
    });
    for entry in entries {
        let entry = entry.with_context(|| format!("{}: cannot list the folder", dir.display()))?;
        let path = entry.path();
        let yaml = path.extension().is_some_and(|x| x == "yml" || x == "yaml");
        if !yaml || !entry.file_type().is_file() {
            continue;
        }
        let bytes = entry.metadata().with_context(|| path.display().to_string())?.len();
        if bytes > FILE_BYTES_MAX {
            bail!("{}: {bytes} bytes, the limit for one file is {FILE_BYTES_MAX}", path.display());
        }
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{}: cannot read the file", path.display()))?;
        let path = path.strip_prefix(dir).unwrap_or(path).to_string_lossy().into_owned();
        files.push(SourceFile { path, text });
        if files.len() > FILES_MAX {
            bail!("{}: more than {FILES_MAX} files", dir.display());
        }
    }
    if files.is_empty() {
        bail!("{}: no .yml file; expected an assistant (domain.yml, data/, config.yml)", dir.display());
    }
    Ok(files)
}
