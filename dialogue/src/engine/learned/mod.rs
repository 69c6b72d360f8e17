//! The learned policy: what stories would do in a situation that none of them tells. It takes the place of Rasa's TEDPolicy.

mod examples;
mod features;
mod model;

pub(super) use examples::examples;
pub use model::{PolicyExample, PolicyModel};

use super::{rules::RulePolicy, story_view};
use crate::{
    format::LearnedConfig,
    tracker::{State, Tracker},
};

/// A model with the settings it was learned under.
#[derive(Debug)]
pub(super) struct LearnedPolicy {
    config: LearnedConfig,
    model: PolicyModel,
}

impl LearnedPolicy {
    pub(super) fn new(config: LearnedConfig, model: PolicyModel) -> Self {
        Self { config, model }
    }

    /// The best action that `may` be taken, with its confidence.
    pub(super) fn predict(
        &self,
        tracker: &Tracker,
        rules: &RulePolicy,
        may: impl Fn(&str) -> bool,
    ) -> Option<(&str, f32)> {
        let states = |by_words| story_view::states(tracker, rules, by_words, self.config.max_history);
        let known = |states: &Vec<State>| features::message(states).is_none_or(|said| self.model.knows(said));
        // A message counts by its words where no story tells its intent. Where none tells these either, stories have nothing to
        // say about it: what they did after others would be a guess.
        let states = [false, true].into_iter().map(states).find(known)?;
        self.model.rank(&features::of(&states)).into_iter().find(|(action, _)| may(action))
    }
}
