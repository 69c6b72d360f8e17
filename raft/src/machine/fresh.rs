//! What is applied but not in the store yet.

use crate::store::Change;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Effects on their way to the store: staged ones wait for more, so that a header that changes often is written once;
/// submitted ones are in the writer's queue. Readers look here first; what the store holds is forgotten.
#[derive(Default)]
pub(super) struct Fresh {
    staged: BTreeMap<Vec<u8>, Option<Bytes>>,
    staged_bytes: usize,
    op: u64,
    submitted: BTreeMap<Vec<u8>, (u64, Option<Bytes>)>,
    order: VecDeque<(u64, Vec<Vec<u8>>)>,
}

impl Fresh {
    /// The newest value of a key, if it is not in the store yet; inside, nothing for a key that is removed.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        self.staged.get(key).or_else(|| self.submitted.get(key).map(|(_, value)| value)).cloned()
    }

    /// What is new in a range.
    pub(super) fn range(&self, from: &[u8], to: &[u8]) -> BTreeMap<Vec<u8>, Option<Bytes>> {
        let range = from.to_vec()..to.to_vec();
        let submitted = self.submitted.range(range.clone()).map(|(k, (_, v))| (k.clone(), v.clone()));
        submitted.chain(self.staged.range(range).map(|(k, v)| (k.clone(), v.clone()))).collect()
    }

    /// Takes in a change.
    pub(super) fn stage(&mut self, (key, value): Change) {
        self.staged_bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        self.staged.insert(key, value);
    }

    /// Bytes of what was staged since the last submission.
    pub(super) fn staged_bytes(&self) -> usize {
        self.staged_bytes
    }

    /// Gives what is staged and the number under which the store will report it; forgets what it has reported.
    pub(super) fn submit(&mut self, stored: u64) -> (u64, Vec<Change>) {
        while let Some((op, keys)) = self.order.pop_front_if(|(op, _)| *op <= stored) {
            for key in keys {
                if self.submitted.get(&key).is_some_and(|(newest, _)| *newest == op) {
                    self.submitted.remove(&key);
                }
            }
        }
        self.op += 1;
        self.staged_bytes = 0;
        let changes: Vec<Change> = std::mem::take(&mut self.staged).into_iter().collect();
        self.order.push_back((self.op, changes.iter().map(|(key, _)| key.clone()).collect()));
        self.submitted.extend(changes.iter().map(|(key, value)| (key.clone(), (self.op, value.clone()))));
        (self.op, changes)
    }

    /// Forgets everything: the store holds it, or is about to hold something else.
    pub(super) fn clear(&mut self) {
        let op = self.op;
        *self = Self { op, ..Self::default() };
    }
}
