//! The drill `kill-leader`: under load, the process that leads most shards is killed and started again (or frozen and
//! thawed), round by round;
//! then the checker judges everything that the clients saw.

use crate::checker::{Verdict, check};
use crate::client::{Client, Protocol};
use crate::cluster::{Cluster, ZONES};
use crate::history::{Attempt, History, LogView};
use crate::limits::{READ_DEADLINE, READS_IN_FLIGHT, READS_SHARE, READY_DEADLINE};
use crate::load::{Load, LoadOptions, LoadOutcome, TurnSeen};
use crate::pauses::longest_gap_ns;
use crate::report::LoadReport;
use crate::stopwatch::Stopwatch;
use anyhow::{Context, Error, Result};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What happens to the leading process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is killed (SIGKILL) and started again.
    Kill,
    /// It is frozen (SIGSTOP) and thawed (SIGCONT). Meanwhile others lead, and it does not know: what clients asked of it
    /// in that time is answered after it.
    Freeze,
}

/// How a drill runs.
#[derive(Debug, Clone)]
pub struct DrillOptions {
    /// Kills, or other faults.
    pub rounds: usize,
    /// What a round does.
    pub fault: Fault,
    /// Clients of the load.
    pub clients: usize,
    /// Sessions that they share.
    pub sessions: usize,
    /// The share of acknowledged turns that are sent again under the same key.
    pub resend: f64,
    /// The share of operations that are reads.
    pub reads: f64,
    /// How long a killed node stays away.
    pub down: Duration,
    /// How long the cluster runs whole before each kill.
    pub whole: Duration,
    /// Seed of the load.
    pub seed: u64,
    /// The folder in which the history is kept where the drill fails.
    pub evidence: PathBuf,
}

impl DrillOptions {
    /// Eight clients, 32 sessions, every tenth turn sent twice, every tenth operation a read; evidence among the temporary
    /// files.
    pub fn rounds(rounds: usize) -> Self {
        Self {
            rounds,
            fault: Fault::Kill,
            clients: 8,
            sessions: 32,
            resend: 0.1,
            reads: READS_SHARE,
            down: Duration::from_millis(2_500),
            whole: Duration::from_millis(1_500),
            seed: 1,
            evidence: std::env::temp_dir(),
        }
    }
}

impl DrillOptions {
    /// Freezes instead of kills, and many reads on few sessions: while the leader stands still, others say more there, and
    /// its own door keeps the questions.
    pub fn frozen(rounds: usize) -> Self {
        Self { fault: Fault::Freeze, clients: 12, sessions: 12, reads: 0.4, ..Self::rounds(rounds) }
    }

    fn load(&self, cluster: &Cluster) -> LoadOptions {
        LoadOptions {
            clients: self.clients,
            sessions: self.sessions,
            resend: self.resend,
            reads: self.reads,
            record: true,
            seed: self.seed,
            attempt_timeout: Duration::from_secs(5),
            ..LoadOptions::new(cluster.urls(), format!("drill{}", self.seed))
        }
    }
}

/// One kill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Round {
    /// The zone that was killed.
    pub zone: String,
    /// Shards that it led.
    pub led: usize,
    /// Longest time without any acknowledgement around the kill, in milliseconds.
    pub pause_ms: f64,
    /// Longest time without an acknowledgement among the sessions whose leader was killed, in milliseconds.
    pub pause_of_its_shards_ms: f64,
    /// Worst latency of a turn that was under way at the kill or begun while the node was away, in milliseconds.
    pub worst_turn_ms: f64,
    /// From the new start of the process until it was ready, in milliseconds.
    pub rejoin_ms: f64,
}

/// What a drill found.
#[derive(Debug, Serialize)]
pub struct DrillReport {
    /// The kills.
    pub rounds: Vec<Round>,
    /// The load's own figures.
    pub load: LoadReport,
    /// The judgement.
    pub verdict: Verdict,
    /// Where the evidence lies, if the verdict does not hold: `tertulia-load check FILE` judges it again.
    pub evidence: Option<PathBuf>,
}

/// Runs the drill on a whole cluster, which is whole again at its end.
pub async fn kill_leader(cluster: &mut Cluster, options: &DrillOptions) -> Result<DrillReport> {
    let stopwatch = Stopwatch::start();
    // The rounds end the load; this is the bound behind them.
    let bound = (options.down + options.whole + READY_DEADLINE) * u32::try_from(options.rounds + 1)?;
    let load = LoadOptions { duration: bound, ..options.load(cluster) };
    let load = Load::start(load, stopwatch)?;
    let kills = kill_all(cluster, options, stopwatch).await;
    load.stop();
    judge(cluster, options, load.finish().await?, kills).await
}

/// The same load on a whole cluster until so many turns were said, and nothing is killed.
pub async fn calm(cluster: &Cluster, options: &DrillOptions, turns: u64) -> Result<DrillReport> {
    let load = LoadOptions { turns: Some(turns), duration: READY_DEADLINE, ..options.load(cluster) };
    let outcome = Load::start(load, Stopwatch::start())?.finish().await?;
    judge(cluster, options, outcome, Ok(Vec::new())).await
}

/// What the clients saw, judged.
#[derive(Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Where the history lies, if the verdict does not hold.
    pub evidence: Option<PathBuf>,
}

/// Reads the log from every node and judges what the clients of a load saw; takes its attempts and reads. A history that
/// does not hold, or whose end could not be read, is written to `file`.
pub async fn conclude(urls: &[String], outcome: &mut LoadOutcome, file: &Path) -> Result<Judgement> {
    let mut history = outcome.take_history();
    let client = Client::new(Protocol::Tertulia, Duration::from_secs(5))?;
    match read_views(&client, urls, &history.attempts).await {
        Ok(views) => history.views = views,
        Err(e) => return Err(keep(&history, file, e)),
    }
    let verdict = check(&history);
    if verdict.holds() {
        return Ok(Judgement { verdict, evidence: None });
    }
    history.save(file)?;
    Ok(Judgement { verdict, evidence: Some(file.to_owned()) })
}

/// Keeps what was seen until a drill broke off.
fn keep(history: &History, file: &Path, error: Error) -> Error {
    match history.save(file) {
        Ok(()) => error.context(format!("evidence: {}", file.display())),
        Err(e) => error.context(format!("and there is no evidence: {e:#}")),
    }
}

async fn judge(
    cluster: &Cluster,
    options: &DrillOptions,
    mut outcome: LoadOutcome,
    kills: Result<Vec<Kill>>,
) -> Result<DrillReport> {
    let file = options.evidence.join(format!("drill-{}-{}.history.json", options.seed, std::process::id()));
    let kills = kills.map_err(|e| keep(&outcome.take_history(), &file, e))?;
    let Judgement { verdict, evidence } = conclude(&cluster.urls(), &mut outcome, &file).await?;
    let rounds = kills.iter().map(|kill| kill.measure(&outcome)).collect();
    Ok(DrillReport { rounds, load: outcome.report, verdict, evidence })
}

async fn kill_all(cluster: &mut Cluster, options: &DrillOptions, stopwatch: Stopwatch) -> Result<Vec<Kill>> {
    let mut kills = Vec::new();
    for round in 0..options.rounds {
        tokio::time::sleep(options.whole).await;
        kills.push(kill_one(cluster, options, stopwatch).await.with_context(|| format!("round {}", round + 1))?);
    }
    tokio::time::sleep(options.whole).await;
    Ok(kills)
}

struct Kill {
    zone: &'static str,
    /// The shards that it led.
    shards: BTreeSet<u64>,
    killed_ns: u64,
    back_ns: u64,
    rejoin: Duration,
}

async fn kill_one(cluster: &mut Cluster, options: &DrillOptions, stopwatch: Stopwatch) -> Result<Kill> {
    let victim = cluster.leads_most(READ_DEADLINE).await?;
    let leaders = cluster.leaders(READ_DEADLINE).await?;
    let shards = leaders.iter().filter(|(_, leader)| **leader == victim).map(|(shard, _)| *shard).collect();
    let killed_ns = stopwatch.now_ns();
    match options.fault {
        Fault::Kill => cluster.kill(victim)?,
        Fault::Freeze => cluster.freeze(victim)?,
    }
    tokio::time::sleep(options.down).await;
    let back_ns = stopwatch.now_ns();
    match options.fault {
        Fault::Kill => cluster.restart(victim)?,
        Fault::Freeze => cluster.thaw(victim)?,
    }
    cluster.wait_ready(READY_DEADLINE).await?;
    let rejoin = Duration::from_nanos(stopwatch.now_ns() - back_ns);
    Ok(Kill { zone: ZONES[victim], shards, killed_ns, back_ns, rejoin })
}

impl Kill {
    fn measure(&self, outcome: &LoadOutcome) -> Round {
        let hit = |turn: &&TurnSeen| turn.shard.is_some_and(|shard| self.shards.contains(&u64::from(shard)));
        let mut of_its_shards: Vec<u64> = outcome.turns.iter().filter(hit).map(|t| t.end_ns).collect();
        of_its_shards.sort_unstable();
        let under_way = |turn: &&TurnSeen| turn.end_ns >= self.killed_ns && turn.start_ns <= self.back_ns;
        let worst = outcome.turns.iter().filter(under_way).map(|t| t.end_ns - t.start_ns).max().unwrap_or(0);
        let ms = |ns: u64| ns as f64 / 1e6;
        Round {
            zone: self.zone.into(),
            led: self.shards.len(),
            pause_ms: ms(longest_gap_ns(&outcome.acknowledged_ns, self.killed_ns, self.back_ns)),
            pause_of_its_shards_ms: ms(longest_gap_ns(&of_its_shards, self.killed_ns, self.back_ns)),
            worst_turn_ms: ms(worst),
            rejoin_ms: self.rejoin.as_secs_f64() * 1e3,
        }
    }
}

/// Reads every session that the attempts name, from every node.
pub async fn read_views(client: &Client, urls: &[String], attempts: &[Attempt]) -> Result<Vec<LogView>> {
    let sessions: BTreeSet<&str> = attempts.iter().map(|a| a.session.as_str()).collect();
    let mut views = Vec::new();
    for url in urls {
        let reads = sessions.iter().map(|session| async move {
            Ok::<_, anyhow::Error>(((*session).to_owned(), client.turns(url, session).await?))
        });
        let sessions = stream::iter(reads).buffer_unordered(READS_IN_FLIGHT).try_collect().await?;
        views.push(LogView { node: url.clone(), sessions });
    }
    Ok(views)
}
