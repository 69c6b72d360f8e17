//! What the checker found, in numbers and by name.

use crate::limits::VIOLATIONS_NAMED_MAX;
use crate::linearizable::Summary;
use crate::violation::{Kind, Violation};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What the checker found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// Turns (keys) that were acknowledged at least once.
    pub acknowledged: usize,
    /// Turns whose outcome no client knows.
    pub unknown: usize,
    /// Turns in the log.
    pub logged: usize,
    /// Sessions in the log.
    pub sessions: usize,
    /// Acknowledgements that repeated a recorded turn.
    pub replayed: usize,
    /// How much the search for linear orders looked at.
    pub linearizable: Summary,
    /// How often each promise was broken.
    pub counts: BTreeMap<Kind, usize>,
    /// The first violations, by name.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// Was every promise kept?
    pub fn holds(&self) -> bool {
        self.counts.is_empty()
    }

    /// How often a promise was broken.
    pub fn count(&self, kind: Kind) -> usize {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// Adds what was found on another cluster.
    pub(crate) fn append(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
        self.logged += other.logged;
        self.sessions += other.sessions;
        self.replayed += other.replayed;
        self.linearizable.append(&other.linearizable);
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        let room = VIOLATIONS_NAMED_MAX.saturating_sub(self.violations.len());
        self.violations.extend(other.violations.into_iter().take(room));
    }

    pub(crate) fn add(&mut self, violation: Violation) {
        *self.counts.entry(violation.kind()).or_default() += 1;
        if self.violations.len() < VIOLATIONS_NAMED_MAX {
            self.violations.push(violation);
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} turns acknowledged ({} acknowledgements replayed, {} turns of unknown outcome), {} in the log of {} sessions: \
             {} lost, {} altered, {} doubled, {} order violations, {} that nobody sent, {} disagreements between nodes; \
             linearizability of {} operations ({} reads, {} overlapping) on {} sessions: {} broken, {} undecided",
            self.acknowledged,
            self.replayed,
            self.unknown,
            self.logged,
            self.sessions,
            self.count(Kind::Lost),
            self.count(Kind::Altered),
            self.count(Kind::Doubled),
            self.count(Kind::Order),
            self.count(Kind::Phantom),
            self.count(Kind::Disagreement),
            self.linearizable.operations,
            self.linearizable.reads,
            self.linearizable.overlapping,
            self.linearizable.sessions,
            self.count(Kind::NotLinearizable),
            self.count(Kind::Undecided),
        )?;
        for violation in &self.violations {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}
