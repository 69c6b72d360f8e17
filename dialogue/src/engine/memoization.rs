//! The memoization policy: does what a story did when the last states are the same.

use super::{compile::Training, rules::RulePolicy};
use crate::{
    Event,
    format::{Domain, MemoizationConfig},
    tracker::{ACTION_LISTEN, RULE_ONLY, State, Tracker},
};
use std::{collections::BTreeMap, sync::Arc};

/// Most actions that the augmented policy goes back when every action of the conversation may count.
const AUGMENTED_ACTIONS_MAX: usize = 50;

/// The compiled policy.
#[derive(Debug)]
pub(super) struct Memoization {
    config: MemoizationConfig,
    /// What to do after these states; `None` where stories disagree.
    lookup: BTreeMap<Vec<State>, Option<String>>,
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
        Memoization { config, lookup }
    }

    pub(super) fn is_augmented(&self) -> bool {
        self.config.augmented
    }

    /// What a story did here.
    pub(super) fn predict(&self, tracker: &Tracker, rules: &RulePolicy) -> Option<&str> {
        let mut states = self.states(tracker, rules);
        let found = self.recall(&states);
        if found.is_some() || !self.config.augmented {
            return found;
        }
        // Forget the conversation's beginning, action by action, and with it what was set there.
        let history = tracker.history();
        let actions = history.iter().enumerate().filter(|(_, a)| matches!(a.event, Event::ActionExecuted { .. }));
        let positions: Vec<usize> = actions.map(|(at, _)| at).collect();
        let back = self.config.max_history.unwrap_or(AUGMENTED_ACTIONS_MAX);
        for &from in &positions[positions.len().saturating_sub(back)..] {
            let mut shorter = Tracker::of_domain(Arc::clone(tracker.domain()));
            history[from..].iter().for_each(|a| shorter.apply(&a.event));
            let shorter = self.states(&shorter, rules);
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

    /// The last states as stories would have them: turns that only rules know of are left out.
    fn states(&self, tracker: &Tracker, rules: &RulePolicy) -> Vec<State> {
        let mut states: Vec<State> = Vec::new();
        let mut hidden = false;
        let mut previous: Option<Option<String>> = None;
        let mut take = |state: &State, hides: bool, sticky: bool| {
            if !hidden {
                previous = Some(state.prev_action.clone());
            }
            if !sticky {
                hidden = hides;
            }
            if hidden {
                return;
            }
            let mut state = state.clone();
            state.slots.retain(|name, _| !rules.rule_only_slots.contains(name));
            state.active_loop = state.active_loop.filter(|name| !rules.rule_only_loops.contains(name));
            if let Some(before) = states.last()
                && state.prev_action.as_deref() != Some(ACTION_LISTEN)
            {
                state.user.clone_from(&before.user);
            }
            if let Some(Some(action)) = &previous {
                state.prev_action = Some(action.clone());
            }
            states.push(state);
        };
        for applied in tracker.history() {
            if let (Event::ActionExecuted { policy, .. }, Some(before)) = (&applied.event, &applied.before) {
                take(&before.state, policy.as_deref() == Some(RULE_ONLY), before.sticky);
            }
        }
        take(&tracker.state(), false, tracker.is_sticky());
        last(states, self.config.max_history)
    }
}

fn last(mut states: Vec<State>, count: Option<usize>) -> Vec<State> {
    let from = count.map_or(0, |count| states.len().saturating_sub(count));
    states.split_off(from)
}
