//! `Selector`: which answer a question of a retrieval intent wants.

use crate::heads::{IntentHead, SparseVector};
use dialogue::Selection;

/// Ranks the response keys of one retrieval intent, or of all together.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// The retrieval intent; [`Selector::OF_ALL`] stands for all.
    pub name: String,
    /// The keys by their full names, as a head ranks intents.
    pub keys: IntentHead,
}

impl Selector {
    /// The name of a selector over all retrieval intents, as in Rasa.
    pub const OF_ALL: &str = "default";

    /// What it makes of a text, from its features and what the readout says of its sentence.
    pub fn select(&self, features: &SparseVector, said: &[f32]) -> Selection {
        Selection { retrieval_intent: self.name.clone(), ranking: self.keys.rank(features, said) }
    }
}
