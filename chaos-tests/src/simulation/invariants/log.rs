//! What is committed is the same everywhere and for ever: at one index of a group there is one entry.

use super::{Invariant, Sight};
use dialogue::ids::hash64;
use raft::{GroupId, codec};
use std::collections::BTreeMap;

/// Entries that are remembered of a group.
const KEPT: u64 = 5_000;

/// The committed entries that were seen, by term and hash.
#[derive(Default)]
pub(super) struct LogMatching(BTreeMap<(GroupId, u64), (u64, u64)>);

impl Invariant for LogMatching {
    fn name(&self) -> &'static str {
        "log matching"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        for seen in sight.machines {
            for (group, entries) in &seen.committed {
                for entry in entries {
                    let (index, term) = (entry.log_id.index, entry.log_id.term);
                    let found = (term, hash64(&codec::encode(entry)));
                    let known = *self.0.entry((*group, index)).or_insert(found);
                    if known != found {
                        return Err(format!(
                            "{group}: committed entry {index} is {:016x} of term {term} on node {}, and was seen as {:016x} of term {}",
                            found.1, seen.status.node, known.1, known.0
                        ));
                    }
                }
                let old = entries.last().map_or(0, |last| last.log_id.index.saturating_sub(KEPT));
                if old > 0 {
                    self.0.retain(|(g, index), _| g != group || *index >= old);
                }
            }
        }
        Ok(())
    }
}
