//! `ModelManifest`: what lies in a model's folder and where it came from.

use super::digest_of;
use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

/// Its file in the folder.
pub const FILE: &str = "tertulia-model.json";
const FORMAT: u32 = 1;

/// Written behind everything else: a folder with a manifest was whole when it was put into place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// 1.
    pub format: u32,
    /// The name that it is pulled and used by.
    pub name: String,
    /// For people: packages with their versions, or the repository's address.
    pub source: String,
    /// The repository's revision: the commit where the other side told it, with what was asked for behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Path in the folder → what was there when it was fetched.
    pub files: BTreeMap<String, FileRecord>,
}

/// A file as it was fetched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

impl ModelManifest {
    /// A manifest without files.
    pub fn new(name: &str, source: String, revision: Option<String>, licence: Option<String>) -> Self {
        Self { format: FORMAT, name: name.into(), source, revision, licence, files: BTreeMap::new() }
    }

    /// The folder's manifest, if it has one.
    pub fn read(dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e).with_context(|| format!("{}: cannot read", path.display())),
        };
        let manifest: Self = serde_json::from_slice(&text).with_context(|| format!("{}", path.display()))?;
        ensure!(manifest.format == FORMAT, "{}: format: found {}, expected {FORMAT}", path.display(), manifest.format);
        for name in manifest.files.keys() {
            let plain = Path::new(name).components().all(|c| matches!(c, Component::Normal(_)));
            ensure!(plain, "{}: files: {name:?} leads out of the folder", path.display());
        }
        Ok(Some(manifest))
    }

    /// Records the files of these names as they lie in `dir`, and writes the manifest there.
    pub fn write(mut self, dir: &Path, names: &[String]) -> anyhow::Result<()> {
        for name in names {
            let (sha256, bytes) = digest_of(&dir.join(name))?;
            self.files.insert(name.clone(), FileRecord { sha256, bytes });
        }
        let path = dir.join(FILE);
        fs::write(&path, serde_json::to_vec_pretty(&self)?).with_context(|| format!("{}: cannot write", path.display()))
    }

    /// Compares every file with its record; answers how many there are.
    pub fn verify(&self, dir: &Path) -> anyhow::Result<usize> {
        for (name, record) in &self.files {
            let path = dir.join(name);
            let (found, bytes) = digest_of(&path)?;
            ensure!(bytes == record.bytes, "{}: {bytes} bytes, expected {}", path.display(), record.bytes);
            ensure!(found == record.sha256, "{}: SHA-256: found {found}, expected {}", path.display(), record.sha256);
        }
        Ok(self.files.len())
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|f| f.bytes).sum()
    }
}
