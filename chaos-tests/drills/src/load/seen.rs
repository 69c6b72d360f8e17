//! What one client of the load saw.

use super::TurnSeen;
use crate::history::{Attempt, Read};
use crate::report::{LoadReport, latency_histogram};
use hdrhistogram::Histogram;

/// What one client saw, or several.
pub(super) struct ClientSaw {
    pub counts: LoadReport,
    pub attempts: Vec<Attempt>,
    pub reads: Vec<Read>,
    pub turns: Vec<TurnSeen>,
    pub latencies_us: Histogram<u64>,
}

impl ClientSaw {
    pub(super) fn new() -> Self {
        Self {
            counts: LoadReport::default(),
            attempts: Vec::new(),
            reads: Vec::new(),
            turns: Vec::new(),
            latencies_us: latency_histogram(),
        }
    }

    pub(super) fn absorb(&mut self, other: ClientSaw) {
        let (sum, more) = (&mut self.counts, other.counts);
        sum.errors += more.errors;
        sum.retries += more.retries;
        sum.resends += more.resends;
        sum.replayed += more.replayed;
        sum.silent += more.silent;
        sum.reads += more.reads;
        sum.reads_failed += more.reads_failed;
        sum.first_trouble = sum.first_trouble.take().or(more.first_trouble);
        self.attempts.extend(other.attempts);
        self.reads.extend(other.reads);
        self.turns.extend(other.turns);
        self.latencies_us.add(&other.latencies_us).expect("all histograms have the same bounds");
    }
}
