//! `failover` as a bench: kill -9 of a leader under load and the time to the next acknowledged write, planned stops, and
//! leaderships that move while nobody stops, beside etcd.

use crate::replica::{Etcd, Replicas, Side, Writer};
use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use results::{Plot, Results, Row, Series};
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
    /// Moves of leaderships to a node that has come back, on each side.
    pub moves: usize,
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
    /// From the kill to the next acknowledgement of a write that a client of the killed leader began after it: what was
    /// under way may have been committed before.
    next_ms: f64,
    /// From the kill until the last client of the killed leader has had a write acknowledged.
    all_ms: f64,
    /// The longest that a client of it had no write acknowledged, from the kill on.
    pause_ms: f64,
    /// When that pause began, from the kill.
    pause_at_ms: f64,
}

/// How a leader goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// kill -9.
    Killed,
    /// SIGTERM: it may hand over first.
    Planned,
    /// Nobody goes: leaderships move back to a node that was away.
    Moved,
}

/// A client's writes: when each began and ended, and which node took it.
type Log = Vec<Write>;

/// Kills one side's leader, then the other's, round by round.
pub async fn run(options: &FailoverOptions) -> Result<Results> {
    let mut ours = Replicas::start(options.program.clone(), &options.place, SHARDS, json!({})).await?;
    let mut peer = match options.etcd {
        Some(timing) => Some(Etcd::start(&options.place, timing).await?),
        None => None,
    };
    let mut parts = Vec::new();
    for (end, rounds) in [(End::Killed, options.rounds), (End::Planned, options.planned), (End::Moved, options.moves)] {
        let (mut our_rounds, mut peer_rounds) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            if round % 2 == 0 {
                our_rounds.push(one_round(&mut ours, end, round, options.clients).await?);
            }
            if let Some(peer) = &mut peer {
                peer_rounds.push(one_round(peer, end, round, options.clients).await?);
            }
            if round % 2 == 1 {
                our_rounds.push(one_round(&mut ours, end, round, options.clients).await?);
            }
        }
        parts.push((end, our_rounds, peer_rounds));
    }
    Ok(results(&parts))
}

async fn one_round<S: Side>(side: &mut S, end: End, round: usize, clients: usize) -> Result<Round> {
    // Clients of a side with one leader go to it at once.
    let leader = side.leader().await?;
    if end == End::Moved {
        // Others lead what it led; they give it back when it has been there for a while.
        side.stop(leader).await?;
        side.restart(leader).await?;
        side.leader().await?;
    }
    let load = Load::start(side.writers(&format!("{end:?}-{round}"), clients)?);
    tokio::time::sleep(BEFORE).await;
    let at = Instant::now();
    let found = match end {
        End::Moved => {
            side.give_back(leader).await?;
            tokio::time::sleep(BEFORE).await;
            moved(&load.end().await?, at, leader)
        }
        End::Killed | End::Planned => {
            let leader = busiest(&load.logs.lock()).with_context(|| format!("{} takes no writes", side.name()))?;
            let at = Instant::now();
            if end == End::Killed {
                side.kill(leader)?
            } else {
                side.stop(leader).await?
            }
            tokio::time::sleep(AFTER).await;
            let logs = load.end().await?;
            side.restart(leader).await?;
            // It catches up, and leads again what it should.
            tokio::time::sleep(AFTER).await;
            lost(&logs, at, leader)
        }
    };
    let found = found.with_context(|| format!("round {round}: {}", side.name()))?;
    eprintln!("  {:<8} {end:?} {round:>2}: {found:.0?}", side.name());
    Ok(found)
}

/// Clients that write all the time.
struct Load {
    stop: Arc<AtomicBool>,
    logs: Arc<Mutex<Vec<Log>>>,
    tasks: Vec<tokio::task::JoinHandle<Result<()>>>,
}

impl Load {
    fn start(writers: Vec<impl Writer>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let logs: Arc<Mutex<Vec<Log>>> = Arc::new(Mutex::new(vec![Vec::new(); writers.len()]));
        let task = |(i, mut writer)| {
            let (stop, logs): (Arc<AtomicBool>, Arc<Mutex<Vec<Log>>>) = (stop.clone(), logs.clone());
            async fn run(i: usize, writer: &mut impl Writer, stop: &AtomicBool, logs: &Mutex<Vec<Log>>) -> Result<()> {
                while !stop.load(Relaxed) {
                    let begun = Instant::now();
                    // A side that had lost or doubled a write would refuse the next one: ours numbers them.
                    writer.write(ATTEMPT, PATIENCE).await?;
                    logs.lock()[i].push((begun, Instant::now(), writer.node()));
                }
                Ok(())
            }
            tokio::spawn(async move { run(i, &mut writer, &stop, &logs).await })
        };
        let tasks = writers.into_iter().enumerate().map(task).collect();
        Self { stop, logs, tasks }
    }

    async fn end(self) -> Result<Vec<Log>> {
        self.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await.context("a client has panicked")??;
        }
        Ok(std::mem::take(&mut *self.logs.lock()))
    }
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1e3
}

type Write = (Instant, Instant, usize);

/// Between two acknowledgements: how long, and when it began after `at`, in milliseconds.
fn pause(before: &Write, behind: &Write, at: Instant) -> (f64, f64) {
    (ms(behind.1 - before.1), ms(before.1.saturating_duration_since(at)))
}

fn longest(pauses: &[(f64, f64)]) -> (f64, f64) {
    pauses.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default()
}

/// What the clients of a node that went at `at` have seen.
fn lost(logs: &[Log], at: Instant, node: usize) -> Result<Round> {
    let (mut waited, mut pauses, mut next_ms) = (Vec::new(), Vec::new(), f64::INFINITY);
    for log in logs {
        let Some(last_before) = log.iter().rposition(|(_, ended, _)| *ended <= at) else { continue };
        if log[last_before].2 == node {
            let next = log.get(last_before + 1).context("a client was never served again")?;
            waited.push(ms(next.1 - at));
            pauses.extend(log[last_before..].windows(2).map(|w| pause(&w[0], &w[1], at)));
            let fresh = log[last_before..].iter().find(|(begun, ..)| *begun > at);
            next_ms = fresh.map_or(next_ms, |(_, ended, _)| next_ms.min(ms(*ended - at)));
        }
    }
    ensure!(!waited.is_empty() && next_ms.is_finite(), "nobody was a client of the node that went");
    let (pause_ms, pause_at_ms) = longest(&pauses);
    Ok(Round { next_ms, all_ms: waited.into_iter().fold(0.0, f64::max), pause_ms, pause_at_ms })
}

/// What the clients have seen that were served elsewhere at `at`, and by `node` in the end; all of them where nobody has
/// changed places, because followers pass writes on.
fn moved(logs: &[Log], at: Instant, node: usize) -> Result<Round> {
    let since = |log: &Log| log.iter().rposition(|(_, ended, _)| *ended <= at).map(|last| log[last..].to_vec());
    let logs: Vec<Log> = logs.iter().filter_map(since).collect();
    let has_moved = |log: &Log| log[0].2 != node && log[log.len() - 1].2 == node;
    let any = logs.iter().any(has_moved);
    let affected = logs.iter().filter(|log| !any || has_moved(log));
    let pauses: Vec<_> = affected.flat_map(|log| log.windows(2).map(|w| pause(&w[0], &w[1], at))).collect();
    ensure!(!pauses.is_empty(), "nobody wrote");
    let (pause_ms, pause_at_ms) = longest(&pauses);
    Ok(Round { next_ms: 0.0, all_ms: 0.0, pause_ms, pause_at_ms })
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
const MOVED: &[Figure] = &[("longest pause of a client, leadership moved", |r| r.pause_ms)];

fn results(parts: &[(End, Vec<Round>, Vec<Round>)]) -> Results {
    let (mut rows, mut plots) = (Vec::new(), Vec::new());
    for (end, ours, peer) in parts.iter().filter(|(_, ours, _)| !ours.is_empty()) {
        let figures = match end {
            End::Killed => KILLED,
            End::Planned => PLANNED,
            End::Moved => MOVED,
        };
        for (figure, pick) in figures {
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
