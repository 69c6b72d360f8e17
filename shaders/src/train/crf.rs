//! The loss of a conditional random field: what the tagger of words is fitted by.

use crate::{
    heads::{Chain, Tagger},
    train::linear::Loss,
};
use std::ops::Range;

/// How improbable the right sequences of classes are. Its own parameters are the transitions, `[C, C]`.
pub struct Crf {
    /// `[N]`: the class of each word.
    pub targets: Vec<u32>,
    /// First words of the sentences, and one past the last word.
    pub starts: Vec<usize>,
    /// C.
    pub classes: usize,
}

impl Loss for Crf {
    fn own(&self) -> usize {
        self.classes * self.classes
    }

    fn chunk(&self, first: usize, most: usize) -> usize {
        // A sentence is never cut.
        let next = self.starts.partition_point(|start| *start <= first);
        let behind = self.starts.partition_point(|start| *start <= first + most);
        self.starts[next.max(behind - 1)]
    }

    fn slope(&mut self, rows: Range<usize>, logits: &mut [f32], own: &[f32], own_slope: &mut [f32]) -> f64 {
        let c = self.classes;
        let mut chain = Chain::new(c, own, Tagger::may_follow);
        let mut pairs = vec![0.0; c * c];
        let mut loss = 0.0;
        let first = self.starts.partition_point(|start| *start < rows.start);
        for sentence in self.starts[first..].windows(2).take_while(|s| s[0] < rows.end) {
            let logits = &mut logits[(sentence[0] - rows.start) * c..(sentence[1] - rows.start) * c];
            let targets = &self.targets[sentence[0]..sentence[1]];
            let mut before = 0;
            for (word, target) in logits.chunks_exact(c).zip(targets) {
                let target = *target as usize;
                loss -= f64::from(word[target]) + f64::from(own[before * c + target]);
                own_slope[before * c + target] -= 1.0;
                before = target;
            }
            loss += chain.run(logits, Some(&mut pairs));
            for (word, target) in logits.chunks_exact_mut(c).zip(targets) {
                word[*target as usize] -= 1.0;
            }
        }
        for (i, pair) in pairs.iter().enumerate() {
            own_slope[i] += pair * chain.step(i / c, i % c);
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::linear::tests::check_gradient;

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        check_gradient(&mut Crf { targets: vec![1, 2, 0, 0, 3, 4], starts: vec![0, 3, 6], classes: 5 }, 5);
    }

    #[test]
    fn chunks_end_with_sentences() {
        let crf = Crf { targets: vec![0; 9], starts: vec![0, 3, 5, 9], classes: 1 };
        assert_eq!(
            [crf.chunk(0, 1), crf.chunk(0, 4), crf.chunk(0, 5), crf.chunk(3, 6), crf.chunk(5, 1)],
            [3, 3, 5, 9, 9]
        );
    }
}
