//! The measurements of whole clusters, and the form in which they are written down.

pub mod failover;
pub mod faults;
pub mod fsync;
pub mod idle;
pub mod replication;
pub mod snapshot;
pub mod turns;

use crate::binary::{Binary, assistant};
use anyhow::{Context, Result};
use drills::pauses::median;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What a bench leaves behind.
#[derive(Debug, Default, Serialize)]
pub struct Results {
    /// The table.
    pub rows: Vec<Row>,
    /// Lines to draw.
    pub plots: Vec<Plot>,
    /// The figures behind the rows.
    pub detail: Value,
}

impl Results {
    /// Writes them as JSON.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("cannot write results as JSON")?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// One figure: the median over the rounds, and the peer's of the same rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Our median.
    pub ours: f64,
    /// The peer's median.
    pub peer: Option<f64>,
    /// The median of the rounds' ratios, ours to the peer's.
    pub ratio: Option<f64>,
    /// The smallest of them.
    pub ratio_min: Option<f64>,
    /// The largest of them.
    pub ratio_max: Option<f64>,
    /// Rounds.
    pub rounds: usize,
}

impl Row {
    /// From one value a round; `peer` is empty or of the same length.
    pub fn of_rounds(name: impl Into<String>, unit: &str, ours: &[f64], peer: &[f64]) -> Self {
        let ratios: Vec<f64> = ours.iter().zip(peer).filter(|(_, p)| **p > 0.0).map(|(o, p)| o / p).collect();
        Self {
            name: name.into(),
            unit: unit.into(),
            ours: median(ours).unwrap_or(0.0),
            peer: median(peer),
            ratio: median(&ratios),
            ratio_min: ratios.iter().copied().reduce(f64::min),
            ratio_max: ratios.iter().copied().reduce(f64::max),
            rounds: ours.len(),
        }
    }

    /// A figure without a peer.
    pub fn of(name: impl Into<String>, unit: &str, ours: f64, rounds: usize) -> Self {
        Self { rounds, ..Self::of_rounds(name, unit, &[ours], &[]) }
    }
}

/// Lines over one axis.
#[derive(Debug, Serialize)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// The horizontal axis.
    pub x: String,
    /// The vertical axis.
    pub y: String,
    /// The lines.
    pub series: Vec<Series>,
}

/// One line of a plot.
#[derive(Debug, Serialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

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

    #[test]
    fn a_row_compares_round_by_round() {
        let row = Row::of_rounds("turns", "1/s", &[100.0, 300.0, 200.0], &[10.0, 20.0, 40.0]);
        assert_eq!((row.ours, row.peer, row.rounds), (200.0, Some(20.0), 3));
        assert_eq!((row.ratio, row.ratio_min, row.ratio_max), (Some(10.0), Some(5.0), Some(15.0)));
        let row = Row::of("turns", "1/s", 5.0, 20);
        assert_eq!((row.ours, row.peer, row.ratio, row.rounds), (5.0, None, None, 20));
    }
}
