//! The load over time with no more points than a line has room for.

use crate::pauses::median;
use crate::record::{Bucket, Timeline};

/// Some neighbouring buckets as one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// Its begin, in milliseconds from the drill's.
    pub from_ms: f64,
    /// Its end, likewise.
    pub to_ms: f64,
    /// Turns acknowledged in a second; 0 where the load rested.
    pub turns_per_s: f64,
    /// Attempts that failed in a second, likewise.
    pub failed_per_s: f64,
    /// Latencies, where there were turns.
    pub latency: Option<Latency>,
    /// Did the load rest all the time?
    pub rested: bool,
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Latency {
    /// The median of the buckets' medians.
    pub p50_ms: f64,
    /// The largest 99th percentile of a bucket.
    pub p99_ms: f64,
    /// The largest of all.
    pub max_ms: f64,
}

impl Point {
    /// Its middle, in milliseconds from the drill's begin.
    pub fn middle_ms(&self) -> f64 {
        f64::midpoint(self.from_ms, self.to_ms)
    }
}

/// How many buckets become one point.
pub(super) fn buckets_per_point(timeline: &Timeline, points_max: usize) -> usize {
    timeline.buckets.len().div_ceil(points_max).max(1)
}

/// At most so many points; none of a timeline whose buckets have no width.
pub(super) fn points(timeline: &Timeline, points_max: usize) -> Vec<Point> {
    let bucket_ms = timeline.bucket_ms;
    if !bucket_ms.is_finite() || bucket_ms <= 0.0 {
        return Vec::new();
    }
    let width = buckets_per_point(timeline, points_max);
    let point = |(i, buckets): (usize, &[Bucket])| {
        let from_ms = (i * width) as f64 * bucket_ms;
        // What is left of a bucket in which the load rested says nothing.
        let busy: Vec<&Bucket> = buckets.iter().filter(|b| !b.rested).collect();
        let per_s = |of: fn(&Bucket) -> u64| {
            let total: u64 = busy.iter().map(|b| of(b)).sum();
            total as f64 * 1_000.0 / (busy.len().max(1) as f64 * bucket_ms)
        };
        Point {
            from_ms,
            to_ms: from_ms + buckets.len() as f64 * bucket_ms,
            turns_per_s: per_s(|b| b.turns),
            failed_per_s: per_s(|b| b.failed),
            latency: latency(&busy),
            rested: busy.is_empty(),
        }
    };
    timeline.buckets.chunks(width).enumerate().map(point).collect()
}

fn latency(buckets: &[&Bucket]) -> Option<Latency> {
    let busy: Vec<&&Bucket> = buckets.iter().filter(|b| b.turns > 0).collect();
    let medians: Vec<f64> = busy.iter().map(|b| b.p50_ms).collect();
    let largest = |of: fn(&Bucket) -> f64| busy.iter().map(|b| of(b)).fold(0.0, f64::max);
    Some(Latency { p50_ms: median(&medians)?, p99_ms: largest(|b| b.p99_ms), max_ms: largest(|b| b.max_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(turns: u64, failed: u64, ms: f64) -> Bucket {
        Bucket { turns, failed, p50_ms: ms, p99_ms: 2.0 * ms, max_ms: 3.0 * ms, rested: false }
    }

    #[test]
    fn few_buckets_stay_as_they_are() {
        let timeline = Timeline { bucket_ms: 500.0, buckets: vec![bucket(10, 0, 4.0), bucket(0, 3, 0.0)] };
        let points = points(&timeline, 10);
        assert_eq!(points.len(), 2);
        assert_eq!((points[0].turns_per_s, points[0].middle_ms()), (20.0, 250.0));
        assert_eq!(points[0].latency, Some(Latency { p50_ms: 4.0, p99_ms: 8.0, max_ms: 12.0 }));
        assert_eq!((points[1].failed_per_s, points[1].latency), (6.0, None));
    }

    #[test]
    fn many_buckets_keep_their_sums_and_their_worst() {
        let mut buckets = vec![bucket(1, 1, 1.0); 1_001];
        buckets[500] = bucket(1, 1, 70.0);
        let points = points(&Timeline { bucket_ms: 1_000.0, buckets }, 100);
        assert_eq!(points.len(), 91);
        assert!(points.iter().all(|p| p.turns_per_s == 1.0 && p.failed_per_s == 1.0), "{points:?}");
        assert_eq!(points[45].latency, Some(Latency { p50_ms: 1.0, p99_ms: 140.0, max_ms: 210.0 }));
        assert_eq!(points[90].to_ms, 1_001_000.0);
    }

    #[test]
    fn where_the_load_rested_nothing_is_counted() {
        let rested = |turns| Bucket { rested: true, ..bucket(turns, 1, 9.0) };
        let buckets = vec![bucket(10, 0, 4.0), rested(1), rested(0), rested(0)];
        let points = points(&Timeline { bucket_ms: 500.0, buckets }, 2);
        assert_eq!((points[0].turns_per_s, points[0].failed_per_s, points[0].rested), (20.0, 0.0, false));
        assert_eq!(points[0].latency.map(|l| l.p50_ms), Some(4.0));
        assert_eq!((points[1].turns_per_s, points[1].latency, points[1].rested), (0.0, None, true));
    }

    #[test]
    fn buckets_without_width_are_no_timeline() {
        assert_eq!(points(&Timeline { bucket_ms: 0.0, buckets: vec![bucket(1, 0, 1.0)] }, 10), []);
        assert_eq!(points(&Timeline::default(), 10), []);
    }
}
