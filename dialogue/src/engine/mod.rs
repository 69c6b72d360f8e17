//! The engine: what an assistant does with a message, as a pure state machine.

mod turn;

pub use turn::{Step, TurnInput, TurnOutcome, TurnRun};

use crate::{
    Understanding,
    format::{Assistant, Diagnostic},
    tracker::Tracker,
};
use std::sync::Arc;

/// A compiled assistant. Cheap to share (`Arc<Engine>`), immutable.
#[derive(Debug)]
pub struct Engine {
    assistant: Arc<Assistant>,
}

impl Engine {
    /// Compiles rules and stories.
    ///
    /// # Errors
    /// Rules and stories that contradict one another or hold what this engine does not run.
    pub fn new(assistant: Assistant) -> Result<Engine, Vec<Diagnostic>> {
        Ok(Engine { assistant: Arc::new(assistant) })
    }
    /// The assistant.
    pub fn assistant(&self) -> &Assistant {
        &self.assistant
    }
    /// Understands `/intent{"entity": "value"}` without a model; `None` for all other messages.
    ///
    /// # Errors
    /// What is wrong with the message.
    pub fn shortcut(&self, text: &str) -> Option<Result<Understanding, String>> {
        let _ = text;
        unimplemented!("follows in the next commit")
    }
    /// Completes a model's understanding: regular expressions, lookup tables, synonyms, unknown intents, fallback.
    pub fn understand(&self, raw: Understanding) -> Understanding {
        raw
    }
    /// Begins a turn. The tracker is left as it is; [`TurnOutcome::events`] are what to apply to it.
    pub fn begin(&self, tracker: &Tracker, input: TurnInput) -> TurnRun<'_> {
        let _ = (tracker, input);
        unimplemented!("follows in the next commit")
    }
}
