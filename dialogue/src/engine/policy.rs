//! Which action comes next: the policies together, by Rasa's priorities.

use super::Engine;
use crate::{
    Event,
    format::BUILT_IN_ACTIONS,
    tracker::{ACTION_LISTEN, Marks, Tracker},
};

/// What comes next, and who says so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prediction {
    pub action: String,
    pub policy: Option<String>,
    pub confidence: f32,
    /// The form must be told that it was interrupted.
    pub interrupted: bool,
}

impl Prediction {
    fn of(action: &str, policy: Option<&str>, confidence: f32) -> Self {
        Prediction { action: action.to_owned(), policy: policy.map(str::to_owned), confidence, interrupted: false }
    }
    /// The event of its execution.
    pub(crate) fn event(&self) -> Event {
        Event::ActionExecuted { action: self.action.clone(), policy: self.policy.clone(), confidence: self.confidence }
    }
}

impl Engine {
    pub(crate) fn knows_action(&self, name: &str) -> bool {
        let domain = &self.assistant.domain;
        domain.actions.contains_key(name)
            || domain.responses.contains_key(name)
            || domain.forms.contains_key(name)
            || domain.is_retrieval_action(name)
            || domain.e2e_actions.contains(name)
            || BUILT_IN_ACTIONS.contains(&name)
    }

    /// The next action.
    pub(crate) fn predict(&self, tracker: &Tracker) -> Prediction {
        // What an action asked for comes next, whatever the policies think; an unknown one is passed over.
        if let Some(action) = tracker.followup().filter(|a| self.knows_action(a)) {
            return Prediction::of(action, None, 1.0);
        }
        // An action that just refused to run is not asked again.
        let refused = tracker.events().rev().find_map(|e| match e {
            Event::ActionRejected { action } => Some(Some(action.as_str())),
            Event::ActionExecuted { .. } => Some(None),
            _ => None,
        });
        let refused = refused.flatten();
        let may = |action: &str| refused != Some(action);
        let config = &self.assistant.config;
        let said =
            if config.rules.is_some() { self.rules.predict(tracker) } else { super::rules::RulePrediction::default() };
        let policy = Marks { rule_only: said.rule_only, end_to_end: said.end_to_end }.name("RulePolicy");
        if let Some(action) = said.action.as_deref().filter(|a| may(a)) {
            return Prediction { interrupted: said.interrupted, ..Prediction::of(action, Some(&policy), 1.0) };
        }
        if let Some(memoization) = &self.memoization
            && let Some(recalled) = memoization.predict(tracker, &self.rules).filter(|r| may(r.action))
        {
            let name = if memoization.is_augmented() { "AugmentedMemoizationPolicy" } else { "MemoizationPolicy" };
            let name = Marks { rule_only: false, end_to_end: recalled.end_to_end }.name(name);
            return Prediction { interrupted: said.interrupted, ..Prediction::of(recalled.action, Some(&name), 1.0) };
        }
        // What is learned counts where it is surer than the fallback; alone, it always counts.
        let doubt = config.rules.as_ref().filter(|r| r.enable_fallback && may(&r.core_fallback_action));
        let doubt = doubt.map_or(-1.0, |r| r.core_fallback_threshold);
        if let Some(learned) = &self.learned
            && let Some((action, confidence)) =
                learned.predict(tracker, &self.rules, |a| may(a) && self.knows_action(a))
            && confidence > doubt
        {
            let policy = Marks { rule_only: false, end_to_end: false }.name("TEDPolicy");
            return Prediction { interrupted: said.interrupted, ..Prediction::of(action, Some(&policy), confidence) };
        }
        match &config.rules {
            Some(rules) if rules.enable_fallback && may(&rules.core_fallback_action) => {
                let confidence = rules.core_fallback_threshold;
                Prediction {
                    interrupted: said.interrupted,
                    ..Prediction::of(&rules.core_fallback_action, Some("RulePolicy"), confidence)
                }
            }
            _ => Prediction::of(ACTION_LISTEN, None, 0.0),
        }
    }
}
