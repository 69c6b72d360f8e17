//! `replication` as a bench: durable writes of 256 bytes on three processes, beside three of etcd.

use crate::replica::{Etcd, Replicas, Side, Writer};
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use results::{Plot, Results, Row, Series};
use serde::Serialize;
use serde_json::json;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// How long one write may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one attempt at a write may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How the bench runs.
#[derive(Debug, Clone)]
pub struct ReplicationOptions {
    /// Numbers of clients, one after another.
    pub clients: Vec<usize>,
    /// Rounds; in each, both sides run once at every number of clients.
    pub rounds: usize,
    /// Length of one load.
    pub load: Duration,
    /// Our number of shards; etcd has one group.
    pub shards: u32,
    /// Measure etcd in the same run.
    pub etcd: bool,
    /// `tertulia-replica`.
    pub program: PathBuf,
    /// Folder for both sides' data.
    pub place: PathBuf,
}

/// What one side did in one load.
#[derive(Debug, Clone, Serialize)]
struct Measured {
    writes_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// CPU time of its three processes for one write.
    cpu_us_per_write: f64,
}

struct Cell {
    clients: usize,
    ours: Vec<Measured>,
    peer: Vec<Measured>,
}

/// Measures; odd rounds the other way round.
pub async fn run(options: &ReplicationOptions) -> Result<Results> {
    let ours = Replicas::start(options.program.clone(), &options.place, options.shards, json!({})).await?;
    // The fastest timing at which etcd stays stable on one machine; it has no influence while nobody fails.
    let peer = if options.etcd { Some(Etcd::start(&options.place, (100, 1_000)).await?) } else { None };
    let mut cells: Vec<Cell> =
        options.clients.iter().map(|c| Cell { clients: *c, ours: Vec::new(), peer: Vec::new() }).collect();
    for round in 0..options.rounds {
        for cell in &mut cells {
            let name = format!("r{round}-{}", cell.clients);
            if round % 2 == 0 {
                cell.ours.push(measure(&ours, &name, cell.clients, options.load).await?);
            }
            if let Some(peer) = &peer {
                cell.peer.push(measure(peer, &name, cell.clients, options.load).await?);
            }
            if round % 2 == 1 {
                cell.ours.push(measure(&ours, &name, cell.clients, options.load).await?);
            }
        }
    }
    Ok(results(&cells))
}

async fn measure<S: Side>(side: &S, run: &str, clients: usize, load: Duration) -> Result<Measured> {
    // Connections and code are warmed by a load that is not counted.
    drive(side, &format!("{run}-warm"), clients, load / 5).await?;
    let before = side.cpu_seconds();
    let (histogram, took) = drive(side, run, clients, load).await?;
    let writes = histogram.len().max(1) as f64;
    let ms = |q: f64| histogram.value_at_quantile(q) as f64 / 1_000.0;
    let measured = Measured {
        writes_per_s: histogram.len() as f64 / took.as_secs_f64(),
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
        max_ms: histogram.max() as f64 / 1_000.0,
        cpu_us_per_write: (side.cpu_seconds() - before) * 1e6 / writes,
    };
    eprintln!(
        "  {:<8} {clients:>4} clients: {:>7.0} writes/s, P50 {:.2} ms, P99 {:.2} ms, max {:.1} ms, CPU {:.0} us a write",
        side.name(),
        measured.writes_per_s,
        measured.p50_ms,
        measured.p99_ms,
        measured.max_ms,
        measured.cpu_us_per_write
    );
    Ok(measured)
}

/// So many clients write for so long: how long each write took, in microseconds, and how long it took in all.
pub(super) async fn drive<S: Side>(
    side: &S,
    run: &str,
    clients: usize,
    load: Duration,
) -> Result<(Histogram<u64>, Duration)> {
    let begun = Instant::now();
    drive_writers(side.writers(run, clients)?, move || begun.elapsed() < load).await
}

/// As [`drive`], with clients that are there, while they are told to go on.
pub(super) async fn drive_writers<W: Writer>(
    writers: Vec<W>,
    goes_on: impl Fn() -> bool + Clone + Send + 'static,
) -> Result<(Histogram<u64>, Duration)> {
    let begun = Instant::now();
    let tasks = writers.into_iter().map(|mut writer| {
        let goes_on = goes_on.clone();
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            while goes_on() {
                let start = Instant::now();
                writer.write(ATTEMPT, PATIENCE).await?;
                latencies.push(start.elapsed());
            }
            anyhow::Ok(latencies)
        })
    });
    let mut histogram = Histogram::new_with_bounds(1, 60_000_000, 3).context("a histogram of a minute")?;
    for task in futures::future::join_all(tasks.collect::<Vec<_>>()).await {
        for latency in task.context("a client has panicked")?? {
            histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        }
    }
    Ok((histogram, begun.elapsed()))
}

type Figure = (&'static str, &'static str, fn(&Measured) -> f64);
const FIGURES: [Figure; 4] = [
    ("writes/s", "1/s", |m| m.writes_per_s),
    ("P50", "ms", |m| m.p50_ms),
    ("P99", "ms", |m| m.p99_ms),
    ("CPU of three processes a write", "us", |m| m.cpu_us_per_write),
];

fn results(cells: &[Cell]) -> Results {
    let mut rows = Vec::new();
    for (figure, unit, pick) in FIGURES {
        for cell in cells {
            let values = |side: &[Measured]| side.iter().map(pick).collect::<Vec<f64>>();
            let name = format!("{figure}, {} clients", cell.clients);
            rows.push(Row::of_rounds(name, unit, &values(&cell.ours), &values(&cell.peer)));
        }
    }
    let plots = FIGURES[..3].iter().map(|(figure, unit, _)| plot(figure, unit, cells, &rows)).collect();
    let detail = cells.iter().map(|c| json!({ "clients": c.clients, "tertulia": c.ours, "etcd": c.peer })).collect();
    Results { rows, plots, detail }
}

fn plot(figure: &str, unit: &str, cells: &[Cell], rows: &[Row]) -> Plot {
    let line = |name: &str, pick: fn(&Row) -> Option<f64>| {
        let point = |cell: &Cell| {
            let wanted = format!("{figure}, {} clients", cell.clients);
            rows.iter().find(|r| r.name == wanted).and_then(pick).map(|y| (cell.clients as f64, y))
        };
        Series { name: name.into(), points: cells.iter().filter_map(point).collect() }
    };
    let mut series = vec![line("Tertulia, 3 processes", |r| Some(r.ours)), line("etcd 3.4, 3 processes", |r| r.peer)];
    series.retain(|s| !s.points.is_empty());
    Plot { title: format!("256-byte durable writes: {figure}"), x: "clients".into(), y: unit.into(), series }
}
