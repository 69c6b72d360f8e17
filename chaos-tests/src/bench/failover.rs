//! `failover` as a bench: kill -9 of a leader under load, and the time to the next acknowledged write, beside etcd.

use super::{Plot, Results, Row, Series};
use crate::replica::{Etcd, Replicas, Side, Writer};
use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How long a node may leave a write unanswered before its client tries the next: far above what a write takes here.
const ATTEMPT: Duration = Duration::from_millis(150);
/// How long one write may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the load goes on around a kill.
const BEFORE: Duration = Duration::from_millis(1_000);
const AFTER: Duration = Duration::from_millis(3_000);

/// Our number of shards.
const SHARDS: u32 = 16;

/// How the bench runs.
#[derive(Debug, Clone)]
pub struct FailoverOptions {
    /// Clients that write all the time.
    pub clients: usize,
    /// Kills of each side.
    pub rounds: usize,
    /// Planned stops (SIGTERM) of each side.
    pub planned: usize,
    /// Measure etcd in the same run, with these timings: heartbeat and election timeout, in milliseconds.
    pub etcd: Option<(u64, u64)>,
    /// `tertulia-replica`.
    pub program: PathBuf,
    /// Folder for both sides' data.
    pub place: PathBuf,
}

/// One kill.
#[derive(Debug, Clone, Copy, Serialize)]
struct Round {
    /// From the kill to the next write that a client of the killed leader has acknowledged.
    next_ms: f64,
    /// From the kill until the last client of the killed leader has had a write acknowledged.
    all_ms: f64,
    /// The longest that a client of it had no write acknowledged, from the kill on.
    pause_ms: f64,
}

/// How a leader goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// kill -9.
    Killed,
    /// SIGTERM: it may hand over first.
    Planned,
}

/// A client's writes: when each began and ended, and which node took it.
type Log = Vec<(Instant, Instant, usize)>;

/// Kills one side's leader, then the other's, round by round.
pub async fn run(options: &FailoverOptions) -> Result<Results> {
    let mut ours = Replicas::start(options.program.clone(), &options.place, SHARDS, json!({})).await?;
    let mut peer = match options.etcd {
        Some(timing) => Some(Etcd::start(&options.place, timing).await?),
        None => None,
    };
    let mut parts = Vec::new();
    for (end, rounds) in [(End::Killed, options.rounds), (End::Planned, options.planned)] {
        let (mut our_rounds, mut peer_rounds) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            if round % 2 == 0 {
                our_rounds.push(lose_leader(&mut ours, end, round, options.clients).await?);
            }
            if let Some(peer) = &mut peer {
                peer_rounds.push(lose_leader(peer, end, round, options.clients).await?);
            }
            if round % 2 == 1 {
                our_rounds.push(lose_leader(&mut ours, end, round, options.clients).await?);
            }
        }
        parts.push((end, our_rounds, peer_rounds));
    }
    Ok(results(&parts))
}

async fn lose_leader<S: Side>(side: &mut S, end: End, round: usize, clients: usize) -> Result<Round> {
    // Clients of a side with one leader go to it at once.
    side.leader().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let logs: Arc<Mutex<Vec<Log>>> = Arc::new(Mutex::new(vec![Vec::new(); clients]));
    let mut tasks = Vec::new();
    for (i, mut writer) in side.writers(&format!("{end:?}-{round}"), clients)?.into_iter().enumerate() {
        let (stop, logs) = (stop.clone(), logs.clone());
        tasks.push(tokio::spawn(async move {
            while !stop.load(Relaxed) {
                let begun = Instant::now();
                // A side that had lost or doubled a write would refuse the next one: ours numbers them.
                writer.write(ATTEMPT, PATIENCE).await?;
                logs.lock()[i].push((begun, Instant::now(), writer.node()));
            }
            anyhow::Ok(())
        }));
    }
    tokio::time::sleep(BEFORE).await;
    let leader = busiest(&logs.lock()).with_context(|| format!("{} takes no writes", side.name()))?;
    let killed = Instant::now();
    match end {
        End::Killed => side.kill(leader)?,
        End::Planned => side.stop(leader).await?,
    }
    tokio::time::sleep(AFTER).await;
    stop.store(true, Relaxed);
    for task in tasks {
        task.await.context("a client has panicked")?.with_context(|| format!("round {round}: {}", side.name()))?;
    }
    side.restart(leader).await?;
    // It catches up, and leads again what it should.
    tokio::time::sleep(AFTER).await;

    let logs = std::mem::take(&mut *logs.lock());
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let (mut waited, mut pauses) = (Vec::new(), Vec::new());
    for log in &logs {
        let Some(last_before) = log.iter().rposition(|(_, ended, _)| *ended <= killed) else { continue };
        if log[last_before].2 == leader {
            let next = log.get(last_before + 1).context("a client was never served again")?;
            waited.push(ms(next.1 - killed));
            pauses.extend(log[last_before..].windows(2).map(|w| ms(w[1].1 - w[0].1)));
        }
    }
    ensure!(!waited.is_empty(), "round {round}: nobody was a client of the killed leader of {}", side.name());
    let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let next_ms = waited.iter().copied().fold(f64::INFINITY, f64::min);
    let found = Round { next_ms, all_ms: largest(&waited), pause_ms: largest(&pauses) };
    eprintln!("  {:<8} {end:?} {round:>2}: {found:.0?}", side.name());
    Ok(found)
}

/// The node that took the last write of most clients.
fn busiest(logs: &[Log]) -> Option<usize> {
    let nodes: Vec<usize> = logs.iter().filter_map(|log| log.last()).map(|(.., node)| *node).collect();
    nodes.iter().copied().max_by_key(|node| nodes.iter().filter(|n| *n == node).count())
}

/// A figure of a round: its name, and where it stands.
type Figure = (&'static str, fn(&Round) -> f64);
const KILLED: &[Figure] = &[
    ("next acknowledged write after kill -9", |r| r.next_ms),
    ("every client served again after kill -9", |r| r.all_ms),
    ("longest pause of a client, kill -9", |r| r.pause_ms),
];
const PLANNED: &[Figure] = &[("longest pause of a client, planned stop", |r| r.pause_ms)];

fn results(parts: &[(End, Vec<Round>, Vec<Round>)]) -> Results {
    let (mut rows, mut plots) = (Vec::new(), Vec::new());
    for (end, ours, peer) in parts.iter().filter(|(_, ours, _)| !ours.is_empty()) {
        for (figure, pick) in if *end == End::Killed { KILLED } else { PLANNED } {
            let of = |rounds: &[Round]| rounds.iter().map(pick).collect::<Vec<f64>>();
            rows.push(Row::of_rounds(format!("{figure}, median"), "ms", &of(ours), &of(peer)));
            let worst = |rounds: &[Round]| rounds.iter().map(pick).reduce(f64::max).into_iter().collect::<Vec<f64>>();
            let row = Row::of_rounds(format!("{figure}, worst"), "ms", &worst(ours), &worst(peer));
            rows.push(Row { rounds: ours.len(), ..row });
        }
        let line = |name: &str, rounds: &[Round]| Series {
            name: name.into(),
            points: (1..).zip(rounds).map(|(i, r)| (f64::from(i), r.pause_ms)).collect(),
        };
        let mut series = vec![line("Tertulia", ours), line("etcd 3.4", peer)];
        series.retain(|s| !s.points.is_empty());
        let title = format!("{end:?} leader: longest pause of a client");
        plots.push(Plot { title, x: "round".into(), y: "ms".into(), series });
    }
    let detail =
        parts.iter().map(|(end, ours, peer)| json!({ "end": format!("{end:?}"), "tertulia": ours, "etcd": peer }));
    Results { rows, plots, detail: detail.collect() }
}
