//! The load generator: closed-loop clients with their own idempotency keys that retry on the next node, and that read
//! what they and others have said.

mod client_loop;
mod reader;
mod seen;

use crate::client::{Client, Protocol};
use crate::history::{Attempt, History, Read};
use crate::limits::{
    ATTEMPTS_RECORDED_MAX, CLIENTS_MAX, CLIENTS_PER_DIALOGUE, LOAD_DURATION_MAX, POLL_PAUSE, READS_SHARE_MAX,
    SHARED_DIALOGUE_EVERY, TURNS_PER_SHARED_SESSION,
};
use crate::pauses::longest_gap_ns;
use crate::report::LoadReport;
use crate::script::Script;
use crate::stopwatch::Stopwatch;
use anyhow::{Context, Result, ensure};
use rand::Rng;
use rand::rngs::SmallRng;
use reader::Recent;
use seen::ClientSaw;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// What a load run does, and when it ends: whatever of `duration` and `turns` is reached first.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Base URLs of the nodes. A client stays with one until that fails it.
    pub targets: Vec<String>,
    /// How they are spoken to.
    pub protocol: Protocol,
    /// Closed-loop clients.
    pub clients: usize,
    /// Longest time.
    pub duration: Duration,
    /// Most turns.
    pub turns: Option<u64>,
    /// Sessions that all clients share at random; 0: each client takes a fresh one for each dialogue. Where that is
    /// recorded, every few dialogues are shared by neighbouring clients, so that a checker sees turns that overlap.
    pub sessions: usize,
    /// What is said.
    pub script: Script,
    /// Make every text unique, so that no cache of understandings helps.
    pub cold: bool,
    /// The share of acknowledged turns that are sent again, under the same key, to the next node.
    pub resend: f64,
    /// The share of all operations that are linearizable reads, of any node and of any client's session.
    pub reads: f64,
    /// The mean of the time that a client rests before each turn (uniform from none to twice as much); none: it says one
    /// turn after another.
    pub think_time: Duration,
    /// Bound of one attempt.
    pub attempt_timeout: Duration,
    /// Bound of one turn with all its attempts.
    pub give_up_after: Duration,
    /// Keep every attempt and every read for the checker?
    pub record: bool,
    /// Seed of the choices of sessions, resends and reads.
    pub seed: u64,
    /// Begins all session ids and keys; unique among the runs on one cluster.
    pub run: String,
}

impl LoadOptions {
    /// Eight clients on moodbot's turns for ten seconds, without reads.
    pub fn new(targets: Vec<String>, run: impl Into<String>) -> Self {
        Self {
            targets,
            protocol: Protocol::Tertulia,
            clients: 8,
            duration: Duration::from_secs(10),
            turns: None,
            sessions: 0,
            script: Script::moodbot(),
            cold: false,
            resend: 0.0,
            reads: 0.0,
            think_time: Duration::ZERO,
            attempt_timeout: Duration::from_secs(5),
            give_up_after: Duration::from_secs(30),
            record: false,
            seed: 1,
            run: run.into(),
        }
    }

    fn validate(self) -> Result<Self> {
        ensure!(!self.targets.is_empty(), "targets: none, expected at least one URL");
        ensure!((1..=CLIENTS_MAX).contains(&self.clients), "clients: {}, expected 1 to {CLIENTS_MAX}", self.clients);
        ensure!(self.duration <= LOAD_DURATION_MAX, "duration: {:?}, at most {LOAD_DURATION_MAX:?}", self.duration);
        ensure!((0.0..=1.0).contains(&self.resend), "resend: {}, expected 0 to 1", self.resend);
        let reads = 0.0..=READS_SHARE_MAX;
        ensure!(reads.contains(&self.reads), "reads: {}, expected 0 to {READS_SHARE_MAX}", self.reads);
        let can_read = self.protocol == Protocol::Tertulia;
        ensure!(self.reads == 0.0 || can_read, "reads: {}, but Rasa's REST channel has none", self.reads);
        Ok(self)
    }
}

/// What a load run leaves behind.
#[derive(Debug)]
pub struct LoadOutcome {
    /// The figures.
    pub report: LoadReport,
    /// Every attempt, if the run records.
    pub attempts: Vec<Attempt>,
    /// Every read, if the run records.
    pub reads: Vec<Read>,
    /// When turns were acknowledged, ascending, in nanoseconds of the stopwatch.
    pub acknowledged_ns: Vec<u64>,
    /// The turns with their shard, first invocation and acknowledgement.
    pub turns: Vec<TurnSeen>,
}

impl LoadOutcome {
    /// Takes out what the clients saw, as a history that lacks the log's end.
    pub fn take_history(&mut self) -> History {
        let (attempts, reads) = (std::mem::take(&mut self.attempts), std::mem::take(&mut self.reads));
        History { attempts, reads, views: Vec::new() }
    }
}

/// One acknowledged turn, as its client lived through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnSeen {
    /// The session's shard, where the node told it.
    pub shard: Option<u32>,
    /// When it was first invoked.
    pub start_ns: u64,
    /// When it was acknowledged.
    pub end_ns: u64,
}

/// A load run under way. Dropping it ends the clients.
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<ClientSaw>,
    start_ns: u64,
}

impl Load {
    /// Starts the clients on the current runtime.
    pub fn start(options: LoadOptions, stopwatch: Stopwatch) -> Result<Self> {
        let options = options.validate()?;
        let start_ns = stopwatch.now_ns();
        let shared = Arc::new(Shared {
            client: Client::new(options.protocol, options.attempt_timeout)?,
            deadline_ns: start_ns + u64::try_from(options.duration.as_nanos()).unwrap_or(u64::MAX),
            tickets: AtomicU64::new(options.turns.unwrap_or(u64::MAX)),
            said: (0..options.sessions).map(|_| AtomicU64::new(0)).collect(),
            recent: Recent::default(),
            recorded: AtomicUsize::new(0),
            acknowledged: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            stopwatch,
            options,
        });
        let mut clients = JoinSet::new();
        for id in 0..shared.options.clients {
            clients.spawn(client_loop::run(shared.clone(), id));
        }
        Ok(Self { shared, clients, start_ns })
    }

    /// Turns acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Attempts that were not acknowledged so far.
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Lets the clients rest behind their current turn, or go on.
    pub fn pause(&self, paused: bool) {
        self.shared.paused.store(paused, Ordering::Relaxed);
    }

    /// Asks the clients to end behind their current turn.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }

    /// Waits for the clients' ends and sums up.
    pub async fn finish(mut self) -> Result<LoadOutcome> {
        let mut all = ClientSaw::new();
        while let Some(seen) = self.clients.join_next().await {
            all.absorb(seen.context("a client of the load generator panicked")?);
        }
        let end_ns = self.shared.stopwatch.now_ns();
        let mut acknowledged_ns: Vec<u64> = all.turns.iter().map(|t| t.end_ns).collect();
        acknowledged_ns.sort_unstable();
        let seconds = (end_ns - self.start_ns) as f64 / 1e9;
        let last_ns = acknowledged_ns.last().copied().unwrap_or(end_ns);
        let report = LoadReport {
            clients: self.shared.options.clients,
            cold: self.shared.options.cold,
            turns: all.turns.len() as u64,
            seconds,
            turns_per_s: all.turns.len() as f64 / seconds,
            longest_pause_ms: longest_gap_ns(&acknowledged_ns, self.start_ns, last_ns) as f64 / 1e6,
            ..all.counts
        }
        .with_latencies(&all.latencies_us);
        Ok(LoadOutcome { report, attempts: all.attempts, reads: all.reads, acknowledged_ns, turns: all.turns })
    }
}

struct Shared {
    options: LoadOptions,
    client: Client,
    stopwatch: Stopwatch,
    deadline_ns: u64,
    /// Turns that may still be begun.
    tickets: AtomicU64,
    /// For each shared session the turns said in it.
    said: Vec<AtomicU64>,
    /// What was acknowledged last.
    recent: Recent,
    recorded: AtomicUsize,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    paused: AtomicBool,
    stopped: AtomicBool,
}

impl Shared {
    /// Is the run neither over nor asked to end?
    fn goes_on(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
            && self.stopwatch.now_ns() < self.deadline_ns
            && self.recorded.load(Ordering::Relaxed) < ATTEMPTS_RECORDED_MAX
    }

    /// Waits while the run is paused.
    async fn rest(&self) {
        while self.paused.load(Ordering::Relaxed) && self.goes_on() {
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    /// May another turn begin?
    fn admits(&self) -> bool {
        self.goes_on() && self.tickets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
    }

    /// The session of the next turn.
    fn session(&self, client: usize, dialogue: usize, random: &mut SmallRng) -> String {
        let run = &self.options.run;
        if self.said.is_empty() {
            let together = self.options.record && dialogue % SHARED_DIALOGUE_EVERY == SHARED_DIALOGUE_EVERY - 1;
            if together {
                return format!("{run}-g{}-{dialogue}", client / CLIENTS_PER_DIALOGUE);
            }
            return format!("{run}-c{client}-{dialogue}");
        }
        let slot = random.random_range(0..self.said.len());
        let generation = self.said[slot].fetch_add(1, Ordering::Relaxed) / TURNS_PER_SHARED_SESSION;
        format!("{run}-s{slot}-{generation}")
    }
}
