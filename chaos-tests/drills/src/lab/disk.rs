//! A node's own disk: a file with a file system in it, small enough to be filled.

use super::zones::which;
use crate::limits::LAB_DISK_BYTES;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A mounted disk. Dropping it takes it away.
pub struct Disk {
    mount: PathBuf,
}

impl Disk {
    /// Why there can be none on this machine; `None` if there can.
    pub fn lacks() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("a disk that can be filled needs root".into());
        }
        let missing =
            ["mkfs.ext4", "mount", "umount", "fallocate"].into_iter().find(|program| which(program).is_none())?;
        Some(format!("a disk that can be filled needs {missing} (apt-get install e2fsprogs mount util-linux)"))
    }

    /// Makes a disk of 2 GiB at `mount`, in a file beside it that takes what is written and no more.
    pub fn make(mount: &Path) -> Result<Self> {
        let image = mount.with_extension("image");
        let file = File::create_new(&image).with_context(|| format!("cannot make {}", image.display()))?;
        file.set_len(LAB_DISK_BYTES).with_context(|| format!("cannot size {}", image.display()))?;
        std::fs::create_dir_all(mount).with_context(|| format!("cannot make {}", mount.display()))?;
        tool("mkfs.ext4", &["-q".as_ref(), "-m".as_ref(), "0".as_ref(), image.as_ref()])?;
        tool("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), mount.as_ref()])?;
        Ok(Self { mount: mount.to_owned() })
    }

    /// Where the node's data go on it.
    pub fn data(&self) -> PathBuf {
        self.mount.join("data")
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast")
    }

    /// Takes every byte that is free.
    pub fn fill(&self) -> Result<()> {
        std::fs::create_dir_all(self.ballast()).context("cannot make a place for what fills the disk")?;
        // In large pieces first; of each size as many as there is room for.
        let mut pieces = 0;
        for mib in [256_u64, 16, 1] {
            loop {
                pieces += 1;
                let file = self.ballast().join(format!("piece-{pieces}"));
                let length = format!("{mib}MiB");
                if tool("fallocate", &["-l".as_ref(), length.as_ref(), file.as_ref()]).is_err() {
                    drop(std::fs::remove_file(&file));
                    break;
                }
            }
        }
        // And the last blocks, one by one: that there are none left for it is how the disk is known to be full.
        match std::fs::write(self.ballast().join("last"), vec![0_u8; 2 << 20]) {
            Err(e) if e.kind() == std::io::ErrorKind::StorageFull => Ok(()),
            Err(e) => Err(e).context("cannot fill the disk"),
            Ok(()) => bail!("the disk is not full: something gives room as fast as it is taken"),
        }
    }

    /// Gives back what was taken.
    pub fn free(&self) -> Result<()> {
        match std::fs::remove_dir_all(self.ballast()) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).context("cannot free the disk"),
            _ => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A node that has just been killed may still hold a file for a moment.
        for _ in 0..20 {
            if tool("umount", &[self.mount.as_ref()]).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

fn tool(program: &str, arguments: &[&std::ffi::OsStr]) -> Result<()> {
    let path = which(program).with_context(|| format!("{program} is not installed"))?;
    let output = Command::new(path).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
