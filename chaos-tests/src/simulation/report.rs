//! What came of a simulation.

use super::{fault::Fault, invariants::Seen, network::NetworkCounts, plan::Plan};
use drills::history::{Attempt, LogView, Outcome, Read};
use raft::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Broken {
    /// Its name.
    pub invariant: String,
    /// When it was seen, in simulated milliseconds.
    pub at_ms: u64,
    /// What was seen.
    pub what: String,
}

/// What came of a simulation. The same plan gives the same report, byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The name of its timing.
    pub timing: String,
    /// Simulated time, in microseconds.
    pub simulated_us: u64,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Turns that were acknowledged.
    pub acknowledged: u64,
    /// Turns of timers.
    #[serde(default)]
    pub timers: u64,
    /// Attempts whose outcome no client knows.
    pub unknown: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// Leaderships that were seen.
    pub leaderships: u64,
    /// Nodes that came back under a new id.
    pub rejoins: u64,
    /// Processes that ended by themselves.
    pub ended: u64,
    /// Bits that were flipped.
    pub flips: u64,
    /// The network.
    pub network: NetworkCounts,
    /// Over all bytes on the network and when they came.
    pub digest: u32,
    /// What did not hold, if anything.
    pub broken: Option<Broken>,
    /// What happened, in order.
    pub story: Vec<String>,
    /// What the clients saw.
    pub attempts: Vec<Attempt>,
    /// What they read.
    pub read: Vec<Read>,
    /// What the nodes hold at the end.
    pub views: Vec<LogView>,
    #[serde(skip)]
    says: bool,
    #[serde(skip)]
    led: BTreeMap<(String, u64), u64>,
}

impl Report {
    pub(super) fn new(plan: &Plan, says: bool) -> Self {
        Self {
            seed: plan.seed,
            timing: plan.timing.name.clone(),
            simulated_us: 0,
            faults: BTreeMap::new(),
            acknowledged: 0,
            timers: 0,
            unknown: 0,
            reads: 0,
            leaderships: 0,
            rejoins: 0,
            ended: 0,
            flips: 0,
            network: NetworkCounts::default(),
            digest: 0,
            broken: None,
            story: Vec::new(),
            attempts: Vec::new(),
            read: Vec::new(),
            views: Vec::new(),
            says,
            led: BTreeMap::new(),
        }
    }

    pub(super) fn say(&mut self, now_us: u64, what: &str) {
        let line = format!("{:>9}.{:03} ms  {what}", now_us / 1_000, now_us % 1_000);
        if self.says {
            eprintln!("{line}");
        }
        self.story.push(line);
    }

    pub(super) fn struck(&mut self, fault: &Fault) {
        *self.faults.entry(fault.kind().into()).or_default() += 1;
    }

    pub(super) fn broken(&mut self, broken: Broken) {
        self.say(broken.at_ms * 1_000, &format!("broken: {}: {}", broken.invariant, broken.what));
        self.broken = Some(broken);
    }

    pub(super) fn looked(&mut self, seen: &[Seen], now_us: u64) {
        for seen in seen {
            for group in seen.status.shards.iter().chain([&seen.status.control]) {
                let name = group.shard.map_or("control".into(), |s| format!("shard {s}"));
                if group.role == Role::Leader && self.led.insert((name.clone(), group.term), seen.status.node).is_none()
                {
                    self.leaderships += 1;
                    let node = seen.status.node;
                    self.say(now_us, &format!("{name}: node {node} leads term {}", group.term));
                }
            }
        }
    }

    pub(super) fn saw(&mut self, attempts: Vec<Attempt>, reads: Vec<Read>) {
        self.acknowledged = attempts.iter().filter(|a| matches!(a.outcome, Outcome::Acknowledged(_))).count() as u64;
        self.unknown = attempts.iter().filter(|a| matches!(a.outcome, Outcome::Unknown { .. })).count() as u64;
        self.reads = reads.iter().filter(|r| r.seen.is_some()).count() as u64;
        self.attempts = attempts;
        self.read = reads;
    }
}
