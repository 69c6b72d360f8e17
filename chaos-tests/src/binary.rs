//! Finds the `tertulia` binary that the drills run, and makes releases with it.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The switch of a build with planted bugs; the name stands in the binary only where the switch is compiled in.
pub const PLANT_BUG: &str = "TERTULIA_PLANT_BUG";

/// A built `tertulia`.
#[derive(Debug, Clone)]
pub struct Binary {
    path: PathBuf,
}

impl Binary {
    /// Takes the one that `TERTULIA_BIN` names, else the one beside this program in the target folder; builds it where
    /// there is none.
    pub fn find() -> Result<Self> {
        if let Some(path) = std::env::var_os("TERTULIA_BIN") {
            let path = PathBuf::from(path);
            ensure!(path.is_file(), "TERTULIA_BIN: {} is no file", path.display());
            return Ok(Self { path });
        }
        let folder = profile_folder()?;
        let path = folder.join(format!("tertulia{}", std::env::consts::EXE_SUFFIX));
        if !path.is_file() {
            build(&folder)?;
        }
        ensure!(path.is_file(), "{} is not there: cargo build -p tertulia-node", path.display());
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does it know the switch for planted bugs?
    pub fn can_plant_bugs(&self) -> Result<bool> {
        let bytes = std::fs::read(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(bytes.windows(PLANT_BUG.len()).any(|w| w == PLANT_BUG.as_bytes()))
    }

    /// `tertulia train`: makes the release `out` of the assistant in `folder`.
    pub fn train(&self, folder: &Path, out: &Path) -> Result<()> {
        let output = Command::new(&self.path)
            .arg("train")
            .arg("--assistant")
            .arg(folder)
            .arg("--out")
            .arg(out)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", self.path.display()))?;
        if !output.status.success() {
            bail!(
                "tertulia train of {} failed ({}):\n{}{}",
                folder.display(),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }
}

/// The folder of this build's binaries: tests lie in its `deps`.
fn profile_folder() -> Result<PathBuf> {
    let me = std::env::current_exe().context("cannot tell where this program is")?;
    let folder = me.parent().context("a program lies in a folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

fn build(folder: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--package", "tertulia-node", "--features", "planted-bugs"]);
    if folder.ends_with("release") {
        command.arg("--release");
    }
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    let status = command
        .current_dir(repository())
        .stdin(Stdio::null())
        .status()
        .context("cannot run cargo to build tertulia-node")?;
    ensure!(status.success(), "cargo build -p tertulia-node failed: {status}");
    Ok(())
}

/// The root of the repository that this crate was built from.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The assistant `name`: under `bots/`, else among the bots beside the repository; none where it is absent.
pub fn assistant(name: &str) -> Option<PathBuf> {
    let own = repository().join("bots").join(name);
    let beside = repository().join("../shared/bots").join(name);
    [own, beside].into_iter().find(|folder| folder.join("domain.yml").is_file() || folder.join("domain").is_dir())
}
