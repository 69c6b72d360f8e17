//! The load generator: closed-loop clients with their own idempotency keys that retry on the next node.

use crate::client::{Client, Protocol};
use crate::history::{Attempt, Outcome};
use crate::limits::{
    ATTEMPTS_RECORDED_MAX, BACKOFF_FIRST, BACKOFF_MAX, CLIENTS_MAX, LATENCY_US_MAX, LOAD_DURATION_MAX,
    TURNS_PER_SHARED_SESSION,
};
use crate::pauses::longest_gap_ns;
use crate::report::{LoadReport, latency_histogram};
use crate::script::Script;
use crate::stopwatch::Stopwatch;
use anyhow::{Context, Result, ensure};
use dialogue::ids::hash64;
use hdrhistogram::Histogram;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
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
    /// Sessions that all clients share at random; 0: each client takes a fresh one for each dialogue.
    pub sessions: usize,
    /// What is said.
    pub script: Script,
    /// Make every text unique, so that no cache of understandings helps.
    pub cold: bool,
    /// The share of acknowledged turns that are sent again, under the same key, to the next node.
    pub resend: f64,
    /// Bound of one attempt.
    pub attempt_timeout: Duration,
    /// Bound of one turn with all its attempts.
    pub give_up_after: Duration,
    /// Keep every attempt for the checker?
    pub record: bool,
    /// Seed of the choices of sessions and resends.
    pub seed: u64,
    /// Begins all session ids and keys; unique among the runs on one cluster.
    pub run: String,
}

impl LoadOptions {
    /// Eight clients on moodbot's turns for ten seconds.
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
    /// When turns were acknowledged, ascending, in nanoseconds of the stopwatch.
    pub acknowledged_ns: Vec<u64>,
    /// The turns with their shard, first invocation and acknowledgement.
    pub turns: Vec<TurnSeen>,
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
    clients: JoinSet<Seen>,
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
            recorded: AtomicUsize::new(0),
            acknowledged: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            stopwatch,
            options,
        });
        let mut clients = JoinSet::new();
        for id in 0..shared.options.clients {
            clients.spawn(run_client(shared.clone(), id));
        }
        Ok(Self { shared, clients, start_ns })
    }

    /// Turns acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Asks the clients to end behind their current turn.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }

    /// Waits for the clients' ends and sums up.
    pub async fn finish(mut self) -> Result<LoadOutcome> {
        let mut all = Seen::new();
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
        Ok(LoadOutcome { report, attempts: all.attempts, acknowledged_ns, turns: all.turns })
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
    recorded: AtomicUsize,
    acknowledged: AtomicU64,
    stopped: AtomicBool,
}

impl Shared {
    /// May another turn begin?
    fn admits(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
            && self.stopwatch.now_ns() < self.deadline_ns
            && self.recorded.load(Ordering::Relaxed) < ATTEMPTS_RECORDED_MAX
            && self.tickets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
    }

    /// The session of the next turn.
    fn session(&self, client: usize, dialogue: usize, random: &mut SmallRng) -> String {
        let run = &self.options.run;
        if self.said.is_empty() {
            return format!("{run}-c{client}-{dialogue}");
        }
        let slot = random.random_range(0..self.said.len());
        let generation = self.said[slot].fetch_add(1, Ordering::Relaxed) / TURNS_PER_SHARED_SESSION;
        format!("{run}-s{slot}-{generation}")
    }
}

/// What one client saw.
struct Seen {
    counts: LoadReport,
    attempts: Vec<Attempt>,
    turns: Vec<TurnSeen>,
    latencies_us: Histogram<u64>,
}

impl Seen {
    fn new() -> Self {
        let counts = LoadReport::default();
        Self { counts, attempts: Vec::new(), turns: Vec::new(), latencies_us: latency_histogram() }
    }

    fn absorb(&mut self, other: Seen) {
        let (sum, more) = (&mut self.counts, other.counts);
        sum.errors += more.errors;
        sum.retries += more.retries;
        sum.resends += more.resends;
        sum.replayed += more.replayed;
        sum.silent += more.silent;
        sum.first_trouble = sum.first_trouble.take().or(more.first_trouble);
        self.attempts.extend(other.attempts);
        self.turns.extend(other.turns);
        self.latencies_us.add(&other.latencies_us).expect("all histograms have the same bounds");
    }
}

/// One turn on its way.
struct Turn {
    session: String,
    key: String,
    text: String,
}

async fn run_client(shared: Arc<Shared>, id: usize) -> Seen {
    let options = &shared.options;
    let mut seen = Seen::new();
    let mut random = SmallRng::seed_from_u64(options.seed ^ ((id as u64) << 32));
    let mut target = id % options.targets.len();
    let mut number = 0_u64;
    for dialogue in 0.. {
        for line in options.script.dialogue(dialogue) {
            if !shared.admits() {
                return seen;
            }
            number += 1;
            let mut turn = Turn {
                session: shared.session(id, dialogue, &mut random),
                key: format!("{}-k{id}-{number}", options.run),
                text: line.clone(),
            };
            if options.cold {
                // The key is unique, so the text is: never said before, in this run or in another.
                turn.text = format!("{line}{}", blanks_of(hash64(turn.key.as_bytes())));
            }
            let acknowledged = say_until_acknowledged(&shared, id, &turn, &mut target, &mut seen).await;
            if acknowledged && options.resend > 0.0 && random.random_bool(options.resend) {
                seen.counts.resends += 1;
                let other = (target + 1) % options.targets.len();
                attempt(&shared, id, &turn, other, &mut seen).await;
            }
        }
    }
    seen
}

/// Forty blanks and tabs that write a number: they make a text unique and leave its words and tokens as they are.
fn blanks_of(number: u64) -> String {
    (0..40).map(|bit| if number >> bit & 1 == 0 { ' ' } else { '\t' }).collect()
}

/// Repeats a turn under its key, each time on the next node, until it is acknowledged or its time is over.
async fn say_until_acknowledged(shared: &Shared, id: usize, turn: &Turn, target: &mut usize, seen: &mut Seen) -> bool {
    let start_ns = shared.stopwatch.now_ns();
    let give_up_ns = start_ns + u64::try_from(shared.options.give_up_after.as_nanos()).unwrap_or(u64::MAX);
    let mut backoff = BACKOFF_FIRST;
    loop {
        let (acknowledged, retry_after) = attempt(shared, id, turn, *target, seen).await;
        let now_ns = shared.stopwatch.now_ns();
        if let Some(shard) = acknowledged {
            let latency_us = (now_ns - start_ns) / 1_000;
            seen.latencies_us.saturating_record(latency_us.clamp(1, LATENCY_US_MAX));
            seen.turns.push(TurnSeen { shard, start_ns, end_ns: now_ns });
            shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        if now_ns >= give_up_ns {
            seen.counts.errors += 1;
            return false;
        }
        seen.counts.retries += 1;
        *target = (*target + 1) % shared.options.targets.len();
        // Another node may serve at once; a lone one is given the time that it asked for.
        let asked = retry_after.filter(|_| shared.options.targets.len() == 1).unwrap_or_default();
        tokio::time::sleep(backoff.max(asked)).await;
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// One attempt: the shard if it was acknowledged, and the patience that was asked for.
async fn attempt(
    shared: &Shared,
    id: usize,
    turn: &Turn,
    target: usize,
    seen: &mut Seen,
) -> (Option<Option<u32>>, Option<Duration>) {
    let start_ns = shared.stopwatch.now_ns();
    let said = shared.client.say(&shared.options.targets[target], &turn.session, &turn.key, &turn.text).await;
    let end_ns = shared.stopwatch.now_ns();
    let acknowledged = match &said.outcome {
        Outcome::Acknowledged(ack) => {
            seen.counts.replayed += u64::from(ack.replayed);
            seen.counts.silent += u64::from(ack.replies.as_array().is_none_or(Vec::is_empty));
            Some(ack.shard)
        }
        Outcome::Unknown { why } | Outcome::Refused { why } => {
            seen.counts.first_trouble.get_or_insert_with(|| why.clone());
            None
        }
    };
    if shared.options.record {
        shared.recorded.fetch_add(1, Ordering::Relaxed);
        seen.attempts.push(Attempt {
            client: u32::try_from(id).expect("clients are at most CLIENTS_MAX"),
            session: turn.session.clone(),
            key: turn.key.clone(),
            text: turn.text.clone(),
            target,
            start_ns,
            end_ns,
            outcome: said.outcome,
        });
    }
    (acknowledged, said.retry_after)
}
