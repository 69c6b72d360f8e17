//! The loss of multinomial logistic regression: what heads of sentences are fitted by.

use crate::{cpu::math::vectorised, heads::softmax, train::linear::Loss};
use std::ops::Range;

/// How improbable the right classes are.
pub struct Softmax {
    /// `[N]`.
    pub targets: Vec<u32>,
    /// `[N]`: how much each row counts.
    pub weights: Vec<f32>,
    /// C.
    pub classes: usize,
}

impl Loss for Softmax {
    fn chunk(&self, first: usize, most: usize) -> usize {
        (first + most).min(self.targets.len())
    }

    fn slope(&mut self, rows: Range<usize>, logits: &mut [f32], _: &[f32], _: &mut [f32]) -> f64 {
        vectorised(
            #[inline(always)]
            || {
                let mut loss = 0.0;
                for (i, gaps) in rows.clone().zip(logits.chunks_exact_mut(self.classes)) {
                    softmax(gaps);
                    let (target, weight) = (self.targets[i] as usize, self.weights[i]);
                    loss -= f64::from(weight) * f64::from(gaps[target].max(1e-30)).ln();
                    gaps[target] -= 1.0;
                    gaps.iter_mut().for_each(|g| *g *= weight);
                }
                loss
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::linear::tests::check_gradient;

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let (targets, weights) = (vec![0, 1, 2, 0, 1, 1], vec![1.0, 2.0, 0.5, 1.0, 1.0, 3.0]);
        check_gradient(&mut Softmax { targets, weights, classes: 3 }, 3);
    }
}
