//! `MemoryBudget`: a ledger of bytes that is asked before anything is allocated.
//!
//! Drivers report memory late or not at all, so the ledger is the truth: a reservation is refused before the
//! allocation, and dropping it gives the bytes back.

use dialogue::ports::ScoreError;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A refusal: nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{asked_bytes} bytes are needed, {free_bytes} of {limit_bytes} are free")]
pub struct OverBudget {
    /// Needed.
    pub asked_bytes: u64,
    /// Free at that moment.
    pub free_bytes: u64,
    /// The whole budget.
    pub limit_bytes: u64,
}

impl From<OverBudget> for ScoreError {
    fn from(o: OverBudget) -> Self {
        ScoreError::OverBudget { asked_bytes: o.asked_bytes, free_bytes: o.free_bytes, limit_bytes: o.limit_bytes }
    }
}

#[derive(Debug)]
struct Ledger {
    limit: u64,
    used: AtomicU64,
}

/// A budget in bytes; clones share it.
#[derive(Debug, Clone)]
pub struct MemoryBudget(Arc<Ledger>);

impl MemoryBudget {
    /// A budget of `limit_bytes`, nothing of it used.
    pub fn new(limit_bytes: u64) -> Self {
        Self(Arc::new(Ledger { limit: limit_bytes, used: AtomicU64::new(0) }))
    }

    /// Takes `bytes` until the reservation is dropped, or takes nothing.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation, OverBudget> {
        let Ledger { limit, used } = &*self.0;
        let take = |now: u64| now.checked_add(bytes).filter(|sum| sum <= limit);
        match used.fetch_update(Ordering::AcqRel, Ordering::Acquire, take) {
            Ok(_) => Ok(Reservation { ledger: self.0.clone(), bytes }),
            Err(now) => Err(OverBudget { asked_bytes: bytes, free_bytes: limit - now, limit_bytes: *limit }),
        }
    }

    /// Bytes that are reserved now.
    pub fn used_bytes(&self) -> u64 {
        self.0.used.load(Ordering::Acquire)
    }

    /// The whole budget, in bytes.
    pub fn limit_bytes(&self) -> u64 {
        self.0.limit
    }
}

/// Bytes taken from a [`MemoryBudget`]; dropping it gives them back.
#[derive(Debug)]
#[must_use = "a reservation that is dropped at once protects nothing"]
pub struct Reservation {
    ledger: Arc<Ledger>,
    bytes: u64,
}

impl Reservation {
    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let before = self.ledger.used.fetch_sub(self.bytes, Ordering::AcqRel);
        assert!(before >= self.bytes, "the ledger never holds less than its reservations");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_refuses_before_and_gives_back_after() {
        let budget = MemoryBudget::new(100);
        let first = budget.reserve(70).unwrap();
        let refused = budget.reserve(31).unwrap_err();
        assert_eq!(refused, OverBudget { asked_bytes: 31, free_bytes: 30, limit_bytes: 100 });
        let second = budget.reserve(30).unwrap();
        assert_eq!(budget.used_bytes(), 100);
        drop((first, second));
        assert_eq!(budget.used_bytes(), 0);
        assert!(budget.reserve(u64::MAX).is_err(), "the sum must not wrap around");
    }
}
