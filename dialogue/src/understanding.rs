//! What the language understanding makes of an utterance, and the examples that it learns from.

use crate::Value;
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
    /// Its intent.
    pub intent: String,
    /// The annotated spans; `extractor` is empty and `confidence` is 1.
    pub entities: Vec<Entity>,
}
