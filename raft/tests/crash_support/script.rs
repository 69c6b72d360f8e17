//! What is asked of a group, and what it then holds.

use dialogue::{CommitTurn, IdempotencyKey, ScoredIntent, SessionId, TimestampMs, TurnRecord};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tertulia_raft::limits::COMMITTED_MARK_EVERY;

/// A term and an index.
pub type At = (u64, u64);

/// A log entry; its contents follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    pub term: u64,
    pub index: u64,
    /// A later leader replaces it.
    pub lost: bool,
}

impl Spec {
    /// The turn that it commits.
    pub fn turn(self) -> CommitTurn {
        let (session, seq) = (self.index % 13, self.index / 13 + 1);
        let name = if self.lost { format!("lost{}", self.term) } else { format!("s{session}") };
        CommitTurn {
            session: SessionId::new(name).unwrap(),
            expected_seq: seq - 1,
            turn: TurnRecord {
                seq,
                key: IdempotencyKey::new(format!("k{}", self.index)).unwrap(),
                at: TimestampMs(self.index),
                release: None,
                text: "x".repeat((self.index * 37 % 400) as usize),
                intent: ScoredIntent::default(),
                entities: vec![],
                events: vec![],
                replies: vec![],
            },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Vote {
        term: u64,
        node: u64,
    },
    Append {
        entries: Vec<Spec>,
        /// Goes on only when it is durable.
        waits: bool,
    },
    /// Takes back what no majority had.
    Truncate {
        keep: Option<At>,
    },
    Committed(At),
    Apply(At),
    Snapshot,
    Purge(At),
    /// Of a snapshot that goes further than the log.
    Install(At),
}

/// What a group holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    pub vote: Option<At>,
    pub purged: Option<At>,
    pub committed: Option<At>,
    pub entries: Vec<Spec>,
    pub applied: Option<At>,
}

impl Model {
    pub fn last(&self) -> Option<At> {
        self.entries.last().map(|e| (e.term, e.index)).or(self.purged)
    }

    fn lost(&self) -> bool {
        self.entries.last().is_some_and(|e| e.lost)
    }

    /// The last entry that no leader takes back.
    fn kept(&self) -> Option<At> {
        self.entries.iter().rfind(|e| !e.lost).map(|e| (e.term, e.index)).or(self.purged)
    }

    fn term_at(&self, index: u64) -> u64 {
        self.entries.iter().find(|e| e.index == index).map_or(0, |e| e.term)
    }

    fn perform(&mut self, op: &Op) {
        match op {
            Op::Vote { term, node } => self.vote = Some((*term, *node)),
            Op::Append { entries, .. } => self.entries.extend(entries),
            Op::Truncate { keep } => self.entries.retain(|e| keep.is_some_and(|(_, k)| e.index <= k)),
            // It is written down now and then.
            Op::Committed(at) if self.committed.is_none_or(|(_, c)| at.1 >= c + COMMITTED_MARK_EVERY) => {
                self.committed = Some(*at);
            }
            Op::Committed(_) => {}
            Op::Apply(at) | Op::Install(at) => self.applied = Some(*at),
            Op::Snapshot => {}
            Op::Purge(at) => {
                self.entries.retain(|e| e.index > at.1);
                self.purged = Some(*at);
            }
        }
    }
}

/// The operations of a group, one after the other, without end.
pub struct Script {
    chance: SmallRng,
    model: Model,
    snapshot: Option<At>,
    forced: Option<Op>,
}

impl Script {
    pub fn new(seed: u64, group: u32) -> Self {
        let chance = SmallRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(group.into()));
        Self { chance, model: Model::default(), snapshot: None, forced: None }
    }

    /// What the group holds when all operations so far are done.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The next operation; from now on it counts as done.
    pub fn next(&mut self) -> Op {
        let op = self.forced.take().unwrap_or_else(|| self.choose());
        match &op {
            Op::Snapshot => {
                self.snapshot = self.model.applied;
                // Not all of what could go.
                let to = self.model.applied.unwrap().1.saturating_sub(self.chance.random_range(0..3));
                if self.model.purged.is_none_or(|(_, p)| p < to) && self.model.entries.iter().any(|e| e.index == to) {
                    self.forced = Some(Op::Purge((self.model.term_at(to), to)));
                }
            }
            Op::Install(at) => {
                self.snapshot = Some(*at);
                self.forced = Some(Op::Purge(*at));
            }
            _ => {}
        }
        self.model.perform(&op);
        op
    }

    fn choose(&mut self) -> Op {
        let Some((term, node)) = self.model.vote else { return Op::Vote { term: 1, node: 1 } };
        let chance = &mut self.chance;
        let next = self.model.last().map_or(0, |(_, i)| i + 1);
        if self.model.lost() {
            // The next leader: a vote, and then what it does not have goes.
            self.forced = Some(Op::Truncate { keep: self.model.kept() });
            return Op::Vote { term: term + 1, node: chance.random_range(1..=3) };
        }
        let kept = self.model.kept();
        match (chance.random_range(0..100), kept) {
            (0..8, _) => Op::Vote { term: term + 1, node: (node + 1) % 3 },
            (8..14, Some(_)) => {
                let entries = (next..next + chance.random_range(1..=3)).map(|index| Spec { term, index, lost: true });
                Op::Append { entries: entries.collect(), waits: chance.random_bool(0.5) }
            }
            (14..26, Some(at)) if self.model.committed != kept => Op::Committed(at),
            (26..50, Some(at)) if self.model.applied < kept => Op::Apply(at),
            (50..57, _) if self.model.applied > self.snapshot => Op::Snapshot,
            (57..60, Some(at)) => Op::Install((term, at.1 + chance.random_range(5..20))),
            _ => {
                let entries = (next..next + chance.random_range(1..=4)).map(|index| Spec { term, index, lost: false });
                Op::Append { entries: entries.collect(), waits: chance.random_bool(0.5) }
            }
        }
    }
}
