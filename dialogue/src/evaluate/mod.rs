//! How well an assistant understands: examples that it did not learn from, against what it makes of them.

mod confidence;
mod confusion;
mod entities;
mod intents;
mod score;
mod split;

pub use confidence::{Bin, Confidences};
pub use confusion::{Confusable, Confusion, Mistake};
pub use entities::EntityReport;
pub use intents::IntentReport;
pub use score::Score;
pub use split::{Split, few, folds, holdout};

use crate::{NluExample, Understanding};

/// An example with what was understood of its text by heads that did not see it.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'e> {
    /// What it is.
    pub example: &'e NluExample,
    /// What was understood.
    pub heard: &'e Understanding,
}
