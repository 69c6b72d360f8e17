//! The engine: what an assistant does with a message, as a pure state machine.

pub(crate) mod analyze;
mod checkpoints;
mod compile;
mod contradictions;
mod exec;
mod external;
pub(crate) mod extract;
mod forms;
mod learned;
mod masked;
mod matching;
mod memoization;
mod policy;
mod privacy;
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
    Entity, PiiKind, TimestampMs, Understanding,
    format::{Assistant, Diagnostic, Story},
    tracker::Tracker,
};
use learned::LearnedPolicy;
use memoization::Memoization;
use privacy::Privacy;
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
    privacy: Privacy,
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
        let privacy = Privacy::of(&assistant);
        Ok(Engine { assistant: Arc::new(assistant), rules, memoization, learned: None, extractors, privacy })
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
    /// Masks personal data of these kinds as well, whatever the assistant's own configuration says. Entities whose values it
    /// keeps (`keep_entities`) are kept from these kinds only with `keep_entities` here.
    pub fn require_masks(&mut self, kinds: &[PiiKind], keep_entities: bool) {
        self.privacy.require(kinds, keep_entities);
    }
    /// Is `recorded` what may have been written down of a message, with personal data masked or not?
    ///
    /// Two messages that differ in nothing but personal data that was masked cannot be told apart: nothing of it is kept, not
    /// even a hash, which could be guessed.
    pub fn is_record_of(&self, recorded: &str, text: &str) -> bool {
        self.privacy.is_record_of(recorded, text)
    }
    /// Understands `/intent{"entity": "value"}` without a model; `None` for all other messages.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the message, without the personal data that are masked.
    pub fn shortcut(&self, text: &str) -> Option<Result<Understanding, String>> {
        let read = shortcut::read(&self.assistant.domain, text)?;
        Some(read.map_err(|error| {
            let masked = self.privacy.masked(text);
            match shortcut::read(&self.assistant.domain, &masked) {
                _ if masked == text => error,
                Some(Err(error)) => error,
                _ => format!("{masked:?}: cannot be read"),
            }
        }))
    }
    /// Completes a model's understanding: extractors, regular expressions, lookup tables, synonyms, unknown intents, fallback,
    /// and the analysis of the text.
    /// `at` is when the text was said: relative times count from it.
    pub fn understand(&self, raw: Understanding, at: TimestampMs) -> Understanding {
        let extracted = extract::extract(&self.assistant, &raw.text, at);
        self.understand_with(raw, extracted)
    }
    /// The same, with entities that extractors found elsewhere: those of types that the domain declares are added.
    pub fn understand_with(&self, raw: Understanding, extracted: Vec<Entity>) -> Understanding {
        let analysis = analyze::analyze(&self.assistant, &raw.text);
        Understanding { analysis, ..understand::complete(&self.assistant, &self.extractors, raw, extracted) }
    }
    /// Begins a turn. The tracker is left as it is; [`TurnOutcome::events`] are what to apply to it.
    ///
    /// Here personal data are masked, and the analysis of the text joins the message's metadata.
    pub fn begin(&self, tracker: &Tracker, mut input: TurnInput) -> TurnRun<'_> {
        self.privacy.mask(&mut input);
        if let Some(analysis) = &input.understanding.analysis {
            analysis.put_into(&mut input.metadata);
        }
        TurnRun::new(self, tracker.clone(), input)
    }
}
