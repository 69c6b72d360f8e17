//! The small trained layers behind the encoder: intents of a sentence and entity tags of its words.
//!
//! Their maths runs on the CPU after the states have come back from the device: a few thousand multiplications an
//! utterance, less than one more dispatch would cost.

mod bytes;
pub(crate) mod features;
mod intent;
mod linear;
mod tagger;

use crate::encoder::EncoderId;
pub(crate) use features::{FeatureTable, SparseVector, Word, WordStates, intent_features, word_features};
pub(crate) use intent::IntentHead;
pub(crate) use linear::{LinearHead, softmax};
pub(crate) use tagger::{Tag, Tagger};

/// What `train` made for one assistant: an intent head and, where examples are annotated, an entity tagger.
#[derive(Debug, Clone, PartialEq)]
pub struct Heads {
    pub(crate) encoder: EncoderId,
    pub(crate) hidden_size: usize,
    pub(crate) intent: IntentHead,
    pub(crate) tagger: Option<Tagger>,
}

impl Heads {
    /// The encoder that they were trained on.
    pub fn encoder(&self) -> &EncoderId {
        &self.encoder
    }

    /// The intents that they tell apart, sorted.
    pub fn intents(&self) -> &[String] {
        &self.intent.labels
    }

    /// The entity types that they find, sorted; empty without a tagger.
    pub fn entities(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.tagger.iter().flat_map(|t| t.kinds.iter().map(|k| k.entity.clone())).collect();
        names.dedup();
        names
    }
}
