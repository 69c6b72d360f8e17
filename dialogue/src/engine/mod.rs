//! The engine: what an assistant does with a message, as a pure state machine.

mod checkpoints;
mod compile;
mod contradictions;
mod exec;
mod external;
pub(crate) mod extract;
mod forms;
mod learned;
mod matching;
mod memoization;
mod policy;
mod replay;
mod respond;
mod rules;
mod shortcut;
mod slots;
mod story_view;
mod turn;
mod two_stage;
mod understand;
mod wake;

pub(crate) use compile::{any_value, executed, slots_for_entities};
pub use external::TurnTime;
pub use learned::{PolicyExample, PolicyModel};
pub use replay::ReplayedAction;
pub use turn::{Step, TurnInput, TurnOutcome, TurnRun};
pub use wake::{Due, Wake};

use crate::{
    Entity, TimestampMs, Understanding,
    format::{Assistant, Diagnostic, Story},
    tracker::Tracker,
};
use learned::LearnedPolicy;
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
    learned: Option<LearnedPolicy>,
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
        let mut memoization = assistant.config.memoization;
        if assistant.config.learned.is_some() {
            // As long as nothing was learned, stories without their beginnings stand in.
            memoization.get_or_insert_default().augmented = true;
        }
        let memoization = memoization.map(|c| Memoization::compile(c, &assistant.domain, &training));
        Ok(Engine { assistant: Arc::new(assistant), rules, memoization, learned: None, extractors })
    }
    /// With what training made of [`Engine::policy_examples`]. It has no effect where no policy of the assistant is learned.
    pub fn with_policy(mut self, model: PolicyModel) -> Self {
        if let Some(config) = self.assistant.config.learned {
            self.learned = Some(LearnedPolicy::new(config, model));
            match self.assistant.config.memoization {
                Some(config) => self.memoization.iter_mut().for_each(|m| m.configure(config)),
                None => self.memoization = None,
            }
        }
        self
    }
    /// What the learned policy is to learn from; empty where no policy of the assistant is learned.
    pub fn policy_examples(&self) -> Vec<PolicyExample> {
        let Some(config) = self.assistant.config.learned else { return Vec::new() };
        learned::examples(config, &self.assistant.domain, &self.rules, &self.training(&self.assistant.stories))
    }
    /// Tells a story action by action: what it does at each moment, and what the policies would do there. A story that only checkpoints
    /// lead to is told from the checkpoint on.
    pub fn replay(&self, story: &Story) -> Vec<ReplayedAction> {
        replay::replay(self, story)
    }
    /// The stories, unfolded. The engine was built, so they do unfold.
    fn training(&self, stories: &[Story]) -> Vec<compile::Training> {
        compile::unfold(&self.assistant.domain, &[], stories).unwrap_or_default()
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
