//! `Score`: precision, recall and their harmonic mean, from counts.

use serde::{Deserialize, Serialize};

/// How well one thing is found; each share is 0 where there is nothing to divide by.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Score {
    /// Of what was said to be it, how much is.
    pub precision: f64,
    /// Of what is it, how much was found.
    pub recall: f64,
    /// Their harmonic mean.
    #[serde(rename = "f1-score")]
    pub f1: f64,
    /// How many there are.
    pub support: usize,
}

impl Score {
    /// From how many there are, how many were said and how many of these are right.
    pub fn of(support: usize, said: usize, right: usize) -> Self {
        let share = |of: usize| if of == 0 { 0.0 } else { right as f64 / of as f64 };
        let (precision, recall) = (share(said), share(support));
        let sum = precision + recall;
        let f1 = if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 };
        Self { precision, recall, f1, support }
    }

    /// The mean of scores, each counted `weight` times; the supports are added.
    pub fn mean<'s>(scores: impl Iterator<Item = &'s Score>, weight: impl Fn(&Score) -> f64) -> Self {
        let (mut mean, mut sum) = (Score::default(), 0.0);
        for score in scores {
            let w = weight(score);
            sum += w;
            mean.precision += w * score.precision;
            mean.recall += w * score.recall;
            mean.f1 += w * score.f1;
            mean.support += score.support;
        }
        for share in [&mut mean.precision, &mut mean.recall, &mut mean.f1] {
            *share = if sum > 0.0 { *share / sum } else { 0.0 };
        }
        mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_become_shares() {
        let score = Score::of(4, 2, 1);
        assert_eq!((score.precision, score.recall, score.support), (0.5, 0.25, 4));
        assert!((score.f1 - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(Score::of(0, 0, 0), Score::default());
        let mean = Score::mean([Score::of(3, 3, 3), Score::of(1, 1, 0)].iter(), |s| s.support as f64);
        assert_eq!((mean.f1, mean.support), (0.75, 4));
    }
}
