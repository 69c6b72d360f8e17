//! `WeightSource`: weights that a device is given, a part at a time.

use crate::model::{LayerWeights, Weights};
use std::{borrow::Cow, ops::Range};

/// Weights in the memory of the host, in whatever form they lie there.
pub trait WeightSource {
    /// The vectors of these words, `[words, H]`.
    fn words(&self, words: Range<usize>) -> Vec<f32>;
    /// `[positions, H]`, with the vector of segment type 0 added already.
    fn positions(&self) -> &[f32];
    /// `[H]`, scale and shift.
    fn embedding_norm(&self) -> &(Vec<f32>, Vec<f32>);
    /// Number of layers.
    fn layers(&self) -> usize;
    /// One layer, from 0.
    fn layer(&self, index: usize) -> Cow<'_, LayerWeights>;
}

impl WeightSource for Weights {
    fn words(&self, words: Range<usize>) -> Vec<f32> {
        self.words.to_f32_rows(words, self.embedding_norm.0.len())
    }

    fn positions(&self) -> &[f32] {
        &self.positions
    }

    fn embedding_norm(&self) -> &(Vec<f32>, Vec<f32>) {
        &self.embedding_norm
    }

    fn layers(&self) -> usize {
        self.layers.len()
    }

    fn layer(&self, index: usize) -> Cow<'_, LayerWeights> {
        Cow::Borrowed(&self.layers[index])
    }
}
