//! Idle groups sleep: no heartbeats and no timers of their own. The pulse, one for all groups of two nodes, stands in.
//!
//! A leader whose group has been idle for a while offers it: in this term, with the log ending here and all of it
//! committed. A follower that sees the same stops its election timer and says so. When all members sleep, the leader
//! stops as well. A follower takes the pulse for its leader's heartbeat: when it is silent for as long as a heartbeat
//! might be, the election timer runs again; until then nobody gets a vote. Any use wakes a group.
//!
//! # Why it is safe
//!
//! Only timers are stopped. Who leads, what is committed and what may be read is decided by openraft as ever: a leader
//! that slept has no lease, and asks a majority before it answers a read. A word that is lost or late can make a group
//! elect too early or sleep too little, and that is all.

mod look;

pub(crate) use look::Sleep;
pub(super) use look::{Hours, Sleepers, sleepers};

use crate::types::LogId;
use std::time::Duration;
use tokio::time::Instant;

/// Where a group sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Who leads it.
    pub(crate) leader: u64,
    /// In which term.
    pub(crate) term: u64,
    /// Where the log ends; all of it is committed.
    pub(crate) last: LogId,
}

/// What a leader offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offer {
    spot: Spot,
    /// The version of the placement that the group's membership has reached.
    settled: u64,
    /// The version of the control state that says so.
    view: u64,
}

/// How a replica sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// openraft's timers run.
    Awake,
    /// As a leader that goes on with its heartbeats until all others sleep.
    Offers(Offer),
    /// As a leader without heartbeats.
    Leads(Offer),
    /// As a follower: the pulse of its leader was heard at `heard`, and may be missed for `patience`.
    Follows { spot: Spot, heard: Instant, patience: Duration },
    /// As a follower that was woken, or whose leader has. The leader's heartbeat has until `until` to come: an election
    /// timer that ran again at once would find a lease from long ago.
    Stirs { spot: Spot, until: Instant },
}

/// What is seen of a group at one moment. What costs something is asked only when it matters.
trait Look {
    fn now(&self) -> Instant;
    /// How long a leader that was heard of keeps its lease.
    fn lease(&self) -> Duration;
    /// How long this replica waits for its leader this time: the lease and an election timeout.
    fn draw(&self) -> Duration;
    /// Does this replica lead?
    fn leads(&self) -> bool;
    /// Has the group not been used for long enough?
    fn is_quiet(&self) -> bool;
    /// As a leader: where the group could sleep, if all is well.
    fn offer(&self) -> Option<Offer>;
    /// The version of the control state.
    fn view(&self) -> u64;
    /// As a leader: are all other members alive, and do they sleep there?
    fn all_sleep(&self, spot: &Spot) -> bool;
    /// As a follower: what the leader offers, and when it was last heard to.
    fn offered(&self) -> Option<(Spot, Instant)>;
    /// As a follower: is this what this replica sees, too?
    fn agrees(&self, spot: &Spot) -> bool;
}

impl State {
    /// What becomes of it.
    fn next(self, look: &impl Look) -> Self {
        match self {
            Self::Awake | Self::Stirs { .. } if look.leads() => {
                if look.is_quiet() {
                    look.offer().map_or(Self::Awake, Self::Offers)
                } else {
                    Self::Awake
                }
            }
            Self::Awake | Self::Stirs { .. } => {
                let fresh = |heard: Instant| look.now() < heard + look.lease();
                match (look.offered(), self) {
                    (Some((spot, heard)), _) if fresh(heard) && look.agrees(&spot) => {
                        Self::Follows { spot, heard, patience: look.draw() }
                    }
                    (_, Self::Stirs { until, .. }) if look.now() < until => self,
                    _ => Self::Awake,
                }
            }
            Self::Offers(offer) if look.leads() && look.is_quiet() && look.offer() == Some(offer) => {
                if look.all_sleep(&offer.spot) { Self::Leads(offer) } else { self }
            }
            Self::Leads(offer) if look.leads() && look.is_quiet() && look.view() == offer.view => {
                if look.all_sleep(&offer.spot) { self } else { Self::Awake }
            }
            Self::Offers(_) | Self::Leads(_) => Self::Awake,
            Self::Follows { .. } if look.leads() => Self::Awake,
            Self::Follows { spot, heard, patience } => match look.offered() {
                Some((offered, heard)) if offered == spot && look.now() < heard + patience => {
                    Self::Follows { spot, heard, patience }
                }
                Some((offered, _)) if offered == spot => Self::Awake,
                _ => Self::Stirs { spot, until: heard + patience }.next(look),
            },
        }
    }

    /// What becomes of it when the group is used.
    fn woken(self) -> Self {
        match self {
            Self::Offers(_) | Self::Leads(_) => Self::Awake,
            Self::Follows { spot, heard, patience } => Self::Stirs { spot, until: heard + patience },
            Self::Awake | Self::Stirs { .. } => self,
        }
    }

    /// Do openraft's timers run?
    fn ticks(&self) -> bool {
        matches!(self, Self::Awake | Self::Offers(_))
    }

    /// Neither heartbeats nor timers, and nothing to wait for?
    fn is_asleep(&self) -> bool {
        matches!(self, Self::Leads(_) | Self::Follows { .. })
    }

    /// Is it worth telling when the group is used?
    fn rests(&self) -> bool {
        !matches!(self, Self::Awake | Self::Stirs { .. })
    }

    /// When it changes although nothing happens.
    fn until(&self) -> Option<Instant> {
        match self {
            Self::Follows { heard, patience, .. } => Some(*heard + *patience),
            Self::Stirs { until, .. } => Some(*until),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
