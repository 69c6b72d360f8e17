//! `Pace`: how long a batch takes, learned from the batches before it.

use std::time::Duration;

/// How much an older batch counts for each newer one.
const FORGETTING: f64 = 0.97;
/// Batches before an estimate is given.
const BATCHES_MIN: u32 = 3;

/// time = fixed + tokens × each, by least squares over the batches seen, the older ones counting less.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    batches: u32,
    weight: f64,
    tokens: f64,
    seconds: f64,
    tokens_squared: f64,
    tokens_seconds: f64,
}

impl Pace {
    /// A batch of so many tokens took so long.
    pub(super) fn observe(&mut self, tokens: usize, took: Duration) {
        let (tokens, mut seconds) = (tokens as f64, took.as_secs_f64());
        // One batch that was held up (a page fault, a neighbour) says little about the next.
        if let Some(expected) = self.estimate(tokens as usize) {
            seconds = seconds.min(4.0 * expected.as_secs_f64());
        }
        let keep = |old: f64, new: f64| old * FORGETTING + new;
        self.batches = self.batches.saturating_add(1);
        self.weight = keep(self.weight, 1.0);
        self.tokens = keep(self.tokens, tokens);
        self.seconds = keep(self.seconds, seconds);
        self.tokens_squared = keep(self.tokens_squared, tokens * tokens);
        self.tokens_seconds = keep(self.tokens_seconds, tokens * seconds);
    }

    /// Were enough batches seen for an estimate?
    pub(super) fn is_known(&self) -> bool {
        self.batches >= BATCHES_MIN
    }

    /// How long a batch of so many tokens will take; nothing as long as too few were seen.
    pub(super) fn estimate(&self, tokens: usize) -> Option<Duration> {
        let (fixed, each) = self.line()?;
        Some(Duration::from_secs_f64(fixed + each * tokens as f64))
    }

    /// How long so many tokens will take in batches of `batch` tokens.
    pub(super) fn estimate_in_batches(&self, tokens: usize, batch: usize) -> Option<Duration> {
        let (fixed, each) = self.line()?;
        let batches = tokens.div_ceil(batch.max(1)) as f64;
        Some(Duration::from_secs_f64(fixed * batches + each * tokens as f64))
    }

    /// How many tokens a batch may have to take at most so long.
    pub(super) fn tokens_within(&self, limit: Duration) -> Option<usize> {
        let (fixed, each) = self.line()?;
        // A device that takes no time for a token takes as many as it is given.
        Some(((limit.as_secs_f64() - fixed).max(0.0) / each.max(1e-12)) as usize)
    }

    /// The fixed seconds of a batch and those of each token, neither below zero.
    fn line(&self) -> Option<(f64, f64)> {
        if !self.is_known() {
            return None;
        }
        let spread = self.weight * self.tokens_squared - self.tokens * self.tokens;
        // Batches of one size say nothing about the slope: then all of the time is put down to the tokens.
        let through_origin = (0.0, self.seconds / self.tokens.max(1.0));
        if spread <= 1e-6 * self.tokens * self.tokens {
            return Some(through_origin);
        }
        let each = (self.weight * self.tokens_seconds - self.tokens * self.seconds) / spread;
        let fixed = (self.seconds - each * self.tokens) / self.weight;
        Some(match (fixed >= 0.0, each >= 0.0) {
            (true, true) => (fixed, each),
            (false, _) => through_origin,
            (true, false) => (self.seconds / self.weight, 0.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Duration, wanted_ms: f64) {
        let found = found.as_secs_f64() * 1e3;
        assert!((found - wanted_ms).abs() < 0.02 * wanted_ms, "{found} ms, not {wanted_ms}");
    }

    #[test]
    fn it_learns_the_fixed_part_and_the_slope_and_follows_a_change() {
        let mut pace = Pace::default();
        let ms = |ms: f64| Duration::from_secs_f64(ms / 1e3);
        assert_eq!(pace.estimate(10), None);
        for i in 0..60 {
            let tokens = 16 + 37 * (i % 9);
            pace.observe(tokens, ms(0.5 + 0.02 * tokens as f64));
        }
        near(pace.estimate(100).unwrap(), 2.5);
        near(pace.estimate_in_batches(1_000, 100).unwrap(), 25.0);
        assert!((970..=980).contains(&pace.tokens_within(ms(20.0)).unwrap()), "{:?}", pace.tokens_within(ms(20.0)));
        assert_eq!(pace.tokens_within(ms(0.1)), Some(0));
        // A neighbour takes half of the machine.
        for i in 0..200 {
            let tokens = 16 + 37 * (i % 9);
            pace.observe(tokens, ms(1.0 + 0.04 * tokens as f64));
        }
        near(pace.estimate(100).unwrap(), 5.0);
        // One batch that was held up for a second does not count for a second.
        pace.observe(100, ms(1_000.0));
        assert!(pace.estimate(100).unwrap() < ms(7.0), "{:?}", pace.estimate(100));
    }

    #[test]
    fn batches_of_one_size_and_odd_ones_give_no_nonsense() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            pace.observe(64, Duration::from_millis(4));
        }
        near(pace.estimate(128).unwrap(), 8.0);
        // Longer batches that took less: no negative slope.
        for _ in 0..50 {
            pace.observe(640, Duration::from_millis(2));
        }
        assert!(pace.estimate(0).is_some() && pace.estimate(1 << 20).unwrap() < Duration::from_secs(60));
    }
}
