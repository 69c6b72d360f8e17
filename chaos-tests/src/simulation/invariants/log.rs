//! What is committed is the same everywhere and for ever: at one index of a group there is one entry.

use super::{Invariant, Sight, groups};
use raft::{
    GroupId,
    codec::{self, EntryRecord},
    store::{Store, keys},
};
use std::collections::BTreeMap;

/// The committed entries that were seen, and how far each process was read.
#[derive(Default)]
pub(super) struct LogMatching {
    entries: BTreeMap<(GroupId, u64), (u64, u32)>,
    read: BTreeMap<(usize, u64, GroupId), u64>,
}

/// Entries that are remembered of a group.
const KEPT: u64 = 5_000;

impl Invariant for LogMatching {
    fn name(&self) -> &'static str {
        "log matching"
    }

    fn look(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        if !sight.thorough {
            return Ok(());
        }
        for seen in sight.machines {
            for (group, status) in groups(&seen.status) {
                let Some(committed) = status.committed else { continue };
                let read = self.read.entry((seen.machine, seen.incarnation, group)).or_insert(0);
                let from = (*read).max(status.purged.map_or(0, |p| p + 1));
                for index in from..=committed {
                    // It may be on its way to the store, or purged since, or the store closed.
                    let stored = seen.disk.contents().get(&keys::entry(group, index));
                    let Ok(Some(bytes)) = stored else { break };
                    let entry: EntryRecord =
                        codec::decode(&bytes).map_err(|e| format!("{group}, entry {index}: {e}"))?;
                    let found = (entry.log_id.term, crc32c::crc32c(&bytes));
                    let known = *self.entries.entry((group, index)).or_insert(found);
                    if known != found {
                        return Err(format!(
                            "{group}: committed entry {index} is of term {} on node {}, and was seen of term {} (checksums {:08x}, {:08x})",
                            found.0, seen.status.node, known.0, found.1, known.1
                        ));
                    }
                    *read = index + 1;
                }
                let old = committed.saturating_sub(KEPT);
                if old > 0 {
                    self.entries.retain(|(g, index), _| *g != group || *index >= old);
                }
            }
        }
        Ok(())
    }
}
