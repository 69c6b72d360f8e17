//! The memoization policy: does what a story did when the last states are the same.

use super::{compile::Training, rules::RulePolicy, story_view};
use crate::{
    format::{Domain, MemoizationConfig},
    tracker::{ACTION_LISTEN, State, Tracker},
};
use std::{collections::BTreeMap, sync::Arc};

/// Most actions that the augmented policy goes back.
const AUGMENTED_ACTIONS_MAX: usize = 50;

/// The compiled policy.
#[derive(Debug)]
pub(super) struct Memoization {
    config: MemoizationConfig,
    /// What to do after these states; `None` where stories disagree.
    lookup: BTreeMap<Vec<State>, Option<String>>,
    /// Does any story tell a message by its words?
    knows_words: bool,
}

/// What a story did, and whether the message counted by its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recalled<'m> {
    pub action: &'m str,
    pub end_to_end: bool,
}

impl Memoization {
    pub(super) fn compile(config: MemoizationConfig, domain: &Arc<Domain>, training: &[Training]) -> Self {
        let mut lookup: BTreeMap<Vec<State>, Option<String>> = BTreeMap::new();
        for example in training.iter().filter(|t| !t.is_rule).flat_map(|t| t.examples(domain)) {
            let key = last(example.states, config.max_history);
            let action = Some(example.action);
            lookup
                .entry(key)
                .and_modify(|known| *known = known.take().filter(|a| Some(a) == action.as_ref()))
                .or_insert(action);
        }
        let knows_words = lookup.keys().flatten().any(|s| s.user.as_ref().is_some_and(|u| u.words.is_some()));
        Memoization { config, lookup, knows_words }
    }

    /// Sets whether beginnings are forgotten; how far back it looks was compiled.
    pub(super) fn configure(&mut self, config: MemoizationConfig) {
        self.config.augmented = config.augmented;
    }

    pub(super) fn is_augmented(&self) -> bool {
        self.config.augmented
    }

    /// What a story did here. The last message counts by its words where its intent tells nothing.
    pub(super) fn predict(&self, tracker: &Tracker, rules: &RulePolicy) -> Option<Recalled<'_>> {
        if let Some(action) = self.predict_with(tracker, rules, false) {
            return Some(Recalled { action, end_to_end: false });
        }
        let by_words = self.knows_words && tracker.latest_action() == Some(ACTION_LISTEN);
        let action = by_words.then(|| self.predict_with(tracker, rules, true)).flatten()?;
        Some(Recalled { action, end_to_end: true })
    }

    fn predict_with(&self, tracker: &Tracker, rules: &RulePolicy, by_words: bool) -> Option<&str> {
        let mut states = story_view::states(tracker, rules, by_words, self.config.max_history);
        let found = self.recall(&states);
        if found.is_some() || !self.config.augmented {
            return found;
        }
        // Forget the conversation's beginning, action by action, and with it what was set there.
        let history = tracker.history();
        let back = self.config.max_history.map_or(AUGMENTED_ACTIONS_MAX, |max| (4 * max).min(AUGMENTED_ACTIONS_MAX));
        let actions = history.iter().enumerate().rev().filter(|(_, a)| a.before.is_some());
        let mut starts: Vec<usize> = actions.map(|(at, _)| at).take(back).collect();
        starts.reverse();
        for from in starts {
            let mut shorter = Tracker::of_domain(Arc::clone(tracker.domain()));
            history[from..].iter().for_each(|a| shorter.apply(&a.event));
            let shorter = story_view::states(&shorter, rules, by_words, self.config.max_history);
            if shorter != states {
                let found = self.recall(&shorter);
                if found.is_some() {
                    return found;
                }
                states = shorter;
            }
        }
        None
    }

    fn recall(&self, states: &[State]) -> Option<&str> {
        self.lookup.get(states).and_then(Option::as_deref)
    }
}

fn last(mut states: Vec<State>, count: Option<usize>) -> Vec<State> {
    let from = count.map_or(0, |count| states.len().saturating_sub(count));
    states.split_off(from)
}
