//! Models: where they come from, where they lie, and whether they are whole.
//!
//! A model is a folder that [`shaders::Encoder`] loads. It comes from registry packages (the known models), from a
//! Hugging Face repository, or is a folder of the user's. What was fetched lies in the cache, a folder a model, with
//! the manifest `tertulia-model.json`.

mod download;
mod hub;
mod known;
mod manifest;
mod name;
mod package;
mod stock;

pub use hub::{Hub, HubRepo};
pub use known::{DEFAULT, KNOWN, KnownModel, MULTILINGUAL, default_for};
pub use manifest::ModelManifest;
pub use name::ModelName;
pub use stock::{Stock, stock};

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The cache: `TERTULIA_CACHE`, else `$XDG_CACHE_HOME/tertulia`, else `~/.cache/tertulia`.
pub fn cache_dir() -> anyhow::Result<PathBuf> {
    shaders::model::cache_folder().context("no cache folder: set TERTULIA_CACHE (or HOME)")
}

/// The models in the cache, a folder each.
pub fn models_dir() -> anyhow::Result<PathBuf> {
    Ok(cache_dir()?.join("models"))
}

/// The folder of the encoder that a flag, the configuration or a release names. A known model is fetched where it is
/// missing; a repository's must have been pulled.
pub async fn encoder_for(name: &str) -> anyhow::Result<PathBuf> {
    match ModelName::parse(name)? {
        ModelName::Known(model) => package::ensure(model, false).await,
        _ => encoder_at(name),
    }
}

/// As [`encoder_for`], without fetching anything.
pub fn encoder_at(name: &str) -> anyhow::Result<PathBuf> {
    let name = ModelName::parse(name)?;
    let dir = name.dir()?;
    if let ModelName::Hub(repo) = &name {
        ensure!(dir.is_dir(), "the model {repo} is not in the cache: `tertulia model pull {repo}` fetches it");
        if let (Some(wanted), Some(there)) = (&repo.revision, ModelManifest::read(&dir)?.and_then(|m| m.revision)) {
            ensure!(
                hub::of_revision(&there, wanted),
                "the model {repo} is in the cache in revision {there}: `tertulia model pull {repo}` fetches {wanted}"
            );
        }
    }
    Ok(dir)
}

/// Fetches a model into the cache and answers with its folder.
pub async fn pull(name: &ModelName, force: bool) -> anyhow::Result<PathBuf> {
    match name {
        ModelName::Known(model) => package::ensure(model, force).await,
        ModelName::Hub(repo) => Hub::from_env()?.pull(repo, &cache_dir()?, force).await,
        ModelName::Folder(dir) => {
            bail!("{}: a folder is not fetched; give it as --encoder or `encoder:` as it is", dir.display())
        }
    }
}

/// Are all files of the model in `dir` there, with the content that they were pinned to or fetched with? Answers how
/// many were checked.
pub fn verify(name: &ModelName, dir: &Path) -> anyhow::Result<usize> {
    let pinned = match name {
        ModelName::Known(model) => package::verify(model, dir)?,
        _ => 0,
    };
    match ModelManifest::read(dir)? {
        Some(manifest) => Ok(manifest.verify(dir)?.max(pinned)),
        // Models that were fetched before there was a manifest have none, nor has a folder of the user's.
        None => {
            ensure!(pinned > 0, "{}: no {} to check the files against", dir.display(), manifest::FILE);
            Ok(pinned)
        }
    }
}

/// The name under which a release remembers the encoder in `dir`.
pub fn name_of(dir: &Path) -> String {
    dir.file_name().map(|n| n.to_string_lossy().replacen("--", "/", 1)).unwrap_or_default()
}

/// Holds the model's lock until it is dropped: two processes do not fetch one model at the same time.
fn lock(cache: &Path, folder: &str) -> anyhow::Result<File> {
    let downloads = cache.join("downloads");
    fs::create_dir_all(&downloads).with_context(|| format!("{}: cannot make the folder", downloads.display()))?;
    let path = downloads.join(format!("{folder}.lock"));
    let file = File::create(&path).with_context(|| format!("{}: cannot write", path.display()))?;
    file.lock().with_context(|| format!("{}: cannot lock", path.display()))?;
    Ok(file)
}

/// An empty folder beside `dir`, in which its new content is made: for one who holds the lock.
fn fresh_beside(dir: &Path) -> anyhow::Result<PathBuf> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let fresh = dir.with_file_name(format!(".{name}.new"));
    if fresh.exists() {
        fs::remove_dir_all(&fresh).with_context(|| format!("{}: cannot empty", fresh.display()))?;
    }
    fs::create_dir_all(&fresh).with_context(|| format!("{}: cannot make the folder", fresh.display()))?;
    Ok(fresh)
}

/// Puts a folder that is whole into its place.
fn put_in_place(fresh: &Path, dir: &Path) -> anyhow::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("{}: cannot replace", dir.display()))?;
    }
    fs::rename(fresh, dir).with_context(|| format!("{}: cannot put the model there", dir.display()))
}

/// SHA-256 of a file in hexadecimal, and its size in bytes.
fn digest_of(path: &Path) -> anyhow::Result<(String, u64)> {
    let read = || format!("{}: cannot read", path.display());
    let mut file = File::open(path).with_context(read)?;
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer).with_context(read)?;
        if n == 0 {
            return Ok((hasher.finalize().iter().map(|b| format!("{b:02x}")).collect(), bytes));
        }
        hasher.update(&buffer[..n]);
        bytes += n as u64;
    }
}
