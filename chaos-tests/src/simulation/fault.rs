//! What goes wrong in a simulation. A new fault is a variant here, with how it is drawn, and what it does in
//! [`World::strike`](super::world::World::strike).

use super::{
    chance::Chance,
    plan::{Plan, Planned},
};
use serde::{Deserialize, Serialize};

/// Something that goes wrong, or a change of the cluster under way. What it names is a machine by its number, unless it is
/// said otherwise; times are simulated milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "what the fields are is said once, above")]
pub enum Fault {
    /// The process is killed; what it wrote is there when it comes back.
    Kill { machine: usize, for_ms: u64 },
    /// The power fails: what was not synced is gone, or a part of it.
    PowerOff { machine: usize, for_ms: u64, survivors: Lost },
    /// All machines of a zone lose power.
    ZoneDown { zone: usize, for_ms: u64, survivors: Lost },
    /// All machines lose power.
    AllDown { for_ms: u64, survivors: Lost },
    /// The process is stopped in good order.
    Stop { machine: usize, for_ms: u64 },
    /// The process stands still, as with SIGSTOP.
    Pause { machine: usize, for_ms: u64 },
    /// Nothing gets from one machine to another.
    Cut { from: usize, to: usize, for_ms: u64 },
    /// A machine hears nobody and is heard by nobody, clients included.
    Isolate { machine: usize, for_ms: u64 },
    /// A machine hears and is not heard.
    Mute { machine: usize, for_ms: u64 },
    /// A zone is cut off from the others; clients reach it.
    ZoneCut { zone: usize, for_ms: u64 },
    /// A machine's packets are lost.
    Lossy { machine: usize, loss: f64, for_ms: u64 },
    /// A machine's packets are late.
    Slow { machine: usize, by_us: u64, for_ms: u64 },
    /// Barriers take longer.
    Stall { machine: usize, by_ms: u64, for_ms: u64 },
    /// There is no room left.
    FullDisk { machine: usize, for_ms: u64 },
    /// The next write fails with an I/O error, and the process ends; one that has written nothing is restarted some time later.
    FailWrite { machine: usize, for_ms: u64 },
    /// The power fails, and a bit of what was stored is another when it comes back.
    FlipBit { machine: usize, for_ms: u64 },
    /// The wall clock jumps.
    ClockStep { machine: usize, by_ms: i64 },
    /// A shard moves to another machine of the same zone.
    Move { shard: u32 },
    /// A machine hands its shards over, and takes some again later.
    Drain { machine: usize, for_ms: u64 },
    /// The shards are placed anew.
    Balance,
    /// A log is purged now.
    Purge { machine: usize, shard: u32 },
}

/// What of the unsynced writes a power failure takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lost {
    /// All of them.
    Unsynced,
    /// The last batch, which was torn.
    Torn,
    /// A part of them: the first ones are there.
    Some,
}

/// How often a kind comes among the others of its plan.
struct Kind {
    weight: u64,
    draw: fn(&Plan, &mut Chance) -> Option<Fault>,
}

fn machine(plan: &Plan, chance: &mut Chance) -> usize {
    chance.below(plan.machines() as u64) as usize
}

/// Short against an election, about as long, or long enough for all to notice.
fn span(plan: &Plan, chance: &mut Chance) -> u64 {
    let election = plan.timing.election_ms_max;
    match chance.below(3) {
        0 => chance.between(1, election),
        1 => chance.between(election, 4 * election),
        _ => chance.between(4 * election, 20 * election),
    }
}

fn lost(chance: &mut Chance) -> Lost {
    *chance.pick(&[Lost::Unsynced, Lost::Torn, Lost::Some])
}

const KINDS: &[Kind] = &[
    Kind { weight: 4, draw: |p, c| Some(Fault::Kill { machine: machine(p, c), for_ms: span(p, c) }) },
    Kind {
        weight: 4,
        draw: |p, c| Some(Fault::PowerOff { machine: machine(p, c), for_ms: span(p, c), survivors: lost(c) }),
    },
    Kind {
        weight: 1,
        draw: |p, c| Some(Fault::ZoneDown { zone: c.below(3) as usize, for_ms: span(p, c), survivors: lost(c) }),
    },
    Kind { weight: 1, draw: |p, c| Some(Fault::AllDown { for_ms: span(p, c), survivors: lost(c) }) },
    Kind { weight: 2, draw: |p, c| Some(Fault::Stop { machine: machine(p, c), for_ms: span(p, c) }) },
    Kind { weight: 4, draw: |p, c| Some(Fault::Pause { machine: machine(p, c), for_ms: span(p, c) }) },
    Kind {
        weight: 3,
        draw: |p, c| {
            let (from, to) = (machine(p, c), machine(p, c));
            (from != to).then(|| Fault::Cut { from, to, for_ms: span(p, c) })
        },
    },
    Kind { weight: 3, draw: |p, c| Some(Fault::Isolate { machine: machine(p, c), for_ms: span(p, c) }) },
    Kind { weight: 2, draw: |p, c| Some(Fault::Mute { machine: machine(p, c), for_ms: span(p, c) }) },
    Kind { weight: 3, draw: |p, c| Some(Fault::ZoneCut { zone: c.below(3) as usize, for_ms: span(p, c) }) },
    Kind {
        weight: 2,
        draw: |p, c| Some(Fault::Lossy { machine: machine(p, c), loss: *c.pick(&[0.05, 0.3]), for_ms: span(p, c) }),
    },
    Kind {
        weight: 2,
        draw: |p, c| {
            let by_us = c.between(p.timing.step_us, p.timing.election_ms_min * 1_000);
            Some(Fault::Slow { machine: machine(p, c), by_us, for_ms: span(p, c) })
        },
    },
    Kind {
        weight: 2,
        draw: |p, c| {
            let by_ms = c.between(1, 2 * p.timing.election_ms_max);
            Some(Fault::Stall { machine: machine(p, c), by_ms, for_ms: span(p, c) })
        },
    },
    Kind { weight: 1, draw: |p, c| Some(Fault::FullDisk { machine: machine(p, c), for_ms: span(p, c) }) },
    Kind { weight: 1, draw: |p, c| Some(Fault::FailWrite { machine: machine(p, c), for_ms: span(p, c) }) },
    Kind { weight: 1, draw: |p, c| Some(Fault::FlipBit { machine: machine(p, c), for_ms: span(p, c) }) },
    Kind {
        weight: 1,
        draw: |p, c| {
            let by_ms = c.below(7_200_001) as i64 - 3_600_000;
            Some(Fault::ClockStep { machine: machine(p, c), by_ms })
        },
    },
    Kind { weight: 8, draw: |p, c| (p.machines() > 3).then(|| Fault::Move { shard: c.below(p.shards.into()) as u32 }) },
    Kind {
        weight: 2,
        draw: |p, c| {
            (p.machines() > 3).then(|| Fault::Drain { machine: machine(p, c), for_ms: 20 * p.timing.election_ms_max })
        },
    },
    Kind { weight: 1, draw: |p, _| (p.machines() > 3).then_some(Fault::Balance) },
    Kind {
        weight: 2,
        draw: |p, c| Some(Fault::Purge { machine: machine(p, c), shard: c.below(p.shards.into()) as u32 }),
    },
];

impl Fault {
    /// The faults of a plan: some kinds, at times that leave the cluster some rest or none.
    pub(super) fn draw(plan: &Plan, chance: &mut Chance) -> Vec<Planned> {
        let kinds: Vec<&Kind> = KINDS.iter().filter(|_| chance.hits(0.6)).collect();
        let weights: u64 = kinds.iter().map(|k| k.weight).sum();
        // From a storm to a fault now and then.
        let apart = plan.timing.election_ms_max * *chance.pick(&[4, 8, 15, 40]);
        let mut faults = Vec::new();
        let mut at_ms = 0;
        if weights == 0 {
            return faults;
        }
        loop {
            at_ms += chance.between(1, 2 * apart);
            if at_ms >= plan.seconds * 1_000 {
                return faults;
            }
            let mut at = chance.below(weights);
            let kind = kinds.iter().find(|k| {
                let here = at < k.weight;
                at = at.saturating_sub(k.weight);
                here
            });
            if let Some(fault) = kind.and_then(|k| (k.draw)(plan, chance)) {
                faults.push(Planned { at_ms, fault });
            }
        }
    }

    /// Its kind, for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Kill { .. } => "kill",
            Fault::PowerOff { .. } => "power off",
            Fault::ZoneDown { .. } => "zone down",
            Fault::AllDown { .. } => "all down",
            Fault::Stop { .. } => "stop",
            Fault::Pause { .. } => "pause",
            Fault::Cut { .. } => "one-way cut",
            Fault::Isolate { .. } => "isolate",
            Fault::Mute { .. } => "mute",
            Fault::ZoneCut { .. } => "zone cut",
            Fault::Lossy { .. } => "packet loss",
            Fault::Slow { .. } => "slow link",
            Fault::Stall { .. } => "slow disk",
            Fault::FullDisk { .. } => "full disk",
            Fault::FailWrite { .. } => "failed write",
            Fault::FlipBit { .. } => "bit flip",
            Fault::ClockStep { .. } => "clock step",
            Fault::Move { .. } => "move",
            Fault::Drain { .. } => "drain",
            Fault::Balance => "balance",
            Fault::Purge { .. } => "purge",
        }
    }
}
