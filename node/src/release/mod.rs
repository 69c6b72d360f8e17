//! A release: what `tertulia train` makes of an assistant. One file, named by its content.
//!
//! It is a tar archive (POSIX ustar) without anything of the machine that made it: first `release.json`, the manifest; then, by their names, the
//! assistant's files as they were trained (`assistant/…`), the heads and the learned policy. The manifest names the encoder, the fingerprints of
//! the trained parts and every file's SHA-256; the id is the SHA-256 of the manifest's bytes, and so of all.

mod archive;

use anyhow::{Context, bail, ensure};
use dialogue::ReleaseId;
use dialogue::engine::PolicyModel;
use dialogue::format::SourceFile;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shaders::{Fingerprints, Heads};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// What the files of releases end with.
pub const EXTENSION: &str = "tertulia";
/// Where commands write and look for a release when nothing is said.
pub const DEFAULT: &str = "release.tertulia";
/// The manifest of a release, and the mark of the folders that were releases before format 2.
pub const MANIFEST: &str = "release.json";
const HEADS: &str = "heads.safetensors";
const POLICY: &str = "policy.safetensors";
const SOURCES: &str = "assistant/";
const FORMAT: u32 = 2;
/// Largest file of a release, in bytes.
const BYTES_MAX: u64 = 2 << 30;
/// Digits of the id in the name of a file, where `train` chooses it.
const NAME_DIGITS: usize = 16;

/// What was trained, before it is written.
#[derive(Debug)]
pub struct Trained {
    /// The assistant's files.
    pub sources: Vec<SourceFile>,
    /// The trained heads.
    pub heads: Heads,
    /// The learned policy, where the assistant has one.
    pub policy: Option<PolicyModel>,
    /// What each part was made of.
    pub fingerprints: Fingerprints,
    /// The encoder, by the name that `--encoder` takes.
    pub encoder: String,
}

/// A release in memory.
#[derive(Debug)]
pub struct Release {
    /// SHA-256 of its manifest, in hexadecimal.
    pub id: ReleaseId,
    /// What it holds.
    pub trained: Trained,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    encoder: EncoderReference,
    /// Below which confidence an intent counts as not understood, where config.yml says `threshold: auto`.
    threshold: f32,
    fingerprints: Fingerprints,
    /// Path inside the archive → SHA-256.
    files: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncoderReference {
    name: String,
    weights_sha256: String,
}

/// SHA-256 in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl Trained {
    /// The bytes of the file and the release's id. The same content gives the same bytes.
    fn to_bytes(&self) -> anyhow::Result<(Vec<u8>, ReleaseId)> {
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for source in &self.sources {
            files.insert(format!("{SOURCES}{}", source.path), source.text.clone().into_bytes());
        }
        files.insert(HEADS.into(), self.heads.to_bytes());
        if let Some(policy) = &self.policy {
            files.insert(POLICY.into(), shaders::policy_to_bytes(policy));
        }
        let manifest = Manifest {
            format: FORMAT,
            encoder: EncoderReference {
                name: self.encoder.clone(),
                weights_sha256: self.heads.encoder().weights_sha256.clone(),
            },
            threshold: self.heads.threshold(),
            fingerprints: self.fingerprints.clone(),
            files: files.iter().map(|(path, bytes)| (path.clone(), sha256_hex(bytes))).collect(),
        };
        let mut manifest = serde_json::to_vec_pretty(&manifest)?;
        manifest.push(b'\n');
        let id = ReleaseId::new(sha256_hex(&manifest))?;
        let entries = std::iter::once((MANIFEST, &manifest[..]))
            .chain(files.iter().map(|(path, bytes)| (path.as_str(), &bytes[..])));
        Ok((archive::write(entries)?, id))
    }

    /// Writes the release beside `out` and moves it there in one step; into a folder, under its id. An earlier release is replaced, any
    /// other file is left alone and refused. Answers where it is.
    pub fn write(&self, out: &Path) -> anyhow::Result<(ReleaseId, PathBuf)> {
        let (bytes, id) = self.to_bytes()?;
        ensure!(bytes.len() as u64 <= BYTES_MAX, "the release has {} bytes, the limit is {BYTES_MAX}", bytes.len());
        let out = if out.is_dir() {
            out.join(format!("{}.{EXTENSION}", &id.as_str()[..NAME_DIGITS]))
        } else {
            out.to_owned()
        };
        Self::may_write(&out)?;
        let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot make the folder", folder.display()))?;
        // A temporary file is its owner's alone by default; a release is trained by one user and served by another.
        let mut fresh = tempfile::Builder::new()
            .prefix(".release-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .with_context(|| format!("{}: cannot write there", folder.display()))?;
        std::io::Write::write_all(&mut fresh, &bytes)
            .and_then(|()| fresh.as_file().sync_all())
            .with_context(|| format!("{}: cannot write", fresh.path().display()))?;
        fresh.persist(&out).with_context(|| format!("{}: cannot put the release there", out.display()))?;
        Ok((id, out))
    }

    /// Refuses to write over anything but a release.
    pub fn may_write(out: &Path) -> anyhow::Result<()> {
        let here = out.join(MANIFEST);
        ensure!(!here.exists(), "{}: a release of format 1; remove the folder, or choose another --out", out.display());
        if out.is_file() {
            let ours = archive::begins(out, MANIFEST).with_context(|| format!("{}: cannot read", out.display()))?;
            ensure!(ours, "{}: the file is something else than a release; choose another --out", out.display());
        }
        Ok(())
    }
}

impl Release {
    /// The name of the encoder that the release was trained on; only the manifest is read.
    pub fn encoder_of(path: &Path) -> anyhow::Result<String> {
        let manifest = archive::first(path, MANIFEST).map_err(|error| unreadable(path, error))?;
        Ok(manifest_of(&manifest).with_context(|| format!("{}: {MANIFEST}", path.display()))?.encoder.name)
    }

    /// Reads a release and checks every byte of it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = archive::bytes(path, BYTES_MAX).map_err(|error| unreadable(path, error))?;
        Self::from_bytes(&bytes).with_context(|| format!("{}: the release does not load", path.display()))
    }

    fn from_bytes(bytes: &[u8]) -> anyhow::Result<Self> {
        const DAMAGED: &str = "the file is damaged: copy it again, or train again";
        let mut entries = archive::read(bytes, MANIFEST)?.into_iter();
        let (_, manifest_bytes) = entries.next().context("no manifest")?;
        let manifest = manifest_of(&manifest_bytes).context(MANIFEST)?;
        let (mut sources, mut heads, mut policy) = (Vec::new(), None, None);
        let mut listed = manifest.files.iter();
        for (path, bytes) in entries {
            let Some((_, expected)) = listed.next().filter(|(name, _)| **name == path) else {
                bail!("{path}: not the file that the manifest names there; {DAMAGED}");
            };
            let found = sha256_hex(&bytes);
            ensure!(found == *expected, "{path}: SHA-256: found {found}, expected {expected}; {DAMAGED}");
            match (path.strip_prefix(SOURCES), path.as_str()) {
                (Some(inside), _) => {
                    let plain = Path::new(inside).components().all(|c| matches!(c, Component::Normal(_)));
                    ensure!(plain, "{path}: leads out of the assistant's folder");
                    let text = String::from_utf8(bytes).with_context(|| format!("{path}: not UTF-8"))?;
                    sources.push(SourceFile { path: inside.to_owned(), text });
                }
                (None, HEADS) => heads = Some(Heads::from_bytes(&bytes).context(HEADS)?),
                (None, POLICY) => policy = Some(shaders::policy_from_bytes(&bytes).context(POLICY)?),
                (None, _) => bail!("{path}: not a file that releases of format {FORMAT} have"),
            }
        }
        if let Some((missing, _)) = listed.next() {
            bail!("{missing}: is missing; {DAMAGED}");
        }
        let heads = heads.with_context(|| format!("{HEADS}: is missing"))?;
        let trained =
            Trained { sources, heads, policy, fingerprints: manifest.fingerprints, encoder: manifest.encoder.name };
        // What holds the files together has no checksums of its own: it is held against what would be written.
        let (again, id) = trained.to_bytes()?;
        ensure!(again == bytes, "between its files it is not what `train` writes; {DAMAGED}");
        Ok(Self { id, trained })
    }
}

fn manifest_of(bytes: &[u8]) -> anyhow::Result<Manifest> {
    // The format first: another one may have other fields.
    let value: serde_json::Value = serde_json::from_slice(bytes)?;
    match value["format"].as_u64() {
        Some(found) if found > u64::from(FORMAT) => {
            bail!(
                "format: found {found}, expected {FORMAT}; a later version of tertulia made it: update, or train again"
            )
        }
        Some(found) if found == u64::from(FORMAT) => Ok(serde_json::from_value(value)?),
        _ => bail!("format: found {}, expected {FORMAT}; train the assistant again", value["format"]),
    }
}

fn unreadable(path: &Path, error: archive::Unreadable) -> anyhow::Error {
    let made = format!("expected a release made by `tertulia train --out {}`", path.display());
    match error {
        archive::Unreadable::Folder if path.join(MANIFEST).exists() => {
            anyhow::anyhow!("{}: a release of format 1; train the assistant again", path.display())
        }
        archive::Unreadable::Folder => anyhow::anyhow!("{}: a folder; {made}", path.display()),
        archive::Unreadable::Other(error) => error.context(format!("{}: cannot read; {made}", path.display())),
    }
}
