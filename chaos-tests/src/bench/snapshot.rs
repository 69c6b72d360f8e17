//! `snapshot` as a bench: a node that was away gets a shard of many sessions as a snapshot while the shard takes writes.

use super::replication;
use crate::replica::{Replicas, Side, Writer};
use anyhow::{Context, Result, ensure};
use drills::limits::POLL_PAUSE;
use futures::{StreamExt, TryStreamExt};
use hdrhistogram::Histogram;
use results::{Results, Row};
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

/// How long one attempt at a write may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long one write may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Writers at once while the sessions are made.
const FILL_CLIENTS: usize = 512;

/// How long the clients write before the node comes back.
const SETTLE: Duration = Duration::from_millis(500);

/// How long a node may take for its snapshot.
const INSTALL_MAX: Duration = Duration::from_secs(120);

/// How the bench runs.
#[derive(Debug, Clone)]
pub struct SnapshotOptions {
    /// Sessions of the shard.
    pub sessions: usize,
    /// Clients that write all the time.
    pub clients: usize,
    /// Rounds; in each a node is away and comes back.
    pub rounds: usize,
    /// Length of the load before, and of the one while the node is away. Then it goes on until the node has its state.
    pub load: Duration,
    /// `tertulia-replica`.
    pub program: PathBuf,
    /// Folder for the data.
    pub place: PathBuf,
}

#[derive(Debug, Clone, Serialize)]
struct Round {
    before_p99_ms: f64,
    during_p99_ms: f64,
    before_max_ms: f64,
    during_max_ms: f64,
    snapshot_bytes: u64,
    /// From the start of the node that was away until it had the whole snapshot, and until that was its state.
    received_s: f64,
    installed_s: f64,
    /// The most memory that the receiver has taken since it started, and the leader since its own start.
    receiver_peak_bytes: u64,
    leader_peak_bytes: u64,
}

/// Measures.
pub async fn run(options: &SnapshotOptions) -> Result<Results> {
    // A short log, so that whoever was away needs a snapshot.
    let raft = json!({ "snapshot_after_entries": 50, "log_entries_kept": 20 });
    let mut side = Replicas::start(options.program.clone(), &options.place, 1, raft).await?;
    fill(&side, options.sessions).await?;
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        let leader = side.leader().await?;
        let away = (leader + 1) % 3;
        let before = drive(&side, &format!("before-{round}"), options).await?;
        side.stop(away).await?;
        drive(&side, &format!("away-{round}"), options).await?;
        // The clients are at work when it comes back: who begins on a node that begins waits for it.
        let writers = side.writers(&format!("during-{round}"), options.clients)?;
        let busy = Arc::new(AtomicBool::new(true));
        let goes_on = busy.clone();
        let during = tokio::spawn(replication::drive_writers(writers, move || goes_on.load(Relaxed)));
        tokio::time::sleep(SETTLE).await;
        let begun = Instant::now();
        side.restart(away).await?;
        let came = watch(&side, away, begun, begun + INSTALL_MAX).await;
        busy.store(false, Relaxed);
        let came = came.context("the node that was away got no snapshot, or takes very long")?;
        let (during, _) = during.await.context("a client has panicked")??;
        let ms = |h: &Histogram<u64>, q: f64| h.value_at_quantile(q) as f64 / 1_000.0;
        let found = Round {
            before_p99_ms: ms(&before, 0.99),
            during_p99_ms: ms(&during, 0.99),
            before_max_ms: ms(&before, 1.0),
            during_max_ms: ms(&during, 1.0),
            snapshot_bytes: came.bytes,
            received_s: came.received.as_secs_f64(),
            installed_s: came.installed.as_secs_f64(),
            receiver_peak_bytes: side.peak_memory_bytes(away),
            leader_peak_bytes: side.peak_memory_bytes(leader),
        };
        eprintln!("  {found:?}");
        rounds.push(found);
    }
    let pick = |f: fn(&Round) -> f64| rounds.iter().map(f).collect::<Vec<f64>>();
    let p99 = "P99 of writes while a snapshot is sent (peer: before)";
    let rows = vec![
        Row::of_rounds(p99, "ms", &pick(|r| r.during_p99_ms), &pick(|r| r.before_p99_ms)),
        Row::of_rounds("longest write (peer: before)", "ms", &pick(|r| r.during_max_ms), &pick(|r| r.before_max_ms)),
        Row::of_rounds("until the snapshot is there", "s", &pick(|r| r.received_s), &[]),
        Row::of_rounds("until it is installed", "s", &pick(|r| r.installed_s), &[]),
        Row::of_rounds("snapshot", "MiB", &pick(|r| mib(r.snapshot_bytes)), &[]),
        Row::of_rounds("peak memory of the receiver", "MiB", &pick(|r| mib(r.receiver_peak_bytes)), &[]),
        Row::of_rounds("peak memory of the leader", "MiB", &pick(|r| mib(r.leader_peak_bytes)), &[]),
    ];
    Ok(Results { rows, plots: Vec::new(), detail: json!(rounds) })
}

struct Came {
    bytes: u64,
    received: Duration,
    installed: Duration,
}

/// Follows a snapshot into a node that has just begun; nothing if none came before the deadline.
async fn watch(side: &Replicas, node: usize, begun: Instant, deadline: Instant) -> Option<Came> {
    let mut came = None;
    while Instant::now() < deadline {
        match (side.installing(node), &mut came) {
            (Some(bytes), None) => came = Some(Came { bytes, received: begun.elapsed(), installed: Duration::ZERO }),
            (None, Some(came)) => came.installed = begun.elapsed(),
            _ => {}
        }
        if came.as_ref().is_some_and(|came| !came.installed.is_zero()) {
            return came;
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
    None
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// One turn in each of so many sessions.
async fn fill(side: &Replicas, sessions: usize) -> Result<()> {
    let mut made = 0;
    while made < sessions {
        let count = FILL_CLIENTS.min(sessions - made);
        let writers = futures::stream::iter(side.writers(&format!("fill-{made}"), count)?);
        let write = async |mut writer: <Replicas as Side>::Writer| writer.write(ATTEMPT, PATIENCE).await;
        writers.map(write).buffer_unordered(count).try_collect::<Vec<()>>().await?;
        made += count;
        eprint!("\r  {made} of {sessions} sessions");
    }
    eprintln!();
    Ok(())
}

async fn drive(side: &Replicas, run: &str, options: &SnapshotOptions) -> Result<Histogram<u64>> {
    let (histogram, _) = replication::drive(side, run, options.clients, options.load).await?;
    ensure!(!histogram.is_empty(), "no write was acknowledged");
    Ok(histogram)
}
