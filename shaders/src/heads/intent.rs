//! `IntentHead`: which intent a sentence has, and how sure that is.

use crate::{
    heads::{LinearHead, SparseVector, softmax},
    limits,
};
use dialogue::ScoredIntent;

/// A softmax over all intents and one more class, the background: what has nothing to do with the assistant.
///
/// The background takes probability away from the intents and is never shown: an unrelated sentence or gibberish so
/// gets a low confidence instead of the best of bad fits.
#[derive(Debug, Clone, PartialEq)]
pub struct IntentHead {
    /// Sorted names; the background is the class behind the last.
    pub labels: Vec<String>,
    /// Over the sentence embedding and the text's features.
    pub head: LinearHead,
    /// The confidence that almost all held-out examples reach: what stays below is rather about something else.
    pub threshold: f32,
}

impl IntentHead {
    /// All intents with their confidence, best first, at most ten; equal ones by name.
    ///
    /// `said` is what its readout says of the sentence.
    pub fn rank(&self, features: &SparseVector, said: &[f32]) -> Vec<ScoredIntent> {
        let mut confidences = self.head.finish(said, features);
        softmax(&mut confidences);
        let mut order: Vec<usize> = (0..self.labels.len()).collect();
        order.sort_by(|a, b| confidences[*b].total_cmp(&confidences[*a]).then(a.cmp(b)));
        order.truncate(limits::RANKING_MAX);
        let scored = |i: usize| ScoredIntent { name: self.labels[i].clone(), confidence: confidences[i] };
        order.into_iter().map(scored).collect()
    }
}
