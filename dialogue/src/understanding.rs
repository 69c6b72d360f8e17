//! What the language understanding makes of an utterance, and the examples that it learns from.

use crate::{TextAnalysis, Value};
use serde::{Deserialize, Serialize};

/// An intent and how sure the classifier is of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ScoredIntent {
    /// The intent's name; empty when nothing was understood.
    pub name: String,
    /// 0 to 1.
    pub confidence: f32,
}

/// A span of the text with a meaning.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Entity {
    /// Its type, as named in the domain.
    pub entity: String,
    /// Its value, after synonyms.
    pub value: Value,
    /// First character (Unicode scalar values, not bytes: as in Rasa).
    pub start: u32,
    /// One past its last character.
    pub end: u32,
    /// Role inside the sentence.
    pub role: Option<String>,
    /// Group inside the sentence.
    pub group: Option<String>,
    /// 0 to 1.
    pub confidence: f32,
    /// Which extractor found it.
    pub extractor: String,
}

/// The result for one utterance.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Understanding {
    /// What was said.
    pub text: String,
    /// The best intent.
    pub intent: ScoredIntent,
    /// All intents, best first (at most ten).
    pub ranking: Vec<ScoredIntent>,
    /// In the order of their start.
    pub entities: Vec<Entity>,
    /// What the response selectors chose, one for each retrieval intent that has one.
    pub selections: Vec<Selection>,
    /// What the pipeline's `TextAnalyzer` read off the text; none without one.
    pub analysis: Option<TextAnalysis>,
}

/// What a response selector makes of an utterance.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Selection {
    /// The retrieval intent whose keys are ranked; `default` stands for a selector over all of them, as in Rasa.
    pub retrieval_intent: String,
    /// Its keys by their full names (`faq/ask_name`), best first.
    pub ranking: Vec<ScoredIntent>,
}

impl Selection {
    /// One key, by its full name.
    pub(crate) fn of(full: &str, confidence: f32) -> Self {
        let retrieval_intent = full.split_once('/').map_or(full, |(base, _)| base).to_owned();
        Selection { retrieval_intent, ranking: vec![ScoredIntent { name: full.to_owned(), confidence }] }
    }
}

/// The name of a selector over all retrieval intents.
pub(crate) const SELECTOR_OF_ALL: &str = "default";

impl Understanding {
    /// The full name of the best key of a retrieval intent (`faq/ask_name`), if a selector chose one.
    pub fn selected(&self, retrieval_intent: &str) -> Option<&ScoredIntent> {
        let of = |name: &str| self.selections.iter().find(|s| s.retrieval_intent == name);
        of(retrieval_intent).or_else(|| of(SELECTOR_OF_ALL)).and_then(|s| s.ranking.first())
    }
    /// The full name of what was understood: `faq/ask_name` for a retrieval intent, else the intent's own.
    pub fn full_intent(&self) -> &str {
        let of_intent = |key: &&str| key.split_once('/').is_some_and(|(base, _)| base == self.intent.name);
        let key = self.selected(&self.intent.name).map(|best| best.name.as_str()).filter(of_intent);
        key.unwrap_or(&self.intent.name)
    }
}

/// A tokenized utterance, ready to be put into a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedUtterance {
    /// What was said.
    pub text: String,
    /// Token ids with the special tokens around them.
    pub token_ids: Vec<u32>,
    /// For each token its span in `text`, in bytes; `(0, 0)` for special tokens.
    pub offsets: Vec<(u32, u32)>,
}

/// A labelled example of `nlu.yml`, with the markup taken out.
#[derive(Debug, Clone, PartialEq)]
pub struct NluExample {
    /// The plain text.
    pub text: String,
    /// Its intent; of a retrieval intent the base (`faq`).
    pub intent: String,
    /// Of a retrieval intent the full name (`faq/ask_name`), which a response selector learns.
    pub response_key: Option<String>,
    /// The annotated spans; `extractor` is empty and `confidence` is 1.
    pub entities: Vec<Entity>,
}
