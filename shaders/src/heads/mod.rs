//! The small trained layers behind the encoder: intents of a sentence and entity tags of its words.
//!
//! Their dense part runs where the encoder does, as a [`Readout`]; the sparse features, which are texts' own, are added to what
//! comes back.

mod bytes;
pub(crate) mod features;
mod intent;
mod linear;
mod tagger;

use crate::{
    budget::{MemoryBudget, OverBudget},
    encoder::EncoderId,
    readout::Readout,
};
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

    /// Their dense layers, at the cost of `budget`.
    pub(crate) fn readout(&self, budget: &MemoryBudget) -> Result<Readout, OverBudget> {
        let tagger = self.tagger.as_ref().map(|tagger| tagger.head.readout());
        Readout::new(self.intent.head.readout(), tagger, budget)
    }

    /// The entity types that they find, sorted; empty without a tagger.
    pub fn entities(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.tagger.iter().flat_map(|t| t.kinds.iter().map(|k| k.entity.clone())).collect();
        names.dedup();
        names
    }
}
