//! `Confidences`: how sure it was, and with what right.

use super::Judged;
use serde::{Deserialize, Serialize};

/// Bins between 0 and 1.
const BINS: usize = 20;

/// Confidences of right and of wrong answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Confidences {
    /// From 0 to 1, all of the same width.
    pub bins: Vec<Bin>,
    /// By how much a confidence differs from the share of right answers in its bin, on average over all answers (the expected
    /// calibration error of Guo et al. 2017).
    pub calibration_error: f64,
}

/// Answers of similar confidence.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bin {
    /// Their confidence, on average.
    pub confidence: f64,
    /// How many are right.
    pub right: usize,
    /// How many are wrong.
    pub wrong: usize,
}

impl Confidences {
    /// Of examples.
    pub fn of(judged: &[Judged<'_>]) -> Self {
        let mut bins = vec![Bin::default(); BINS];
        for j in judged {
            let confidence = f64::from(j.heard.intent.confidence);
            let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
            bin.confidence += confidence;
            let right = j.heard.intent.name == j.example.intent;
            *(if right { &mut bin.right } else { &mut bin.wrong }) += 1;
        }
        let mut error = 0.0;
        for bin in &mut bins {
            let count = (bin.right + bin.wrong) as f64;
            if count > 0.0 {
                error += (bin.confidence - bin.right as f64).abs();
                bin.confidence /= count;
            }
        }
        Self { bins, calibration_error: error / judged.len().max(1) as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NluExample, ScoredIntent, Understanding};

    #[test]
    fn who_is_right_as_often_as_sure_has_no_error() {
        let example = NluExample { text: "x".into(), intent: "a".into(), response_key: None, entities: Vec::new() };
        let heard = |name: &str, confidence| Understanding {
            intent: ScoredIntent { name: name.into(), confidence },
            ..Understanding::default()
        };
        let of = |heard: &[Understanding]| {
            let judged: Vec<_> = heard.iter().map(|heard| Judged { example: &example, heard }).collect();
            Confidences::of(&judged)
        };
        let just = of(&[heard("a", 0.5), heard("b", 0.5)]);
        assert_eq!((just.calibration_error, just.bins[10]), (0.0, Bin { confidence: 0.5, right: 1, wrong: 1 }));
        assert_eq!(of(&[heard("b", 1.0), heard("a", 1.0)]).calibration_error, 0.5);
    }
}
