//! What a round cost its users, read off the turns that they said.

use super::run::Struck;
use crate::history::Outcome;
use crate::load::{LoadOutcome, TurnSeen};
use crate::pauses::unserved_ns;
use crate::record::{Bucket, RoundRecord, Timeline};
use std::collections::BTreeMap;

/// Most buckets of a timeline.
const BUCKETS_MAX: u64 = 3_000;
/// Widths that read well, in milliseconds.
const WIDTHS_MS: [u64; 8] = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// A round's figures.
pub(super) fn round(struck: &Struck, outcome: &LoadOutcome) -> RoundRecord {
    let (from, to) = (struck.struck_ns, struck.healed_ns);
    let near: Vec<&TurnSeen> = outcome.turns.iter().filter(|t| t.end_ns >= from && t.start_ns <= to).collect();
    let mut by_shard: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    let mut hit = Vec::new();
    for turn in &near {
        let Some(shard) = turn.shard.map(u64::from).filter(|shard| struck.shards.contains(shard)) else { continue };
        by_shard.entry(shard).or_default().push((turn.start_ns, turn.end_ns));
        hit.push((turn.start_ns, turn.end_ns));
    }
    let all: Vec<(u64, u64)> = near.iter().map(|t| (t.start_ns, t.end_ns)).collect();
    let of_a_shard = by_shard.values().map(|turns| unserved_ns(turns, from, to)).max();
    RoundRecord {
        zones: struck.zones.clone(),
        led: struck.shards.len(),
        struck_ms: ms(from),
        healed_ms: ms(to),
        pause_ms: ms(unserved_ns(&hit, from, to)),
        shard_pause_ms: ms(of_a_shard.unwrap_or(0)),
        total_pause_ms: ms(unserved_ns(&all, from, to)),
        worst_turn_ms: ms(near.iter().map(|t| t.end_ns - t.start_ns).max().unwrap_or(0)),
        whole_again_ms: ms(struck.whole_ns - to),
    }
}

/// Throughput, failures and latencies over time, and when the load rested. The attempts are still there only before they
/// are judged.
pub(super) fn timeline(outcome: &LoadOutcome, rests: &[(u64, u64)], end_ns: u64) -> Timeline {
    let total_ms = end_ns / 1_000_000 + 1;
    let width_ms = WIDTHS_MS.into_iter().find(|w| total_ms / w < BUCKETS_MAX).unwrap_or(total_ms / BUCKETS_MAX + 1);
    let count = usize::try_from(total_ms / width_ms + 1).unwrap_or(0);
    let mut buckets = vec![Bucket::default(); count];
    let mut latencies: Vec<Vec<f64>> = vec![Vec::new(); count];
    let place = |ns: u64| usize::try_from(ns / 1_000_000 / width_ms).map_or(count - 1, |i| i.min(count - 1));
    for turn in &outcome.turns {
        latencies[place(turn.end_ns)].push(ms(turn.end_ns - turn.start_ns));
    }
    for attempt in &outcome.attempts {
        if !matches!(attempt.outcome, Outcome::Acknowledged(_)) {
            buckets[place(attempt.end_ns)].failed += 1;
        }
    }
    for (from, to) in rests {
        buckets[place(*from)..=place(*to)].iter_mut().for_each(|bucket| bucket.rested = true);
    }
    for (bucket, mut latencies) in buckets.iter_mut().zip(latencies) {
        latencies.sort_by(f64::total_cmp);
        bucket.turns = latencies.len() as u64;
        if let Some(last) = latencies.len().checked_sub(1) {
            bucket.p50_ms = latencies[last / 2];
            bucket.p99_ms = latencies[last * 99 / 100];
            bucket.max_ms = latencies[last];
        }
    }
    Timeline { bucket_ms: width_ms as f64, buckets }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::LoadReport;

    #[test]
    fn what_a_rest_touches_is_marked() {
        let (attempts, reads, acknowledged_ns, turns) = Default::default();
        let outcome = LoadOutcome { report: LoadReport::default(), attempts, reads, acknowledged_ns, turns };
        let ms = |ms: u64| ms * 1_000_000;
        let timeline = timeline(&outcome, &[(ms(120), ms(210)), (ms(490), ms(9_000))], ms(599));
        let rested: Vec<usize> = (0..).zip(&timeline.buckets).filter(|(_, b)| b.rested).map(|(i, _)| i).collect();
        // Buckets of 50 ms; what is behind the end is in the last.
        assert_eq!((timeline.bucket_ms, rested), (50.0, vec![2, 3, 4, 9, 10, 11, 12]));
    }
}
