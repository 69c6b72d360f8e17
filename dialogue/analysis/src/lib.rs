//! What rules read off a text, in English and Chinese: entities as Duckling names them, the language, the sentiment, and personal data.
//!
//! Everything here is a function of its arguments: no I/O, no clock, no randomness. Offsets count characters (Unicode
//! scalar values), as everywhere in the engine.

mod contact;
mod duration;
mod extract;
mod found;
mod identify;
mod language;
mod measure;
mod number;
mod ordinal;
mod pii;
mod reference;
mod sentiment;
mod text;
mod time;

pub use extract::extract;
pub use found::{Dimension, Found, Measure, Value};
pub use identify::language;
pub use language::Language;
pub use pii::{PiiKind, PiiSpan, mask, pii};
pub use reference::Reference;
pub use sentiment::{Sentiment, SentimentLabel, sentiment};
pub use time::{Grain, TimeValue};
