//! What a bench leaves behind, as JSON: rows of a table, lines to draw, and the figures behind them.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// What a bench leaves behind.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// The table.
    pub rows: Vec<Row>,
    /// Lines to draw.
    #[serde(default)]
    pub plots: Vec<Plot>,
    /// The figures behind the rows.
    #[serde(default)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// The median (the upper one of an even number); none of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Lines over one axis.
#[derive(Debug, Serialize, Deserialize)]
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
#[derive(Debug, Serialize, Deserialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_compares_round_by_round() {
        let row = Row::of_rounds("turns", "1/s", &[100.0, 300.0, 200.0], &[10.0, 20.0, 40.0]);
        assert_eq!((row.ours, row.peer, row.rounds), (200.0, Some(20.0), 3));
        assert_eq!((row.ratio, row.ratio_min, row.ratio_max), (Some(10.0), Some(5.0), Some(15.0)));
        let row = Row::of("turns", "1/s", 5.0, 20);
        assert_eq!((row.ours, row.peer, row.ratio, row.rounds), (5.0, None, None, 20));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = std::env::temp_dir().join(format!("tertulia-results-{}", std::process::id()));
        let results = Results { rows: vec![Row::of("turns", "1/s", 5.0, 20)], ..Results::default() };
        results.write(&folder.join("a/b.json")).expect("it is written");
        let text = std::fs::read_to_string(folder.join("a/b.json")).expect("it is there");
        assert_eq!(serde_json::from_str::<Results>(&text).expect("it is read").rows, results.rows);
        std::fs::remove_dir_all(folder).expect("it goes");
        // A bench of few words: plots and detail may be missing.
        assert!(serde_json::from_str::<Results>(r#"{"rows": []}"#).is_ok());
    }
}
