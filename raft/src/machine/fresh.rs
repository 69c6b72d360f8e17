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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::GroupId;
    use dialogue::SessionId;

    fn turn(fresh: &mut Fresh, session: usize, seq: u64, bytes: usize) {
        let session = SessionId::new(format!("s{session}")).unwrap();
        fresh.stage((keys::header(GroupId(0), &session), Some(Bytes::from_static(b"header"))));
        fresh.stage((keys::turn(GroupId(0), &session, seq), Some(vec![7; bytes].into())));
    }

    #[test]
    fn it_is_full_by_bytes_of_few_sessions_and_by_the_number_of_many() {
        let mut fresh = Fresh::default();
        let of_one = (1..).take_while(|seq| {
            turn(&mut fresh, 0, *seq, 1_000);
            !fresh.is_full()
        });
        let turns = of_one.count();
        assert!((950..1_050).contains(&turns), "a megabyte of turns, which share records: {turns}");
        fresh.submit(0);
        assert!(!fresh.is_full(), "what is on its way counts no more");
        let sessions = (0..).take_while(|session| {
            turn(&mut fresh, *session, 1, 100);
            !fresh.is_full()
        });
        assert_eq!(sessions.count() + 1, STATE_FLUSH_RECORDS / 2, "a header and a record of turns each");
    }

    #[test]
    fn the_newest_value_is_seen_until_the_store_has_it() {
        let mut fresh = Fresh::default();
        let value = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
        let key = || b"k".to_vec();
        fresh.stage((key(), value("one")));
        let (first, effects) = fresh.submit(0);
        assert_eq!(effects.get(&key()[..]), Some(&value("one")));
        assert_eq!(fresh.get(b"k"), Some(value("one")));
        fresh.stage((key(), None));
        assert_eq!((fresh.get(b"k"), fresh.range(b"a", b"z").get(&key()[..])), (Some(None), Some(&None)));
        let (second, _) = fresh.submit(first);
        assert_eq!(fresh.get(b"k"), Some(None), "the second is on its way");
        fresh.submit(second);
        assert_eq!(fresh.get(b"k"), None, "the store has all of it");
        assert!(fresh.range(b"a", b"k").is_empty());
    }
}
