//! What a group knows by heart of sessions that are at work: enough to apply a turn without reading the store.

use super::header::Header;
use crate::limits::KNOWN_KEYS_MAX;
use dialogue::{IdempotencyKey, SessionId, limits::IDEMPOTENCY_WINDOW_TURNS};
use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
};

/// The end of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) header: Header,
    /// Hashes of the keys of its last turns, up to the newest: all of the idempotency window. Small ones, because each
    /// turn looks through all of them; two keys with the same hash are told apart by their turns.
    keys: VecDeque<u32>,
}

/// Sessions in two generations: when the young one is full, the old one is forgotten and the young one grows old.
/// What is used is young. At most [`KNOWN_KEYS_MAX`] keys each; a session counts as one more.
#[derive(Default)]
pub(super) struct Sessions {
    hasher: RandomState,
    young: HashMap<SessionId, Known>,
    old: HashMap<SessionId, Known>,
    young_keys: usize,
}

impl Sessions {
    /// What is known of a session.
    pub(super) fn get(&mut self, session: &SessionId) -> Option<&mut Known> {
        if let Some(known) = self.old.remove(session) {
            self.insert(session.clone(), known);
        }
        self.young.get_mut(session)
    }

    pub(super) fn peek(&self, session: &SessionId) -> Option<&Known> {
        self.young.get(session).or_else(|| self.old.get(session))
    }

    fn insert(&mut self, session: SessionId, known: Known) {
        if self.young_keys > KNOWN_KEYS_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_keys = 0;
        }
        self.young_keys += 1 + known.keys.len();
        self.young.insert(session, known);
    }

    /// Learns a session that was read: its header and the keys of the turns of its window, in order.
    pub(super) fn learn<'a>(
        &mut self,
        session: SessionId,
        header: Header,
        keys: impl Iterator<Item = &'a IdempotencyKey>,
    ) {
        let keys = keys.map(|key| self.hash(key)).collect();
        self.insert(session, Known { header, keys });
    }

    pub(super) fn hash(&self, key: &IdempotencyKey) -> u32 {
        self.hasher.hash_one(key.as_str()) as u32
    }

    /// A turn was added to a session that is known.
    pub(super) fn advance(&mut self, session: &SessionId, header: Header, key: u32) {
        let Some(known) = self.young.get_mut(session) else { return };
        known.header = header;
        known.keys.push_back(key);
        if known.keys.len() as u64 > IDEMPOTENCY_WINDOW_TURNS {
            known.keys.pop_front();
        } else {
            self.young_keys += 1;
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Known {
    /// The turns whose keys have this hash: hardly ever more than the one that is looked for.
    pub(super) fn turns_with(&self, hash: u32) -> Vec<u64> {
        let (front, back) = self.keys.as_slices();
        // Nearly always: over a slice of numbers it costs next to nothing.
        if !front.contains(&hash) && !back.contains(&hash) {
            return Vec::new();
        }
        let first = self.header.seq + 1 - self.keys.len() as u64;
        (first..).zip(&self.keys).filter(|(_, key)| **key == hash).map(|(seq, _)| seq).collect()
    }
}

/// The first turn whose key is still remembered in a session of `seq` turns.
pub(super) fn window_begins(seq: u64) -> u64 {
    (seq + 1).saturating_sub(IDEMPOTENCY_WINDOW_TURNS).max(1)
}
