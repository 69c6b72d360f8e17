//! `LoadTime`: how long it takes to bring a model to the device, learned from the times that it was brought.

use std::time::Duration;
use tokio::time::Instant;

/// How much the newest load counts. A model weighs what it weighs, so its loads are alike and one that differs should move little; but
/// they are rare, so a change must show after a few: two thirds of it after three.
const NEWEST: f64 = 0.3;
/// A load that was held up (an allocator, a neighbour) counts for so many usual ones at most.
const HELD_UP: f64 = 4.0;
/// A figure so old that leaves a request no time is not believed. Otherwise nobody would be let in whose load could correct it.
const DOUBTED_AFTER: Duration = Duration::from_secs(30);

/// How many loads long requests for other models may go first: then a device that models take in turns works four fifths of its time.
const PATIENCE_LOADS: u32 = 4;
/// Shorter than the steps in which batches end, it would mean nothing.
const PATIENCE_MIN: Duration = Duration::from_millis(20);
/// Nobody waits for longer only because others are there already.
const PATIENCE_MAX: Duration = Duration::from_secs(2);
/// Before the first load.
const PATIENCE_UNKNOWN: Duration = Duration::from_millis(200);

/// A mean of loads, the older ones counting less.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LoadTime {
    /// The mean, and when the newest load was done.
    known: Option<(Duration, Instant)>,
}

impl LoadTime {
    /// The model was brought in so long a time, and is there now.
    pub(super) fn observe(&mut self, took: Duration, now: Instant) {
        let mean = self.known.map_or(took, |(mean, _)| {
            let took = took.min(mean.mul_f64(HELD_UP));
            mean.mul_f64(1.0 - NEWEST) + took.mul_f64(NEWEST)
        });
        self.known = Some((mean, now));
    }

    /// How long the next load will take; nothing before the first.
    pub(super) fn estimate(&self) -> Option<Duration> {
        self.known.map(|(mean, _)| mean)
    }

    /// The same for a request that has so much time left, whom an old figure never turns away by itself.
    pub(super) fn estimate_within(&self, time_left: Duration, now: Instant) -> Option<Duration> {
        let believed = |(mean, seen): &(Duration, Instant)| *mean < time_left || now < *seen + DOUBTED_AFTER;
        self.known.filter(believed).map(|(mean, _)| mean)
    }

    /// How long requests that need this load may wait for others, whose models are there.
    pub(super) fn patience(&self) -> Duration {
        self.estimate().map_or(PATIENCE_UNKNOWN, |load| (load * PATIENCE_LOADS).clamp(PATIENCE_MIN, PATIENCE_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn it_follows_a_change_and_is_not_misled_by_one_load() {
        let (mut loads, now) = (LoadTime::default(), Instant::now());
        assert_eq!(loads.estimate(), None, "the first load has no figure");
        loads.observe(ms(100), now);
        assert_eq!(loads.estimate(), Some(ms(100)));
        loads.observe(ms(10_000), now);
        assert_eq!(loads.estimate(), Some(ms(190)), "held up: it counts for four");
        for _ in 0..20 {
            loads.observe(ms(50), now);
        }
        let found = loads.estimate().unwrap();
        assert!(found > ms(49) && found < ms(51), "{found:?}");
    }

    #[test]
    fn an_old_figure_that_leaves_no_time_is_doubted() {
        let (mut loads, now) = (LoadTime::default(), Instant::now());
        loads.observe(ms(500), now);
        let old = now + DOUBTED_AFTER;
        assert_eq!(loads.estimate_within(ms(400), old - ms(1)), Some(ms(500)));
        assert_eq!(loads.estimate_within(ms(400), old), None, "somebody must find out whether it is still so");
        assert_eq!(loads.estimate_within(ms(600), old), Some(ms(500)), "who has the time counts with it");
    }

    #[test]
    fn patience_is_some_loads_long_within_limits() {
        let patience = |load| {
            let mut loads = LoadTime::default();
            loads.observe(ms(load), Instant::now());
            loads.patience()
        };
        assert_eq!(LoadTime::default().patience(), ms(200));
        assert_eq!([1, 50, 5_000].map(patience), [ms(20), ms(200), ms(2_000)]);
    }
}
