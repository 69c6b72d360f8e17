//! What is applied but not in the store yet.

use crate::{
    limits::{STATE_FLUSH_BYTES, STATE_FLUSH_RECORDS},
    store::{Change, keys},
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::Arc,
};

/// Keys with their new values, in order; a key without a value goes.
pub(super) type Effects = BTreeMap<Vec<u8>, Option<Bytes>>;

/// Effects on their way to the store: staged ones wait for more, so that a header that changes often is written once;
/// submitted ones are in the writer's queue. Readers look here first; what the store holds is forgotten.
#[derive(Default)]
pub(super) struct Fresh {
    staged: Effects,
    staged_bytes: usize,
    /// Records that the staged effects will be, as long as turns share theirs.
    staged_records: usize,
    op: u64,
    /// With the numbers under which the store reports them, oldest first.
    submitted: VecDeque<(u64, Arc<Effects>)>,
}

impl Fresh {
    /// The newest value of a key, if it is not in the store yet; inside, nothing for a key that is removed.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        let submitted = || self.submitted.iter().rev().find_map(|(_, effects)| effects.get(key));
        self.staged.get(key).or_else(submitted).cloned()
    }

    /// What is new in a range.
    pub(super) fn range(&self, from: &[u8], to: &[u8]) -> Effects {
        let all = self.submitted.iter().map(|(_, effects)| &**effects).chain([&self.staged]);
        let found = all.flat_map(|effects| effects.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to))));
        found.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Takes in a change.
    pub(super) fn stage(&mut self, (key, value): Change) {
        self.staged_bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        let is_turn = keys::session_of_turn(&key).is_some();
        let is_new = self.staged.insert(key, value).is_none();
        // A session's header, and one record of turns.
        self.staged_records += if is_new && !is_turn { 2 } else { 0 };
    }

    /// Bytes of what was staged since the last submission.
    pub(super) fn staged_bytes(&self) -> usize {
        self.staged_bytes
    }

    /// Would more make a submission that holds up the log's barriers?
    pub(super) fn is_full(&self) -> bool {
        self.staged_bytes >= STATE_FLUSH_BYTES || self.staged_records >= STATE_FLUSH_RECORDS
    }

    /// Gives what is staged and the number under which the store will report it; forgets what it has reported.
    pub(super) fn submit(&mut self, stored: u64) -> (u64, Arc<Effects>) {
        while self.submitted.pop_front_if(|(op, _)| *op <= stored).is_some() {}
        self.op += 1;
        (self.staged_bytes, self.staged_records) = (0, 0);
        let effects = Arc::new(std::mem::take(&mut self.staged));
        self.submitted.push_back((self.op, effects.clone()));
        (self.op, effects)
    }

    /// Forgets everything: the store holds it, or is about to hold something else.
    pub(super) fn clear(&mut self) {
        let op = self.op;
        *self = Self { op, ..Self::default() };
    }
}
