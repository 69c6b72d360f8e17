//! `turns` as a bench: throughput and latency of whole turns on three nodes, beside a live peer where one is given.

use super::{counter, release_of};
use crate::binary::Binary;
use crate::peer::Rasa;
use anyhow::{Result, ensure};
use drills::client::{Client, Protocol};
use drills::cluster::{Cluster, ClusterOptions};
use drills::load::{Load, LoadOptions};
use drills::report::LoadReport;
use drills::stopwatch::Stopwatch;
use results::{Plot, Results, Row, Series};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// The nodes' count of understandings that no cache held.
const MISSES: &str = "tertulia_nlu_cache_misses_total";

/// How the bench runs.
#[derive(Debug, Clone)]
pub struct TurnsOptions {
    /// Numbers of clients, one after another.
    pub clients: Vec<usize>,
    /// Rounds; in each, both sides run once at every setting, one right after the other.
    pub rounds: usize,
    /// Length of one load.
    pub load: Duration,
    /// The folder of a Rasa that is installed and trained (see [`Rasa::start`]).
    pub peer: Option<PathBuf>,
}

/// One setting of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Setting {
    clients: usize,
    cold: bool,
}

/// Both sides' reports at one setting, round by round.
struct Cell {
    setting: Setting,
    ours: Vec<LoadReport>,
    peer: Vec<LoadReport>,
}

/// Measures moodbot's turns.
pub async fn run(options: &TurnsOptions) -> Result<Results> {
    let binary = Binary::find()?;
    let (_home, release) = release_of(&binary, "moodbot")?;
    let cluster = Cluster::start(ClusterOptions::new(binary.path(), release)).await?;
    let peer = match &options.peer {
        Some(folder) => Some(Rasa::start(folder).await?),
        None => None,
    };
    let sides = Sides { urls: cluster.urls(), peer: peer.as_ref().map(|p| p.url()), load: options.load };
    let mut cells: Vec<Cell> = Vec::new();
    for round in 0..options.rounds {
        for clients in &options.clients {
            for cold in [false, true] {
                let setting = Setting { clients: *clients, cold };
                let (ours, theirs) = sides.measure(setting, round).await?;
                let place = cells.iter().position(|c| c.setting == setting).unwrap_or_else(|| {
                    cells.push(Cell { setting, ours: Vec::new(), peer: Vec::new() });
                    cells.len() - 1
                });
                cells[place].ours.push(ours);
                cells[place].peer.extend(theirs);
            }
        }
    }
    Ok(results(&cells))
}

struct Sides {
    urls: Vec<String>,
    peer: Option<String>,
    load: Duration,
}

impl Sides {
    /// One side, then the other; odd rounds the other way round.
    async fn measure(&self, setting: Setting, round: usize) -> Result<(LoadReport, Option<LoadReport>)> {
        if round % 2 == 1 {
            let peer = self.peer(setting, round).await?;
            return Ok((self.ours(setting, round).await?, peer));
        }
        let ours = self.ours(setting, round).await?;
        Ok((ours, self.peer(setting, round).await?))
    }

    async fn ours(&self, setting: Setting, round: usize) -> Result<LoadReport> {
        let before = self.cache_misses().await?;
        let mut report = self.load("tertulia", Protocol::Tertulia, &self.urls, setting, round).await?;
        // The uncounted load in front is in it too: what counts is that a cold run misses and a warm one does not.
        report.cache_misses = Some(self.cache_misses().await? - before);
        if setting.cold {
            let (misses, turns) = (report.cache_misses.unwrap_or(0), report.turns);
            ensure!(misses >= turns, "a cold run of {turns} turns missed the caches {misses} times only");
        }
        eprintln!("  tertulia: {report}");
        Ok(report)
    }

    /// All nodes' count of understandings that no cache held.
    async fn cache_misses(&self) -> Result<u64> {
        let client = Client::new(Protocol::Tertulia, Duration::from_secs(5))?;
        let mut sum = 0;
        for url in &self.urls {
            let (_, text) = client.get_text(&format!("{url}/metrics")).await?;
            sum += counter(&text, MISSES).unwrap_or(0);
        }
        Ok(sum)
    }

    async fn peer(&self, setting: Setting, round: usize) -> Result<Option<LoadReport>> {
        let Some(url) = &self.peer else { return Ok(None) };
        let report = self.load("rasa", Protocol::Rasa, std::slice::from_ref(url), setting, round).await?;
        eprintln!("  rasa:     {report}");
        Ok(Some(report))
    }

    async fn load(
        &self,
        side: &str,
        protocol: Protocol,
        targets: &[String],
        setting: Setting,
        round: usize,
    ) -> Result<LoadReport> {
        let name = format!("{side}-{}-{}-{round}", setting.clients, if setting.cold { "cold" } else { "warm" });
        let options = LoadOptions {
            protocol,
            clients: setting.clients,
            cold: setting.cold,
            duration: self.load,
            attempt_timeout: Duration::from_secs(20),
            ..LoadOptions::new(targets.to_vec(), name)
        };
        // Connections, code and (for warm runs) caches are warmed by the same kind of load, which is not counted.
        let warm_up = LoadOptions { duration: self.load / 5, run: format!("{}-first", options.run), ..options.clone() };
        Load::start(warm_up, Stopwatch::start())?.finish().await?;
        Ok(Load::start(options, Stopwatch::start())?.finish().await?.report)
    }
}

/// A column of the table: its name, its unit and where it stands in a report.
type Figure = (&'static str, &'static str, fn(&LoadReport) -> f64);
const FIGURES: [Figure; 4] = [
    ("turns/s", "1/s", |r| r.turns_per_s),
    ("P50", "ms", |r| r.p50_ms),
    ("P99", "ms", |r| r.p99_ms),
    ("errors", "turns", |r| r.errors as f64),
];

fn results(cells: &[Cell]) -> Results {
    let mut rows = Vec::new();
    for (figure, unit, pick) in FIGURES {
        for cell in cells {
            let Setting { clients, cold } = cell.setting;
            let name = format!("{figure}, {clients} clients, {}", if cold { "cold" } else { "warm" });
            let values = |reports: &[LoadReport]| reports.iter().map(pick).collect::<Vec<f64>>();
            rows.push(Row::of_rounds(name, unit, &values(&cell.ours), &values(&cell.peer)));
        }
    }
    let plots = FIGURES[..3].iter().map(|(figure, unit, _)| plot(figure, unit, cells, &rows)).collect();
    let detail = cells
        .iter()
        .map(|c| json!({"clients": c.setting.clients, "cold": c.setting.cold, "tertulia": c.ours, "rasa": c.peer}));
    Results { rows, plots, detail: detail.collect() }
}

fn plot(figure: &str, unit: &str, cells: &[Cell], rows: &[Row]) -> Plot {
    let line = |name: &str, cold: bool, pick: fn(&Row) -> Option<f64>| {
        let settings = cells.iter().map(|c| c.setting).filter(|s| s.cold == cold);
        let mode = if cold { "cold" } else { "warm" };
        let point = |s: Setting| {
            let wanted = format!("{figure}, {} clients, {mode}", s.clients);
            rows.iter().find(|r| r.name == wanted).and_then(pick).map(|y| (s.clients as f64, y))
        };
        Series { name: format!("{name}, {mode}"), points: settings.filter_map(point).collect() }
    };
    let ours = |cold| line("Tertulia, three nodes", cold, |r| Some(r.ours));
    let peer = |cold| line("Rasa 3.6", cold, |r| r.peer);
    let mut series = vec![ours(false), ours(true), peer(false), peer(true)];
    series.retain(|s| !s.points.is_empty());
    Plot { title: figure.into(), x: "clients".into(), y: unit.into(), series }
}
