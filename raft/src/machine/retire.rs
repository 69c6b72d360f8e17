//! The end of a state whose replica has left its group.

use super::{GroupState, SnapshotPlace, snapshot};
use crate::{
    codec::{self, TombstoneRecord},
    store::{Store, keys, remove_range},
    types::GroupId,
};
use std::io;

/// Removes all that a replica stored but its vote and its tombstone, snapshots included; begun again after a crash,
/// it ends as well. Blocks.
pub(crate) fn wipe_replica(store: &dyn Store, place: &SnapshotPlace, mut tombstone: TombstoneRecord) -> io::Result<()> {
    let group: GroupId = place.group;
    let log = keys::entry(group, 0)[..5].to_vec();
    // The marks first: a log without its marks is found damaged, but it is not looked at before the wipe is over.
    store.apply([keys::install(group), keys::committed(group), keys::purged(group)].map(|k| (k, None)).to_vec())?;
    for prefix in [keys::state_prefix(group), log] {
        remove_range(store, &prefix, &keys::after_prefix(&prefix))?;
    }
    snapshot::remove_all(place)?;
    tombstone.wiped = true;
    store.apply(vec![(keys::tombstone(group), Some(codec::encode(&tombstone).into()))])?;
    store.barrier()
}

impl GroupState {
    /// Takes no entries any more: whatever openraft still has under way changes nothing. Returns when all that was
    /// applied is in the store.
    pub(crate) fn retire(&self) -> io::Result<()> {
        self.stop_applying();
        self.writer.barrier_blocking()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::{LogIdRecord, VoteRecord},
        store::{Change, MemoryStore, Survivors},
    };
    use std::collections::BTreeMap;

    const GROUP: GroupId = GroupId(3);

    fn tombstone(wiped: bool) -> Change {
        let removed_at = LogIdRecord { term: 2, node: 1, index: 900 };
        (keys::tombstone(GROUP), Some(codec::encode(&TombstoneRecord { removed_at, wiped }).into()))
    }

    /// What a replica leaves that is on its way out, and a neighbour of it.
    fn full(store: &dyn Store) {
        let value = |bytes: usize| Some(vec![7; bytes].into());
        let vote = codec::encode(&VoteRecord { term: 2, node: 1, committed: true });
        let mut changes = vec![(keys::vote(GROUP), Some(vote.into())), tombstone(false)];
        changes.extend([keys::purged(GROUP), keys::committed(GROUP), keys::install(GROUP)].map(|k| (k, value(9))));
        changes.extend((0..40).map(|i| (keys::entry(GROUP, i), value(50))));
        // Keys of more than one batch.
        let long = |i: u32| [&keys::state_prefix(GROUP)[..], &i.to_be_bytes(), &[b'x'; 60_000]].concat();
        changes.extend((0..40).map(|i| (long(i), value(5))));
        changes.extend([keys::entry(GroupId(2), 5), keys::entry(GroupId(4), 5)].map(|k| (k, value(5))));
        store.apply(changes).unwrap();
        store.barrier().unwrap();
    }

    fn found(store: &dyn Store) -> TombstoneRecord {
        codec::decode(&store.get(&keys::tombstone(GROUP)).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn a_wipe_that_is_cut_off_at_any_step_is_ended_at_the_next_open() {
        let folder = tempfile::TempDir::new().unwrap();
        let place = SnapshotPlace { cluster: "c".into(), folder: folder.path().to_owned(), group: GROUP };
        let clean = || -> BTreeMap<Vec<u8>, bytes::Bytes> {
            let store = MemoryStore::new(1);
            full(&*store);
            let keep = [keys::vote(GROUP), keys::entry(GroupId(2), 5), keys::entry(GroupId(4), 5)];
            let kept = store.contents().into_iter().filter(|(k, _)| keep.contains(k));
            kept.chain(tombstone(true).1.map(|t| (keys::tombstone(GROUP), t))).collect()
        };
        let steps = {
            let store = MemoryStore::new(1);
            full(&*store);
            let before = store.steps();
            wipe_replica(&*store, &place, found(&*store)).unwrap();
            assert_eq!(store.contents(), clean());
            store.steps() - before
        };
        assert!(steps >= 5, "marks, state in pieces, log, tombstone, barrier: {steps}");
        for step in 0..steps {
            for survivors in [Survivors::All, Survivors::AllButLast, Survivors::Synced, Survivors::Seeded] {
                let store = MemoryStore::new(step);
                full(&*store);
                std::fs::write(folder.path().join("shard-3-1-1-7.snap"), "x").unwrap();
                store.stop_at(store.steps() + step);
                assert!(wipe_replica(&*store, &place, found(&*store)).is_err());
                let back = store.crash(survivors);
                // As a node does when it opens its folder: it looks at nothing else before.
                if !found(&*back).wiped {
                    wipe_replica(&*back, &place, found(&*back)).unwrap();
                }
                assert_eq!(back.contents(), clean(), "cut off at step {step}");
                assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
            }
        }
    }
}
