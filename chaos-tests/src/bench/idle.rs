//! `idle` as a bench: what three nodes cost while nobody asks them anything.

use crate::replica::{Replicas, Side};
use anyhow::Result;
use results::{Results, Row};
use serde_json::json;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// How long the shards are left alone before it is measured: they fall asleep after `raft.idle_sleep_ms`, and leaderships
/// go where they belong before.
const SETTLE: Duration = Duration::from_secs(20);

/// How the bench runs.
#[derive(Debug, Clone)]
pub struct IdleOptions {
    /// Shards.
    pub shards: u32,
    /// Rounds; in each, groups that sleep and groups that do not are measured.
    pub rounds: usize,
    /// How long each is measured.
    pub length: Duration,
    /// Left alone before that.
    pub settle: Duration,
    /// `tertulia-replica`.
    pub program: PathBuf,
    /// Folder for the data.
    pub place: PathBuf,
}

impl IdleOptions {
    /// The full run, or a small one.
    pub fn new(program: PathBuf, place: PathBuf, small: bool) -> Self {
        let (rounds, length, settle) = if small { (1, 3, 3) } else { (3, 20, SETTLE.as_secs()) };
        let (length, settle) = (Duration::from_secs(length), Duration::from_secs(settle));
        Self { shards: if small { 4 } else { 64 }, rounds, length, settle, program, place }
    }
}

/// Measures, round by round: first as it is, then with groups that never sleep.
pub async fn run(options: &IdleOptions) -> Result<Results> {
    let (mut asleep, mut awake) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        asleep.push(percent_of_a_core(options, json!({})).await?);
        awake.push(percent_of_a_core(options, json!({ "idle_sleep_ms": 0 })).await?);
    }
    let name = format!("CPU of three idle nodes, {} shards (peer: groups that never sleep)", options.shards);
    let rows = vec![Row::of_rounds(name, "% of a core", &asleep, &awake)];
    Ok(Results { rows, plots: Vec::new(), detail: json!({ "asleep": asleep, "awake": awake }) })
}

async fn percent_of_a_core(options: &IdleOptions, raft: serde_json::Value) -> Result<f64> {
    let side = Replicas::start(options.program.clone(), &options.place, options.shards, raft.clone()).await?;
    tokio::time::sleep(options.settle).await;
    let (before, begun) = (side.cpu_seconds(), Instant::now());
    tokio::time::sleep(options.length).await;
    let percent = 100.0 * (side.cpu_seconds() - before) / begun.elapsed().as_secs_f64();
    eprintln!("  {raft}: {percent:.2} % of a core");
    Ok(percent)
}
