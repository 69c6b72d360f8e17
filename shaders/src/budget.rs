//! `MemoryBudget`: a ledger of bytes that is asked before anything is allocated.
//!
//! Drivers report memory late or not at all, so the ledger is the truth: a reservation is refused before the
//! allocation, and dropping it gives the bytes back. A model may have a floor: so many bytes that others never take.

use dialogue::ports::ScoreError;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A refusal: nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{asked_bytes} bytes are needed, {free_bytes} of {limit_bytes} are free")]
pub struct OverBudget {
    /// Needed.
    pub asked_bytes: u64,
    /// Free for the one who asks, at that moment.
    pub free_bytes: u64,
    /// The whole budget.
    pub limit_bytes: u64,
}

impl From<OverBudget> for ScoreError {
    fn from(o: OverBudget) -> Self {
        ScoreError::OverBudget { asked_bytes: o.asked_bytes, free_bytes: o.free_bytes, limit_bytes: o.limit_bytes }
    }
}

/// What bytes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryKind {
    /// A model's numbers.
    Weights,
    /// What a pass works in between its input and its output.
    Activations,
    /// What data travels through to the device and back.
    Staging,
    /// What is gone after the call: results while they are made, measurements.
    Scratch,
    /// What was worked out before and is kept, up to a limit of its own.
    Caches,
}

impl MemoryKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Weights, Self::Activations, Self::Staging, Self::Scratch, Self::Caches];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Activations => "activations",
            Self::Staging => "staging",
            Self::Scratch => "scratch",
            Self::Caches => "caches",
        }
    }
}

/// What a ledger says at one moment, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUsage {
    /// The whole budget.
    pub limit_bytes: u64,
    /// Reserved, in the order of [`MemoryKind::ALL`].
    pub used_bytes: [u64; MemoryKind::ALL.len()],
    /// The most that was reserved at once.
    pub peak_bytes: u64,
}

impl MemoryUsage {
    /// Reserved in all.
    pub fn total_bytes(&self) -> u64 {
        self.used_bytes.iter().sum()
    }
}

#[derive(Debug)]
struct Ledger {
    limit: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: [u64; MemoryKind::ALL.len()],
    peak: u64,
    owners: BTreeMap<u64, Account>,
    owners_seen: u64,
}

/// What one owner has, and what it has for itself.
#[derive(Debug, Default)]
struct Account {
    used: u64,
    floor: u64,
}

impl Ledger {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one step: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What `owner` may still take: what is free, without what the floors of others lack.
    fn free_for(&self, owner: u64, limit: u64) -> u64 {
        let used: u64 = self.used.iter().sum();
        let others = self.owners.iter().filter(|(id, _)| **id != owner);
        let kept: u64 = others.map(|(_, account)| account.floor.saturating_sub(account.used)).sum();
        limit.saturating_sub(used).saturating_sub(kept)
    }
}

/// Who asks; its floor ends with the last one who knows it.
#[derive(Debug)]
struct Owner {
    ledger: Arc<Ledger>,
    id: u64,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.ledger.state().owners.remove(&self.id);
    }
}

/// A budget in bytes; clones share it.
#[derive(Debug, Clone)]
pub struct MemoryBudget(Arc<Owner>);

impl MemoryBudget {
    /// A budget of `limit_bytes`, nothing of it used.
    pub fn new(limit_bytes: u64) -> Self {
        let ledger = Arc::new(Ledger { limit: limit_bytes, state: Mutex::default() });
        Self::owner(ledger, 0)
    }

    fn owner(ledger: Arc<Ledger>, floor: u64) -> Self {
        let id = {
            let mut state = ledger.state();
            state.owners_seen += 1;
            let id = state.owners_seen;
            state.owners.insert(id, Account { used: 0, floor });
            id
        };
        Self(Arc::new(Owner { ledger, id }))
    }

    /// The same budget for one model, which has `floor_bytes` of it for itself. Refused where the floors exceed the limit.
    pub fn for_model(&self, floor_bytes: u64) -> Result<Self, OverBudget> {
        let ledger = &self.0.ledger;
        let floors: u64 = ledger.state().owners.values().map(|account| account.floor).sum();
        let free = ledger.limit.saturating_sub(floors);
        if floor_bytes > free {
            return Err(OverBudget { asked_bytes: floor_bytes, free_bytes: free, limit_bytes: ledger.limit });
        }
        Ok(Self::owner(ledger.clone(), floor_bytes))
    }

    /// Takes `bytes` until the reservation is dropped, or takes nothing.
    pub fn reserve(&self, kind: MemoryKind, bytes: u64) -> Result<Reservation, OverBudget> {
        let Owner { ledger, id } = &*self.0;
        let mut state = ledger.state();
        let free = state.free_for(*id, ledger.limit);
        if bytes > free {
            return Err(OverBudget { asked_bytes: bytes, free_bytes: free, limit_bytes: ledger.limit });
        }
        state.used[kind as usize] += bytes;
        state.peak = state.peak.max(state.used.iter().sum());
        state.owners.entry(*id).or_default().used += bytes;
        drop(state);
        Ok(Reservation { owner: self.0.clone(), kind, bytes })
    }

    /// What is reserved now.
    pub fn usage(&self) -> MemoryUsage {
        let ledger = &self.0.ledger;
        let state = ledger.state();
        MemoryUsage { limit_bytes: ledger.limit, used_bytes: state.used, peak_bytes: state.peak }
    }

    /// Bytes that this owner has reserved.
    pub fn own_bytes(&self) -> u64 {
        self.0.ledger.state().owners.get(&self.0.id).map_or(0, |account| account.used)
    }

    /// Bytes that are reserved now.
    pub fn used_bytes(&self) -> u64 {
        self.usage().total_bytes()
    }

    /// The whole budget, in bytes.
    pub fn limit_bytes(&self) -> u64 {
        self.0.ledger.limit
    }
}

/// Bytes taken from a [`MemoryBudget`]; dropping it gives them back.
#[derive(Debug)]
#[must_use = "a reservation that is dropped at once protects nothing"]
pub struct Reservation {
    owner: Arc<Owner>,
    kind: MemoryKind,
    bytes: u64,
}

impl Reservation {
    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back all but `bytes`; it never grows.
    pub fn shrink(&mut self, bytes: u64) {
        if bytes < self.bytes {
            let rest = Self { owner: self.owner.clone(), kind: self.kind, bytes: self.bytes - bytes };
            self.bytes = bytes;
            drop(rest);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.owner.ledger.state();
        let used = &mut state.used[self.kind as usize];
        assert!(*used >= self.bytes, "the ledger never holds less than its reservations");
        *used -= self.bytes;
        if let Some(account) = state.owners.get_mut(&self.owner.id) {
            account.used -= self.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MemoryKind::{Activations, Weights};

    #[test]
    fn it_refuses_before_and_gives_back_after() {
        let budget = MemoryBudget::new(100);
        let first = budget.reserve(Weights, 70).unwrap();
        let refused = budget.reserve(Activations, 31).unwrap_err();
        assert_eq!(refused, OverBudget { asked_bytes: 31, free_bytes: 30, limit_bytes: 100 });
        let second = budget.reserve(Activations, 30).unwrap();
        let usage = budget.usage();
        assert_eq!((usage.used_bytes, usage.total_bytes()), ([70, 30, 0, 0, 0], 100));
        let mut first = first;
        first.shrink(50);
        first.shrink(60);
        assert_eq!((first.bytes(), budget.usage().used_bytes), (50, [50, 30, 0, 0, 0]));
        drop((first, second));
        let usage = budget.usage();
        assert_eq!((usage.total_bytes(), usage.peak_bytes), (0, 100));
        assert!(budget.reserve(Weights, u64::MAX).is_err(), "the sum must not wrap around");
    }

    #[test]
    fn a_floor_is_never_taken_by_others() {
        let all = MemoryBudget::new(100);
        let one = all.for_model(40).unwrap();
        let two = all.for_model(30).unwrap();
        assert_eq!(
            all.for_model(31).unwrap_err().free_bytes,
            30,
            "floors beyond the limit are promises that cannot be kept"
        );
        // Of what is left beside the floors, 30, anybody may take.
        let common = all.reserve(Weights, 30).unwrap();
        assert_eq!(all.reserve(Weights, 1).unwrap_err().free_bytes, 0);
        let own = two.reserve(Weights, 30).unwrap();
        assert_eq!(two.reserve(Weights, 1).unwrap_err().free_bytes, 0, "its floor is used, the rest is the other's");
        let whole = one.reserve(Weights, 40).unwrap();
        assert_eq!(all.used_bytes(), 100);
        drop((common, own, whole));
        // Beyond its floor a model takes what is free.
        let most = one.reserve(Weights, 70).unwrap();
        assert_eq!(two.reserve(Weights, 31).unwrap_err().free_bytes, 30);
        // The floor ends with its model, not before its last reservation.
        drop(two);
        drop(one);
        assert_eq!(all.reserve(Weights, 31).unwrap_err().free_bytes, 30);
        drop(most);
        assert!(all.reserve(Weights, 100).is_ok());
    }

    #[test]
    fn threads_together_never_exceed_the_limit() {
        let budget = MemoryBudget::new(1_000);
        std::thread::scope(|scope| {
            for seed in 1..=4_u64 {
                let budget = budget.clone();
                scope.spawn(move || {
                    let mut held = Vec::new();
                    for i in 0..2_000 {
                        held.extend(
                            budget.reserve(
                                MemoryKind::ALL[i as usize % MemoryKind::ALL.len()],
                                (seed * 7 + i * 13) % 200,
                            ),
                        );
                        if i % 3 == 0 {
                            held.clear();
                        }
                    }
                });
            }
        });
        let usage = budget.usage();
        assert!(usage.total_bytes() == 0 && usage.peak_bytes <= 1_000 && usage.peak_bytes > 500, "{usage:?}");
    }
}
