//! A release: what `tertulia train` makes of an assistant, named by its content.
//!
//! A folder with `release.json` (the manifest), `assistant/` (the sources as they were trained) and
//! `heads.safetensors` (intent head and entity tagger). Every file's SHA-256 stands in the manifest; the id is the
//! SHA-256 of the manifest's file list.

use anyhow::{Context, bail, ensure};
use dialogue::ReleaseId;
use dialogue::format::SourceFile;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// The file that makes a folder a release.
pub const MANIFEST: &str = "release.json";
const HEADS: &str = "heads.safetensors";
const SOURCES: &str = "assistant";
const FORMAT: u32 = 1;

/// A release in memory.
pub struct Release {
    /// SHA-256 of its content, in hexadecimal.
    pub id: ReleaseId,
    /// The assistant's files.
    pub sources: Vec<SourceFile>,
    /// The trained heads.
    pub heads: Vec<u8>,
    /// The encoder that they were trained on, by the name that `--encoder` takes.
    pub encoder: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    id: String,
    encoder: String,
    /// Path inside the folder → SHA-256.
    files: BTreeMap<String, String>,
}

/// SHA-256 in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn id_of(files: &BTreeMap<String, String>) -> String {
    let list: String = files.iter().map(|(path, sha)| format!("{sha}  {path}\n")).collect();
    sha256_hex(list.as_bytes())
}

impl Release {
    /// Writes a release, trained on the encoder of that name, beside `dir` and moves it there in one step. An earlier release in `dir` is replaced; any other
    /// content is left alone and refused.
    pub fn write(dir: &Path, sources: &[SourceFile], heads: &[u8], encoder: &str) -> anyhow::Result<ReleaseId> {
        let occupied = dir.exists() && std::fs::read_dir(dir).is_ok_and(|mut d| d.next().is_some());
        if occupied && !dir.join(MANIFEST).exists() {
            bail!("{}: the folder holds something else than a release; choose another --out", dir.display());
        }
        let name = dir.file_name().with_context(|| format!("{}: not a folder name", dir.display()))?;
        let fresh = dir.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
        let mut files = BTreeMap::new();
        let mut put = |path: String, bytes: &[u8]| -> anyhow::Result<()> {
            let at = fresh.join(&path);
            let parent = at.parent().context("a file has a folder")?;
            std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::write(&at, bytes))
                .with_context(|| format!("{}: cannot write", at.display()))?;
            files.insert(path, sha256_hex(bytes));
            Ok(())
        };
        for source in sources {
            put(format!("{SOURCES}/{}", source.path), source.text.as_bytes())?;
        }
        put(HEADS.into(), heads)?;
        let id = id_of(&files);
        let manifest = Manifest { format: FORMAT, id: id.clone(), encoder: encoder.into(), files };
        let at = fresh.join(MANIFEST);
        std::fs::write(&at, serde_json::to_vec_pretty(&manifest)?).with_context(|| format!("{}", at.display()))?;
        if dir.exists() {
            std::fs::remove_dir_all(dir).with_context(|| format!("{}: cannot replace the release", dir.display()))?;
        }
        std::fs::rename(&fresh, dir).with_context(|| format!("{}: cannot put the release there", dir.display()))?;
        Ok(ReleaseId::new(id)?)
    }

    /// The name of the encoder that the release in `dir` was trained on.
    pub fn encoder_of(dir: &Path) -> anyhow::Result<String> {
        Ok(Self::manifest(dir)?.encoder)
    }

    fn manifest(dir: &Path) -> anyhow::Result<Manifest> {
        let at = dir.join(MANIFEST);
        let text = std::fs::read(&at).with_context(|| {
            format!(
                "{}: cannot read; expected a release made by `tertulia train --out {}`",
                at.display(),
                dir.display()
            )
        })?;
        let manifest: Manifest = serde_json::from_slice(&text).with_context(|| format!("{}", at.display()))?;
        ensure!(
            manifest.format == FORMAT,
            "{}: format: found {}, expected {FORMAT}; train the assistant again",
            at.display(),
            manifest.format
        );
        Ok(manifest)
    }

    /// Reads a release and checks every file against the manifest.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let at = dir.join(MANIFEST);
        let manifest = Self::manifest(dir)?;
        ensure!(id_of(&manifest.files) == manifest.id, "{}: id: does not match the list of files", at.display());
        let (mut sources, mut heads) = (Vec::new(), None);
        for (path, expected) in &manifest.files {
            let plain = Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
            ensure!(plain, "{}: files: {path:?} leads out of the folder", at.display());
            let file = dir.join(path);
            let bytes = std::fs::read(&file)
                .with_context(|| format!("{}: a file of the release is missing", file.display()))?;
            let found = sha256_hex(&bytes);
            ensure!(found == *expected, "{}: SHA-256: found {found}, expected {expected}", file.display());
            match path.strip_prefix(SOURCES).and_then(|p| p.strip_prefix('/')) {
                Some(path) => sources.push(SourceFile { path: path.into(), text: String::from_utf8(bytes)? }),
                None => heads = Some(bytes),
            }
        }
        let heads = heads.with_context(|| format!("{}: files: {HEADS} is missing", at.display()))?;
        Ok(Self { id: ReleaseId::new(manifest.id)?, sources, heads, encoder: manifest.encoder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Vec<SourceFile> {
        vec![SourceFile { path: "data/nlu.yml".into(), text: "nlu: []\n".into() }]
    }

    #[test]
    fn a_release_is_named_by_its_content_and_comes_back_whole() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("release");
        let first = Release::write(&out, &sources(), b"heads", "minilm").unwrap();
        assert_eq!(
            Release::write(&out, &sources(), b"heads", "minilm").unwrap(),
            first,
            "written twice, the same name"
        );
        let back = Release::read(&out).unwrap();
        assert_eq!((back.id, back.sources.len(), &back.heads[..]), (first.clone(), 1, &b"heads"[..]));
        assert_eq!((back.encoder, Release::encoder_of(&out).unwrap()), ("minilm".into(), "minilm".into()));
        assert_ne!(Release::write(&out, &sources(), b"other", "minilm").unwrap(), first);
    }

    #[test]
    fn a_changed_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("release");
        Release::write(&out, &sources(), b"heads", "minilm").unwrap();
        std::fs::write(out.join("heads.safetensors"), b"broken").unwrap();
        let error = Release::read(&out).err().unwrap().to_string();
        assert!(error.contains("heads.safetensors: SHA-256: found"), "{error}");
    }

    #[test]
    fn a_folder_with_something_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("thesis.txt"), "precious").unwrap();
        assert!(Release::write(dir.path(), &sources(), b"heads", "minilm").is_err());
        assert!(dir.path().join("thesis.txt").exists());
    }
}
