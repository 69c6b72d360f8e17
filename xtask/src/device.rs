//! A Vulkan driver for the kernels' tests: Mesa's software driver where there is no other.

use crate::shell;
use anyhow::Result;
use std::path::Path;

const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];
/// Where the loader looks for drivers (its own documentation, "Driver Discovery on Linux").
const DRIVER_FOLDERS: [&str; 3] = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];

/// Sees to a driver; the line that it may give back says what will be missing.
pub fn provide() -> Result<Option<String>> {
    let lacks = |what: &str| Ok(Some(format!("did not run on a device: {what}")));
    if !cfg!(target_os = "linux") || driver_is_there() {
        return Ok(None);
    }
    let install = format!("apt-get install -y --no-install-recommends {}", PACKAGES.join(" "));
    if !shell::succeeds(shell::command("apt-get", &["--version"])) {
        return lacks("no Vulkan driver is installed, and there is no apt-get to install Mesa's with");
    }
    if !is_root() {
        return lacks(&format!("no Vulkan driver is installed; as root: {install}"));
    }
    eprintln!("no Vulkan driver: {install}");
    // The lists of a fresh image may be empty or old.
    let installed = || {
        let arguments: Vec<&str> = install.split(' ').skip(1).collect();
        shell::succeeds(apt(&arguments))
    };
    if installed() || (shell::succeeds(apt(&["update"])) && installed()) {
        return Ok(None);
    }
    lacks(&format!("no Vulkan driver is installed, and this failed: {install}"))
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
