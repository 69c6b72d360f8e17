//! Stretches of states: what a rule demands, and whether a conversation ends with it.

use super::compile::ANYTHING;
use crate::tracker::{SHOULD_NOT_BE_SET, SlotFeature, State, Tracker};

/// The last `count` states of a conversation, oldest first, with the last message's words in place of its intent if asked for; the one at the very start has no previous action.
pub(super) fn recent_states(tracker: &Tracker, count: usize, by_words: bool) -> Vec<State> {
    let earlier = tracker.history().iter().rev().filter_map(|a| a.before.as_ref().map(|b| b.state.clone()));
    let mut states: Vec<State> = earlier.take(count).collect();
    states.reverse();
    states.push(tracker.state_with(by_words));
    states
}

/// The states behind the last `...`; `None` if there are none.
pub(super) fn behind_anything(mut states: Vec<State>) -> Option<Vec<State>> {
    let anything = |s: &State| s.prev_action.as_deref() == Some(ANYTHING);
    if let Some(at) = states.iter().rposition(anything) {
        states.drain(..=at);
    }
    (!states.is_empty()).then_some(states)
}

/// Does the conversation end with these states?
pub(super) fn ends_with(conversation: &[State], rule: &[State]) -> bool {
    let mut pairs = conversation.iter().rev().zip(rule.iter().rev());
    // A rule that is longer than the conversation would have to match its very start, which has no previous action.
    rule.len() <= conversation.len()
        && pairs.all(|(now, rule)| match (&now.prev_action, &rule.prev_action) {
            (None, None) => true,
            (Some(_), Some(_)) => satisfies(now, rule),
            _ => false,
        })
}

fn satisfies(now: &State, rule: &State) -> bool {
    let user = rule.user.as_ref().is_none_or(|wanted| {
        now.user.as_ref().is_some_and(|user| {
            (wanted.words.is_none() || user.words == wanted.words)
                && (wanted.intent.is_empty() || user.intent == wanted.intent)
                && (wanted.entities.is_empty() || user.entities == wanted.entities)
        })
    });
    let slots = rule.slots.iter().all(|(name, wanted)| match (wanted, now.slots.get(name)) {
        (SlotFeature::NotSet, found) => matches!(found, None | Some(SlotFeature::NotSet)),
        (wanted, found) => found == Some(wanted),
    });
    let active_loop = match rule.active_loop.as_deref() {
        None => true,
        Some(SHOULD_NOT_BE_SET) => now.active_loop.as_deref().is_none_or(|l| l == SHOULD_NOT_BE_SET),
        wanted => now.active_loop.as_deref() == wanted,
    };
    user && slots && active_loop && now.prev_action == rule.prev_action
}
