//! What a process has committed or voted for it does not take back; and a node that has led a term remembers that term,
//! whatever power failure comes.

use super::{Invariant, Sight, groups};
use raft::{GroupId, Role};
use std::collections::BTreeMap;

/// Committed and applied indexes, and the term.
type Reached = (Option<u64>, Option<u64>, u64);

/// The furthest that was seen.
#[derive(Default)]
pub(super) struct NothingTakenBack {
    /// Of a process.
    of_process: BTreeMap<(usize, u64, GroupId), Reached>,
    /// The highest term that a node has led, over all its processes.
    led: BTreeMap<(u64, GroupId), u64>,
}

impl Invariant for NothingTakenBack {
    fn name(&self) -> &'static str {
        "nothing is taken back"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        for seen in sight.machines {
            let node = seen.status.node;
            for (group, status) in groups(&seen.status) {
                let now = (status.committed, status.applied, status.term);
                let key = (seen.machine, seen.incarnation, group);
                let before = self.of_process.insert(key, now).unwrap_or_default();
                // A replica that has left its group is wiped, and begins anew.
                let wiped = (status.committed, status.applied) == (None, None);
                if !wiped && (now.0 < before.0 || now.1 < before.1 || now.2 < before.2) {
                    return Err(format!(
                        "{group}, node {node}: committed, applied and term were {before:?}, and are {now:?}"
                    ));
                }
                let led = self.led.entry((node, group)).or_default();
                if !wiped && status.term < *led {
                    return Err(format!("{group}: node {node} has led term {led}, and is now in term {}", status.term));
                }
                if status.role == Role::Leader {
                    *led = status.term;
                }
            }
        }
        Ok(())
    }
}
