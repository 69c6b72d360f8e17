//! `LinearHead`: logits from a dense vector and sparse features.

use crate::{
    cpu::{math::exp, norm::sum},
    heads::{FeatureTable, SparseVector},
    readout::ReadoutLayer,
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
        self.finish(&self.dense_logits(dense), features)
    }

    /// What its [`ReadoutLayer`] says of a dense vector.
    pub fn dense_logits(&self, dense: &[f32]) -> Vec<f32> {
        let mut logits = self.bias.clone();
        for (row, x) in self.dense.chunks_exact(self.classes).zip(dense) {
            logits.iter_mut().zip(row).for_each(|(l, w)| *l += w * x);
        }
        logits
    }

    /// The same from what its [`ReadoutLayer`] has said: at least C numbers, of which the others are ignored.
    pub fn finish(&self, said: &[f32], features: &SparseVector) -> Vec<f32> {
        let mut logits = said[..self.classes].to_vec();
        for (row, x) in self.table.rows(features) {
            let weights = &self.sparse[row * self.classes..(row + 1) * self.classes];
            logits.iter_mut().zip(weights).for_each(|(l, w)| *l += w * x);
        }
        logits.iter_mut().for_each(|l| *l /= self.temperature);
        logits
    }

    /// The dense parts of several heads as one layer, their columns side by side.
    pub fn joined(heads: &[&LinearHead]) -> ReadoutLayer {
        let rows = heads.first().map_or(0, |head| head.dense.len() / head.classes);
        let row = |i: usize| heads.iter().flat_map(move |head| &head.dense[i * head.classes..(i + 1) * head.classes]);
        let dense: Vec<f32> = (0..rows).flat_map(row).copied().collect();
        let bias: Vec<f32> = heads.iter().flat_map(|head| &head.bias).copied().collect();
        ReadoutLayer::new(&dense, &bias)
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
