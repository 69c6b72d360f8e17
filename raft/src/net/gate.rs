//! What stands between a group's replica and its peers while the replica leaves the group.

use crate::types::LogId;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// The gate of a replica.
///
/// # Why a wiped replica grants no votes
///
/// Say nodes 1, 2 and 3 hold a shard, 3 has been cut off for a while, and 2 hands over to 4. Nodes 1 and 2 commit the
/// change to {1, 3, 4}, and entries behind it are committed by 1 and 4. Node 3 knows nothing of that: in its eyes
/// the voters are still {1, 2, 3}. As long as 2 keeps its log it refuses 3, whose log is shorter. Once its log is
/// wiped it would grant 3 its vote: two of three, a second leader, and acknowledged entries are lost. So a wiped replica
/// remembers the membership that excluded it, and refuses votes until its log has reached that entry again. Then the
/// log holds all that it held before, because that entry was committed.
///
/// For the same reason it does not stand for election itself until then. Its log comes back from the beginning, and
/// half-way it may hold a membership of old in which it was the only voter: it would elect itself at once, and cut off
/// what the others have committed since.
#[derive(Default)]
pub(crate) struct Gate {
    closed: AtomicBool,
    tombstone: Mutex<Option<LogId>>,
}

impl Gate {
    pub(crate) fn new(tombstone: Option<LogId>) -> Self {
        Self { closed: AtomicBool::new(false), tombstone: Mutex::new(tombstone) }
    }

    /// Lets nobody in: the replica may be wiped in a moment, and what it acknowledged now would be lost.
    pub(crate) fn close(&self) {
        self.closed.store(true, SeqCst);
    }

    /// Lets peers in again.
    pub(crate) fn open(&self) {
        self.closed.store(false, SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// May the replica, whose log ends at `last`, grant a vote?
    pub(crate) fn may_vote(&self, last: Option<LogId>) -> bool {
        let mut tombstone = self.tombstone.lock();
        if tombstone.is_some() && last >= *tombstone {
            *tombstone = None;
        }
        tombstone.is_none()
    }

    /// Was the replica wiped, and has it not come back since?
    pub(crate) fn is_tombstoned(&self, last: Option<LogId>) -> bool {
        !self.may_vote(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::LeaderId;

    fn at(term: u64, index: u64) -> Option<LogId> {
        Some(LogId::new(LeaderId { term, node_id: 1 }, index))
    }

    #[test]
    fn a_wiped_replica_votes_again_when_its_log_has_come_back() {
        let gate = Gate::new(at(3, 40));
        assert!(!gate.may_vote(None) && !gate.may_vote(at(3, 39)) && !gate.may_vote(at(2, 90)));
        assert!(gate.is_tombstoned(None));
        // A later leader's log holds the entry, however long it is.
        assert!(gate.may_vote(at(4, 41)));
        assert!(gate.may_vote(None) && Gate::default().may_vote(None), "without a tombstone everything is as usual");
    }
}
