//! The pure core of Tertulia: the assistant format, what was understood of an utterance, the policies and the
//! session state machine.
//!
//! Nothing here awaits, reads a clock, draws randomness or touches a file: time, chance, files and scores arrive as
//! data, so that a turn replays to the same bytes. The other crates meet in [`ports`].

pub mod check;
pub mod command;
pub mod engine;
pub mod evaluate;
pub mod event;
pub mod format;
pub mod ids;
pub mod limits;
pub mod ports;
mod rasa_json;
pub mod text_analysis;
pub mod tracker;
pub mod understanding;
pub mod value;

pub use analysis::PiiKind;
pub use command::{CommitOutcome, CommitTurn, Reply, ReplyButton, SessionSnapshot, TurnRecord};
pub use event::Event;
pub use ids::{IdempotencyKey, NodeId, ReleaseId, SessionId, ShardId, TimestampMs, Zone};
pub use text_analysis::{PersonalData, TextAnalysis, TextLanguage, TextSentiment};
pub use understanding::{EncodedUtterance, Entity, NluExample, ScoredIntent, Selection, Understanding};
pub use value::Value;
