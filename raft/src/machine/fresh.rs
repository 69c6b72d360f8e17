//! What is applied but not in the store yet.

use crate::store::Change;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Effects on their way to the store. Readers look here first; what the store holds is forgotten.
#[derive(Default)]
pub(super) struct Fresh {
    op: u64,
    values: BTreeMap<Vec<u8>, (u64, Option<Bytes>)>,
    order: VecDeque<(u64, Vec<Vec<u8>>)>,
}

impl Fresh {
    /// The newest value of a key, if it is not in the store yet; inside, nothing for a key that is removed.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        self.values.get(key).map(|(_, value)| value.clone())
    }

    /// What is new in a range.
    pub(super) fn range(&self, from: &[u8], to: &[u8]) -> Vec<(Vec<u8>, Option<Bytes>)> {
        self.values.range(from.to_vec()..to.to_vec()).map(|(k, (_, v))| (k.clone(), v.clone())).collect()
    }

    /// Takes in changes and gives the number under which the store will report them; forgets what it has reported.
    pub(super) fn add(&mut self, changes: &[Change], stored: u64) -> u64 {
        while let Some((op, keys)) = self.order.pop_front_if(|(op, _)| *op <= stored) {
            for key in keys {
                if self.values.get(&key).is_some_and(|(newest, _)| *newest == op) {
                    self.values.remove(&key);
                }
            }
        }
        self.op += 1;
        self.order.push_back((self.op, changes.iter().map(|(key, _)| key.clone()).collect()));
        self.values.extend(changes.iter().map(|(key, value)| (key.clone(), (self.op, value.clone()))));
        self.op
    }

    /// Forgets everything: the store holds it.
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.order.clear();
    }
}
