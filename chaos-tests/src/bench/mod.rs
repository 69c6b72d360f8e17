//! The measurements of whole clusters.

pub mod failover;
pub mod faults;
pub mod fsync;
pub mod idle;
pub mod replication;
pub mod snapshot;
pub mod turns;

use crate::binary::{Binary, assistant};
use anyhow::{Context, Result};
use std::path::PathBuf;
use tempfile::TempDir;

/// The value of a counter in Prometheus's text format, whatever its labels; `None` where it was never counted.
pub(crate) fn counter(metrics: &str, name: &str) -> Option<u64> {
    let line = metrics.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse::<f64>().ok().map(|n| n as u64)
}

/// A release of the assistant `name` (or of the folder that it names), in a folder of its own.
pub fn release_of(binary: &Binary, name: &str) -> Result<(TempDir, PathBuf)> {
    let folder = Some(PathBuf::from(name)).filter(|path| path.join("domain.yml").is_file());
    let folder = folder.or_else(|| assistant(name)).with_context(|| format!("there is no assistant {name:?}"))?;
    let home = tempfile::Builder::new().prefix("tertulia-release-").tempdir().context("no temporary folder")?;
    let release = home.path().join("release");
    binary.train(&folder, &release)?;
    Ok((home, release))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_with_and_without_labels() {
        let text = "# TYPE barriers_total counter\nbarriers_total{node=\"1\"} 42\nother 7\n";
        assert_eq!(counter(text, "barriers_total"), Some(42));
        assert_eq!(counter(text, "other"), Some(7));
        assert_eq!(counter(text, "missing"), None);
    }
}
