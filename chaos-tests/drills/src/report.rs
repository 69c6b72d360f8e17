//! What a load run measured, as JSON and as one line for people.

use crate::limits::LATENCY_US_MAX;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt;

/// The figures of one load run. Latencies are those of whole turns: from the first attempt to the acknowledgement.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LoadReport {
    /// Closed-loop clients.
    pub clients: usize,
    /// Was every text unique, so that no cache of understandings could help?
    pub cold: bool,
    /// Turns acknowledged (resent ones not counted again).
    pub turns: u64,
    /// Turns given up without an acknowledgement.
    pub errors: u64,
    /// Attempts beyond the first of a turn.
    pub retries: u64,
    /// Acknowledged turns that were sent again on purpose.
    pub resends: u64,
    /// Acknowledgements that were marked as replayed.
    pub replayed: u64,
    /// Reads, failed ones included.
    pub reads: u64,
    /// Reads that failed.
    pub reads_failed: u64,
    /// Acknowledgements without a single message.
    pub silent: u64,
    /// Length of the run in seconds.
    pub seconds: f64,
    /// Turns per second.
    pub turns_per_s: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 90th percentile in milliseconds.
    pub p90_ms: f64,
    /// 99th percentile in milliseconds.
    pub p99_ms: f64,
    /// 99.9th percentile in milliseconds.
    pub p999_ms: f64,
    /// Worst latency in milliseconds.
    pub max_ms: f64,
    /// Longest time between two neighbouring acknowledgements of any client, in milliseconds.
    pub longest_pause_ms: f64,
    /// Understandings that no cache held, by the nodes' own count, where they were asked.
    pub cache_misses: Option<u64>,
    /// The first thing that went wrong, where something did.
    pub first_trouble: Option<String>,
}

impl LoadReport {
    /// Fills in the percentiles of a histogram of microseconds.
    pub fn with_latencies(mut self, latencies: &Histogram<u64>) -> Self {
        let ms = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1_000.0;
        self.p50_ms = ms(0.5);
        self.p90_ms = ms(0.9);
        self.p99_ms = ms(0.99);
        self.p999_ms = ms(0.999);
        self.max_ms = latencies.max() as f64 / 1_000.0;
        self
    }

    /// Adds a later run. Percentiles cannot be added: the greater of each stands, which is never too good.
    pub fn append(&mut self, other: &Self) {
        self.turns += other.turns;
        self.errors += other.errors;
        self.retries += other.retries;
        self.resends += other.resends;
        self.replayed += other.replayed;
        self.reads += other.reads;
        self.reads_failed += other.reads_failed;
        self.silent += other.silent;
        self.seconds += other.seconds;
        self.turns_per_s = self.turns as f64 / self.seconds.max(f64::MIN_POSITIVE);
        self.p50_ms = self.p50_ms.max(other.p50_ms);
        self.p90_ms = self.p90_ms.max(other.p90_ms);
        self.p99_ms = self.p99_ms.max(other.p99_ms);
        self.p999_ms = self.p999_ms.max(other.p999_ms);
        self.max_ms = self.max_ms.max(other.max_ms);
        self.longest_pause_ms = self.longest_pause_ms.max(other.longest_pause_ms);
        self.first_trouble = self.first_trouble.take().or_else(|| other.first_trouble.clone());
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} clients, {}: {} turns in {:.1} s = {:.0}/s, P50 {:.1} ms, P90 {:.1}, P99 {:.1}, P99.9 {:.1}, max {:.1}; \
             {} errors, {} retries, {} resent, {} silent, {} reads ({} failed); longest pause {:.0} ms",
            self.clients,
            if self.cold { "cold" } else { "warm" },
            self.turns,
            self.seconds,
            self.turns_per_s,
            self.p50_ms,
            self.p90_ms,
            self.p99_ms,
            self.p999_ms,
            self.max_ms,
            self.errors,
            self.retries,
            self.resends,
            self.silent,
            self.reads,
            self.reads_failed,
            self.longest_pause_ms,
        )?;
        match &self.first_trouble {
            Some(trouble) => write!(f, "\n  first trouble: {trouble}"),
            None => Ok(()),
        }
    }
}

/// A histogram of microseconds with three significant digits.
pub fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("1 to five minutes with 3 digits are valid bounds")
}
