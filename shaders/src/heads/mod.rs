//! The small trained layers behind the encoder: intents of a sentence and entity tags of its words.
//!
//! Their dense part runs where the encoder does, as a [`Readout`]; the sparse features, which are texts' own, are added to what
//! comes back.

mod bytes;
mod chain;
pub(crate) mod features;
mod intent;
mod labels;
mod linear;
mod policy;
mod selector;
mod tagger;

use dialogue::Understanding;

use crate::{
    budget::{MemoryBudget, OverBudget},
    encoder::EncoderId,
    readout::Readout,
};
pub(crate) use chain::Chain;
pub(crate) use features::{FeatureTable, SparseVector, Word, WordStates, intent_features, word_features};
pub(crate) use intent::IntentHead;
pub use labels::LabelHead;
pub(crate) use linear::{LinearHead, softmax};
pub use policy::{policy_from_bytes, policy_to_bytes};
pub(crate) use selector::Selector;
pub(crate) use tagger::{Tag, Tagger};

/// What `train` made for one assistant: an intent head and, where examples are annotated, an entity tagger.
#[derive(Debug, Clone, PartialEq)]
pub struct Heads {
    pub(crate) encoder: EncoderId,
    pub(crate) hidden_size: usize,
    pub(crate) intent: IntentHead,
    pub(crate) selectors: Vec<Selector>,
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

    /// The confidence below which a text is rather about something else: all but [`limits::HELD_OUT_BELOW_THRESHOLD`] of the held-out examples that were
    /// understood right reach it. Learned without a text that is about something else.
    pub fn threshold(&self) -> f32 {
        self.intent.threshold
    }

    /// Their dense layers, at the cost of `budget`: the columns of the intents, then those of each selector.
    pub(crate) fn readout(&self, budget: &MemoryBudget) -> Result<Readout, OverBudget> {
        let tagger = self.tagger.as_ref().map(|tagger| LinearHead::joined(&[&tagger.head]));
        Readout::new(LinearHead::joined(&self.of_sentences().collect::<Vec<_>>()), tagger, budget)
    }

    /// All that is asked of sentences, in the order of the readout's columns.
    pub(crate) fn of_sentences(&self) -> impl Iterator<Item = &LinearHead> {
        std::iter::once(&self.intent.head).chain(self.selectors.iter().map(|s| &s.keys.head))
    }

    /// What they understand of a text, from what the readout says of its sentence and of its words (`width` numbers each).
    pub(crate) fn understand(&self, text: &str, said: &[f32], words: Option<(&WordStates, usize)>) -> Understanding {
        if text.trim().is_empty() {
            // Nothing was said, so nothing is understood.
            return Understanding { text: text.to_owned(), ..Understanding::default() };
        }
        let features = intent_features(text);
        let (own, mut rest) = said.split_at(self.intent.head.classes);
        let ranking = self.intent.rank(&features, own);
        let mut selections = Vec::with_capacity(self.selectors.len());
        for selector in &self.selectors {
            let (own, behind) = rest.split_at(selector.keys.head.classes);
            selections.push(selector.select(&features, own));
            rest = behind;
        }
        let entities = match (&self.tagger, words) {
            (Some(tagger), Some((words, width))) => tagger.tag(text, words, width),
            _ => Vec::new(),
        };
        let intent = ranking.first().cloned().unwrap_or_default();
        Understanding { text: text.to_owned(), intent, ranking, entities, selections, analysis: None }
    }

    /// The entity types that they find, sorted; empty without a tagger.
    pub fn entities(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.tagger.iter().flat_map(|t| t.kinds.iter().map(|k| k.entity.clone())).collect();
        names.dedup();
        names
    }
}
