//! In a term a group has one leader at most: votes are never given twice, and never forgotten.

use super::{Invariant, Sight, groups};
use raft::{GroupId, Role};
use std::collections::BTreeMap;

/// Who was ever seen to lead which term.
#[derive(Default)]
pub(super) struct OneLeaderPerTerm(BTreeMap<(GroupId, u64), u64>);

impl Invariant for OneLeaderPerTerm {
    fn name(&self) -> &'static str {
        "one leader per term"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        for seen in sight.machines {
            let node = seen.status.node;
            for (group, status) in groups(&seen.status) {
                if status.role != Role::Leader {
                    continue;
                }
                let known = *self.0.entry((group, status.term)).or_insert(node);
                if known != node {
                    return Err(format!("{group}: nodes {known} and {node} have both led term {}", status.term));
                }
            }
        }
        Ok(())
    }
}
