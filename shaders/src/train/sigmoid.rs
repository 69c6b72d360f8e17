//! The loss of one logistic regression a label: what heads are fitted by that may give a text several labels.

use crate::{
    cpu::math::{exp, vectorised},
    train::linear::Loss,
};
use std::ops::Range;

/// How improbable the right labels are, and the absence of the others.
pub struct Sigmoid {
    /// `[N]`: the labels of each row.
    pub targets: Vec<Vec<u32>>,
    /// C.
    pub classes: usize,
}

impl Loss for Sigmoid {
    fn chunk(&self, first: usize, most: usize) -> usize {
        (first + most).min(self.targets.len())
    }

    fn slope(&mut self, rows: Range<usize>, logits: &mut [f32], _: &[f32], _: &mut [f32]) -> f64 {
        let mut loss = 0.0;
        for (i, row) in rows.zip(logits.chunks_exact_mut(self.classes)) {
            for target in &self.targets[i] {
                loss -= f64::from(row[*target as usize]);
            }
            loss += vectorised(
                #[inline(always)]
                || {
                    let mut sum = 0.0_f64;
                    for l in row.iter_mut() {
                        // ln(1 + e^l), from the side on which e does not overflow.
                        let small = exp(-l.abs());
                        sum += f64::from(l.max(0.0)) + f64::from(small).ln_1p();
                        let p = 1.0 / (1.0 + small);
                        *l = if *l >= 0.0 { p } else { 1.0 - p };
                    }
                    sum
                },
            );
            for target in &self.targets[i] {
                row[*target as usize] -= 1.0;
            }
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
        let targets = vec![vec![0], vec![1, 2], vec![], vec![0, 1, 2], vec![2], vec![1]];
        check_gradient(&mut Sigmoid { targets, classes: 3 }, 3);
    }
}
