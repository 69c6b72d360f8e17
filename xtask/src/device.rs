//! What tests need of the system, installed where that may be done: a Vulkan driver for the kernels (Mesa's software driver where
//! there is no other), and programs for drills and their reports.

use crate::shell;
use anyhow::Result;
use std::path::{Path, PathBuf};

const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];
/// Programs, and the package of each.
const PROGRAMS: [(&str, &str); 3] = [("ip", "iproute2"), ("nft", "nftables"), ("chromium", "chromium")];
/// Where the loader looks for drivers (its own documentation, "Driver Discovery on Linux").
const DRIVER_FOLDERS: [&str; 3] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];

/// Sees to a driver; the line that it may give back says what will be missing.
pub fn provide() -> Result<Option<String>> {
    if !cfg!(target_os = "linux") || driver_is_there() {
        return Ok(None);
    }
    Ok(install(&PACKAGES)?.map(|why| format!("did not run on a device: no Vulkan driver is installed, and {why}")))
}

/// Sees to the programs that drills and the test of their report need; the line that it may give back says what will be missing.
pub fn provide_programs() -> Result<Option<String>> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .collect();
    let is_there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    let missing: Vec<&str> = PROGRAMS.iter().filter(|(p, _)| !is_there(p)).map(|(_, package)| *package).collect();
    if !cfg!(target_os = "linux") || missing.is_empty() {
        return Ok(None);
    }
    let what = missing.join(", ");
    Ok(install(&missing)?.map(|why| format!("drills and reports that need {what} did not run: {why}")))
}

/// Installs packages; else says why not, and how.
fn install(packages: &[&str]) -> Result<Option<String>> {
    let install = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !shell::succeeds(shell::command("apt-get", &["--version"])) {
        return Ok(Some(format!("there is no apt-get to install {} with", packages.join(" "))));
    }
    if !is_root() {
        return Ok(Some(format!("as root: {install}")));
    }
    eprintln!("{install}");
    // The lists of a fresh image may be empty or old.
    let installed = || {
        let arguments: Vec<&str> = install.split(' ').skip(1).collect();
        shell::succeeds(apt(&arguments))
    };
    if installed() || (shell::succeeds(apt(&["update"])) && installed()) {
        return Ok(None);
    }
    Ok(Some(format!("this failed: {install}")))
}

fn apt(arguments: &[&str]) -> std::process::Command {
    let mut command = shell::command("apt-get", arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn driver_is_there() -> bool {
    let any = |folder: &str| Path::new(folder).read_dir().is_ok_and(|mut files| files.next().is_some());
    std::env::var_os("VK_DRIVER_FILES").or(std::env::var_os("VK_ICD_FILENAMES")).is_some()
        || DRIVER_FOLDERS.iter().any(|folder| any(folder))
}

fn is_root() -> bool {
    shell::output(shell::command("id", &["-u"])).is_ok_and(|id| id.trim() == "0")
}
