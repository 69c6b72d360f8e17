//! What a simulation does: everything that its seed decides before it begins. A plan can be written down, cut short and run
//! again.

use super::{chance::Chance, fault::Fault, network::Link};
use serde::{Deserialize, Serialize};

/// A simulation from beginning to end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Everything that is drawn while it runs comes from here.
    pub seed: u64,
    /// The zone of each machine.
    pub zones: Vec<usize>,
    /// Number of shards.
    pub shards: u32,
    /// How fast the cluster's clocks tick.
    pub timing: Timing,
    /// How long a barrier of a disk takes: at least, and added at random up to this, in microseconds.
    pub barrier_us: (u64, u64),
    /// Between machines of one zone.
    pub near: Link,
    /// Between zones, and between clients and machines.
    pub far: Link,
    /// How much each machine's clock runs too fast or too slow, in parts per million.
    pub drift_ppm: Vec<i64>,
    /// How far each machine's wall clock is off, in milliseconds.
    pub skew_ms: Vec<i64>,
    /// What is said.
    pub load: Load,
    /// Entries after which a log is purged.
    pub snapshot_after_entries: u64,
    /// Entries that a purge leaves.
    pub log_entries_kept: u64,
    /// Most sessions in memory on a machine.
    pub sessions_active_max: usize,
    /// How long a session lasts without a message, in milliseconds; 0 for ever.
    #[serde(default)]
    pub expiry_ms: u64,
    /// How long there are faults, in simulated seconds.
    pub seconds: u64,
    /// What goes wrong, in order.
    pub faults: Vec<Planned>,
}

/// How fast the cluster's clocks tick.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Timing {
    /// For people.
    pub name: String,
    /// The leader's heartbeat, in milliseconds.
    pub heartbeat_ms: u64,
    /// Shortest election timeout, in milliseconds.
    pub election_ms_min: u64,
    /// Longest election timeout and lease, in milliseconds.
    pub election_ms_max: u64,
    /// When idle shards fall asleep, in milliseconds; 0 for never.
    pub idle_sleep_ms: u64,
    /// The simulation's step: nothing crosses the network faster, in microseconds.
    pub step_us: u64,
    /// Time scale of latencies, barriers, pauses of clients and faults, next to the fastest.
    pub scale: u64,
}

/// What the clients do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Load {
    /// How many clients there are.
    pub clients: usize,
    /// How many sessions they share.
    pub sessions: usize,
    /// Longest pause of a client between two turns, in milliseconds.
    pub pause_ms_max: u64,
    /// Share of operations that are reads.
    pub reads: f64,
    /// Share of acknowledged turns that are sent again.
    pub resends: f64,
    /// How long an answer is waited for, in milliseconds.
    pub patience_ms: u64,
    /// Share of turns that schedule a reminder.
    #[serde(default)]
    pub reminders: f64,
    /// Longest time until a reminder is due, in milliseconds.
    #[serde(default)]
    pub reminder_ms_max: u64,
}

/// A fault and when it comes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// Simulated milliseconds after the beginning of the load.
    pub at_ms: u64,
    /// What happens.
    pub fault: Fault,
}

impl Plan {
    /// The plan of a seed. Each seed has its own mix of faults: some kinds are left out altogether, so that the others come
    /// often enough to meet one another. With `timing` its clocks tick at that speed.
    pub fn of(seed: u64, seconds: u64, timing: Option<&str>) -> Self {
        let (mut chance, mut timers) = (Chance::of(seed, "plan"), Chance::of(seed, "timers"));
        // The default configuration, the same over a wide area, and one that is slower still: in the same simulated time
        // the slower ones do less, and take less.
        let drawn = *chance.pick(&["lan", "wan", "slow", "slow"]);
        let timing = match timing.unwrap_or(drawn) {
            "lan" => Timing::new("lan", 30, 80, 130, 1),
            "wan" => Timing::new("wan", 150, 400, 650, 5),
            _ => Timing::new("slow", 600, 1_600, 2_600, 20),
        };
        let idle_sleep_ms = *chance.pick(&[0, 2_000, 2_000, 10_000]);
        let timing = Timing { idle_sleep_ms: idle_sleep_ms * timing.scale.min(5), ..timing };
        let zones = chance.pick(&[vec![0, 1, 2], vec![0, 0, 1, 2], vec![0, 0, 1, 1, 2]]).clone();
        let scale = timing.scale;
        let link = |latency_us: u64, jitter_us: u64| Link {
            latency_us: latency_us * scale,
            jitter_us: jitter_us * scale,
            loss: 0.0,
            twice: 0.0,
        };
        let (loss, twice) = *chance.pick(&[(0.0, 0.0), (0.001, 0.01), (0.02, 0.05)]);
        let far = Link { loss, twice, ..link(chance.between(100, 2_000), chance.between(0, 2_000)) };
        let near = link(100, 100);
        let barrier_us = (chance.between(100, 1_000) * scale, chance.between(0, 3_000) * scale);
        let machines = zones.len();
        let ppm = *chance.pick(&[0, 50, 1_000]);
        let skew = *chance.pick(&[0, 100, 60_000]);
        let off = |chance: &mut Chance, most: i64| chance.below(2 * most as u64 + 1) as i64 - most;
        let drift_ppm = (0..machines).map(|_| off(&mut chance, ppm)).collect();
        let skew_ms = (0..machines).map(|_| off(&mut chance, skew)).collect();
        let load = Load {
            clients: chance.between(2, 9) as usize,
            sessions: chance.between(2, 13) as usize,
            pause_ms_max: *chance.pick(&[20, 60, 200]) * scale,
            reads: *chance.pick(&[0.2, 0.4, 0.5]),
            resends: 0.1,
            patience_ms: timing.election_ms_max * 12,
            reminders: *timers.pick(&[0.0, 0.1, 0.3]),
            reminder_ms_max: 300 * scale,
        };
        let mut plan = Self {
            seed,
            shards: *chance.pick(&[1, 2, 3, 5]),
            barrier_us,
            near,
            far,
            drift_ppm,
            skew_ms,
            load,
            snapshot_after_entries: *chance.pick(&[20, 60, 500]),
            log_entries_kept: *chance.pick(&[1, 5, 50]),
            sessions_active_max: *chance.pick(&[2, 8, 1_000]),
            expiry_ms: *timers.pick(&[0, 100, 500]) * scale,
            seconds,
            faults: Vec::new(),
            zones,
            timing,
        };
        plan.faults = Fault::draw(&plan, &mut chance);
        plan
    }

    /// How many machines there are.
    pub fn machines(&self) -> usize {
        self.zones.len()
    }
}

impl Timing {
    fn new(name: &str, heartbeat_ms: u64, election_ms_min: u64, election_ms_max: u64, scale: u64) -> Self {
        let (idle_sleep_ms, step_us) = (0, 1_000 * scale);
        Self { name: name.into(), heartbeat_ms, election_ms_min, election_ms_max, idle_sleep_ms, step_us, scale }
    }
}
