//! `LabelHead`: which labels a sentence has; any number of them.

use crate::{
    cpu::math::exp,
    heads::{LinearHead, intent_features},
};

/// One logistic regression a label.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelHead {
    /// Sorted names.
    pub labels: Vec<String>,
    pub(crate) head: LinearHead,
}

impl LabelHead {
    /// The probability of each label, in the order of [`LabelHead::labels`], for a text and its sentence embedding `[H]`.
    pub fn probabilities(&self, text: &str, embedding: &[f32]) -> Vec<f32> {
        let mut p = self.head.logits(embedding, &intent_features(text));
        p.iter_mut().for_each(|l| *l = 1.0 / (1.0 + exp(-*l)));
        p.truncate(self.labels.len());
        p
    }
}
