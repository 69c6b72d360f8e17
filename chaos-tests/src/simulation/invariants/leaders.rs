//! A leadership is won once: votes are never given twice, and never forgotten.
//!
//! openraft orders leaderships by term and node, so that in a term a node may follow one whose id is smaller; what the two
//! may commit is a matter of log matching. But nobody leads again, after a restart, under what it led before: it would
//! give entries to numbers that it has given already.

use super::{Invariant, Sight, groups};
use raft::{GroupId, Role};
use std::collections::BTreeMap;

/// The process that was seen to lead by each leadership.
#[derive(Default)]
pub(super) struct LeadershipsAreWonOnce(BTreeMap<(GroupId, u64, u64), (usize, u64)>);

impl Invariant for LeadershipsAreWonOnce {
    fn name(&self) -> &'static str {
        "leaderships are won once"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        for seen in sight.machines {
            let node = seen.status.node;
            for (group, status) in groups(&seen.status).into_iter().filter(|(_, s)| s.role == Role::Leader) {
                let process = (seen.machine, seen.incarnation);
                let known = *self.0.entry((group, status.term, node)).or_insert(process);
                if known != process {
                    let term = status.term;
                    return Err(format!("{group}: node {node} leads term {term} in a process that has not won it"));
                }
            }
        }
        Ok(())
    }
}
