//! `LinearHead`: logits from a dense vector and sparse features.

use crate::{
    cpu::{math::exp, norm::sum},
    heads::{FeatureTable, SparseVector},
};

/// One linear layer over D dense numbers and the features of a table, for C classes.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearHead {
    /// C.
    pub classes: usize,
    /// `[D, C]`.
    pub dense: Vec<f32>,
    /// `[C]`.
    pub bias: Vec<f32>,
    /// The known features.
    pub table: FeatureTable,
    /// `[features, C]`.
    pub sparse: Vec<f32>,
    /// Logits are divided by it: fitted on held-out examples (Guo et al. 2017).
    pub temperature: f32,
}

impl LinearHead {
    /// The logits of all classes, temperature applied.
    pub fn logits(&self, dense: &[f32], features: &SparseVector) -> Vec<f32> {
        let mut logits = self.bias.clone();
        let mut add = |row: &[f32], x: f32| logits.iter_mut().zip(row).for_each(|(l, w)| *l += w * x);
        for (row, x) in self.dense.chunks_exact(self.classes).zip(dense) {
            add(row, *x);
        }
        for (row, x) in self.table.rows(features) {
            add(&self.sparse[row * self.classes..(row + 1) * self.classes], x);
        }
        logits.iter_mut().for_each(|l| *l /= self.temperature);
        logits
    }
}

/// Turns logits into probabilities.
#[inline(always)]
pub fn softmax(logits: &mut [f32]) {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter_mut().for_each(|l| *l = exp(*l - max));
    let sum = sum(logits, |l| l);
    logits.iter_mut().for_each(|l| *l /= sum);
}
