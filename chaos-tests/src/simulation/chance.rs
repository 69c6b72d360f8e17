//! Chance that comes from the seed, a sequence of its own for each use: what one part draws does not shift another's.

use rand::{Rng, SeedableRng, rngs::SmallRng};

/// A sequence of random numbers.
pub(super) struct Chance(SmallRng);

impl Chance {
    /// The sequence of a seed for a use.
    pub(super) fn of(seed: u64, r#use: &str) -> Self {
        Self(SmallRng::seed_from_u64(seed ^ dialogue::ids::hash64(r#use.as_bytes())))
    }

    /// Below `end`; 0 where that is 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0.random_range(0..end) }
    }

    /// From `from` up to and without `to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from))
    }

    /// True with a probability.
    pub(super) fn hits(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.0.random_bool(probability.min(1.0))
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}
