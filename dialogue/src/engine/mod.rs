//! The engine: what an assistant does with a message, as a pure state machine.

mod checkpoints;
mod compile;
mod contradictions;
mod exec;
mod external;
pub(crate) mod extract;
mod forms;
mod matching;
mod memoization;
mod policy;
mod respond;
mod rules;
mod shortcut;
mod slots;
mod turn;
mod two_stage;
mod understand;

pub(crate) use compile::{any_value, executed, slots_for_entities};
pub use external::TurnTime;
pub use turn::{Step, TurnInput, TurnOutcome, TurnRun};

use crate::{
    Entity, TimestampMs, Understanding,
    format::{Assistant, Diagnostic},
    tracker::Tracker,
};
use memoization::Memoization;
use rules::RulePolicy;
use std::sync::Arc;
use understand::Extractors;

/// A compiled assistant. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct Engine {
    assistant: Arc<Assistant>,
    rules: RulePolicy,
    memoization: Option<Memoization>,
    extractors: Extractors,
}

impl Engine {
    /// Compiles rules and stories.
    ///
    /// # Errors
    /// Rules and stories that contradict one another, checkpoints that nothing leads to, policies that are missing.
    pub fn new(assistant: Assistant) -> Result<Engine, Vec<Diagnostic>> {
        let whole = |field: &str, message: String| {
            vec![Diagnostic { path: "config.yml".into(), line: 0, column: 0, field: field.into(), message }]
        };
        let needs_rules = !assistant.rules.is_empty() || !assistant.domain.forms.is_empty();
        if needs_rules && assistant.config.rules.is_none() {
            let message = "there are rules or forms, but the list lacks RulePolicy; add `- name: RulePolicy`";
            return Err(whole("policies", message.into()));
        }
        let extractors = Extractors::compile(&assistant).map_err(|message| whole("nlu", message))?;
        let training = compile::unfold(&assistant.domain, &assistant.rules, &assistant.stories)?;
        let rules = RulePolicy::compile(&assistant.domain, &training)?;
        let memoization = assistant.config.memoization.map(|c| Memoization::compile(c, &assistant.domain, &training));
        Ok(Engine { assistant: Arc::new(assistant), rules, memoization, extractors })
    }
    /// The assistant.
    pub fn assistant(&self) -> &Assistant {
        &self.assistant
    }
    /// Understands `/intent{"entity": "value"}` without a model; `None` for all other messages.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the message.
    pub fn shortcut(&self, text: &str) -> Option<Result<Understanding, String>> {
        shortcut::read(&self.assistant.domain, text)
    }
    /// Completes a model's understanding: extractors, regular expressions, lookup tables, synonyms, unknown intents, fallback.
    /// `at` is when the text was said: relative times count from it.
    pub fn understand(&self, raw: Understanding, at: TimestampMs) -> Understanding {
        let extracted = extract::extract(&self.assistant, &raw.text, at);
        self.understand_with(raw, extracted)
    }
    /// The same, with entities that extractors found elsewhere: those of types that the domain declares are added.
    pub fn understand_with(&self, raw: Understanding, extracted: Vec<Entity>) -> Understanding {
        understand::complete(&self.assistant, &self.extractors, raw, extracted)
    }
    /// Begins a turn. The tracker is left as it is; [`TurnOutcome::events`] are what to apply to it.
    pub fn begin(&self, tracker: &Tracker, input: TurnInput) -> TurnRun<'_> {
        TurnRun::new(self, tracker.clone(), input)
    }
}
