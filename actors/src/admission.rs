//! Admission: a counted permit in front of a mailbox that has no bound of its own.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// Hands out at most `limit` permits at a time and refuses at once when they are out.
#[derive(Debug, Clone)]
pub struct Admission {
    what: &'static str,
    limit: usize,
    permits: Arc<Semaphore>,
}

/// A place that was granted; it is given back when dropped.
#[derive(Debug)]
pub struct Permit {
    _permits: OwnedSemaphorePermit,
}

/// All places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub what: &'static str,
    pub limit: usize,
}

impl Admission {
    /// `what` names the resource in refusals: "turns of this node".
    pub fn new(what: &'static str, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self { what, limit, permits: Arc::new(Semaphore::new(limit)) }
    }

    pub(crate) fn try_admit(&self) -> Result<Permit, Refused> {
        self.try_admit_many(1)
    }

    /// Takes `count` places at once (tokens, say). More than the limit is never granted.
    pub(crate) fn try_admit_many(&self, count: usize) -> Result<Permit, Refused> {
        let refused = Refused { what: self.what, limit: self.limit };
        let count = u32::try_from(count).map_err(|_| refused)?;
        match self.permits.clone().try_acquire_many_owned(count) {
            Ok(permits) => Ok(Permit { _permits: permits }),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => Err(refused),
        }
    }

    /// Places in use.
    pub fn in_use(&self) -> usize {
        self.limit - self.permits.available_permits()
    }

    /// Is no place taken?
    pub fn is_idle(&self) -> bool {
        self.in_use() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_house_refuses_and_a_leaving_guest_makes_room() {
        let house = Admission::new("turns", 2);
        let first = house.try_admit().unwrap();
        let _second = house.try_admit().unwrap();
        assert_eq!(house.try_admit().unwrap_err(), Refused { what: "turns", limit: 2 });
        drop(first);
        assert_eq!(house.in_use(), 1);
        assert!(house.try_admit_many(2).is_err(), "two places are not free");
        assert!(house.try_admit().is_ok());
    }
}
