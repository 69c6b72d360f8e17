//! What a conversation looks like to policies that know stories only: turns that rules alone know of are left out.

use super::rules::RulePolicy;
use crate::tracker::{ACTION_LISTEN, Marks, State, Tracker, UserState};

/// The last states as stories would have them: turns that only rules know of are left out.
pub(super) fn states(tracker: &Tracker, rules: &RulePolicy, by_words: bool, max_history: Option<usize>) -> Vec<State> {
    let now = tracker.state_with(by_words);
    let mut seen: Vec<Seen<'_>> = Vec::new();
    let mut hidden = false;
    let mut previous: Option<&str> = None;
    for applied in tracker.history() {
        let Some(before) = &applied.before else { continue };
        let hides = Marks::of(&applied.event).rule_only;
        see(&mut seen, &mut hidden, &mut previous, (&before.state, hides, before.sticky));
    }
    see(&mut seen, &mut hidden, &mut previous, (&now, false, tracker.is_sticky()));
    let from = max_history.map_or(0, |max| seen.len().saturating_sub(max));
    let state = |seen: &Seen<'_>| {
        let mut state = seen.state.clone();
        state.user = seen.user.cloned();
        state.prev_action = seen.previous.map(str::to_owned);
        state.slots.retain(|name, _| !rules.rule_only_slots.contains(name));
        state.active_loop = state.active_loop.filter(|name| !rules.rule_only_loops.contains(name));
        state
    };
    seen[from..].iter().map(state).collect()
}

/// A moment of the conversation, as a story would have it.
struct Seen<'t> {
    state: &'t State,
    /// The message that counts: a rule's own message is no part of the story.
    user: Option<&'t UserState>,
    /// The action before it that is part of the story.
    previous: Option<&'t str>,
}

/// Adds a moment unless the turn is hidden: `(state, is what follows hidden, does that depend on the turn before)`.
fn see<'t>(
    seen: &mut Vec<Seen<'t>>,
    hidden: &mut bool,
    previous: &mut Option<&'t str>,
    (state, hides, sticky): (&'t State, bool, bool),
) {
    if !*hidden {
        *previous = state.prev_action.as_deref();
    }
    if !sticky {
        *hidden = hides;
    }
    if *hidden {
        return;
    }
    let listened = state.prev_action.as_deref() == Some(ACTION_LISTEN);
    let user = match seen.last() {
        Some(before) if !listened => before.user,
        _ => state.user.as_ref(),
    };
    seen.push(Seen { state, user, previous: previous.or(state.prev_action.as_deref()) });
}
