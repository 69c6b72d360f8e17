//! A node's own disk: a file with a file system in it, small enough to be filled.

use super::zones::which;
use crate::limits::{LAB_DISK_BYTES, LAB_DISK_MIB};
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
        // First what is free in one piece, then what is left of it.
        for mib in [LAB_DISK_MIB, 256, 64, 16, 4, 1].into_iter().flat_map(|mib| [mib; 4]) {
            let name = format!("ballast-{mib}-{}", rand::random::<u32>());
            std::fs::create_dir_all(self.ballast()).ok();
            let file = self.ballast().join(name);
            let length = format!("{mib}MiB");
            let taken = tool("fallocate", &["-l".as_ref(), length.as_ref(), file.as_ref()]);
            if taken.is_err() {
                drop(std::fs::remove_file(&file));
            }
        }
        // And the last blocks, one by one.
        let last = self.ballast().join("last");
        drop(std::fs::write(last, vec![0_u8; 2 << 20]));
        Ok(())
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
