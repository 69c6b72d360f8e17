//! What a moment of a conversation looks like to the learned policy: names of what was said and done, each with its place.

use crate::{
    ids::hash64,
    tracker::{ACTION_LISTEN, SlotFeature, State},
};
use std::collections::BTreeSet;

/// The feature that names the last message, where these states end right behind it.
pub(super) fn message(states: &[State]) -> Option<u64> {
    let listened = states.last().is_some_and(|s| s.prev_action.as_deref() == Some(ACTION_LISTEN));
    turns(states).first().filter(|_| listened).map(|said| hash(&["said", said]))
}

/// The hashed features of the last of these states, sorted, each once.
///
/// The moment itself counts in all its combinations, what was before it by its distance, and whatever was at any distance as a set:
/// so what happened some turns ago is known wherever it was.
pub(super) fn of(states: &[State]) -> Vec<u64> {
    let Some((now, before)) = states.split_last() else { return Vec::new() };
    let mut names = Names::default();
    let action = now.prev_action.as_deref().unwrap_or_default();
    let turns = turns(states);
    let said = turns.first().map_or("", String::as_str);
    // Right behind the message, or already answering it?
    let heard = if action == ACTION_LISTEN { "heard" } else { "answering" };
    let form = now.active_loop.as_deref().unwrap_or_default();
    names.add(&["bias", heard]);
    names.add(&["action", action]);
    names.add(&["said", said]);
    names.add(&["said, action", said, action]);
    names.add(&["form", form]);
    names.add(&["form, said", form, said, heard]);
    names.add(&["form, action", form, action]);
    names.add(&["form, said, action", form, said, action]);
    for entity in now.user.iter().flat_map(|u| &u.entities) {
        names.add(&["entity", entity, heard]);
        names.add(&["entity, said", entity, said, action]);
    }
    for (slot, feature) in &now.slots {
        let value = value(feature);
        names.add(&["slot", slot, &value]);
        names.add(&["slot, action", slot, &value, action]);
        names.add(&["slot, said", slot, &value, said, heard]);
        names.add(&["slot, said, action", slot, &value, said, action]);
    }
    let actions: Vec<&str> = before.iter().rev().filter_map(|s| s.prev_action.as_deref()).collect();
    for (distance, earlier) in actions.iter().enumerate() {
        let distance = distance.to_string();
        names.add(&["action before", &distance, earlier]);
        names.add(&["some action", earlier]);
        names.add(&["some action, said, action", earlier, said, action]);
    }
    if let Some(one) = actions.first() {
        names.add(&["two actions", one, action]);
        names.add(&["two actions, said", one, action, said]);
        if let Some(two) = actions.get(1) {
            names.add(&["three actions", two, one, action]);
        }
    }
    for (distance, earlier) in turns.iter().enumerate().skip(1) {
        names.add(&["said before", &distance.to_string(), earlier]);
        names.add(&["some saying", earlier]);
        names.add(&["some saying, said, action", earlier, said, action]);
    }
    if let Some(one) = turns.get(1) {
        names.add(&["two sayings", one, said, action]);
    }
    // What the assistant had done before it heard the message: what the message answers.
    if let Some(at) = states.iter().rposition(|s| s.prev_action.as_deref() == Some(ACTION_LISTEN)) {
        let asked = at.checked_sub(1).and_then(|i| states[i].prev_action.as_deref()).unwrap_or_default();
        names.add(&["answers", asked, said, action]);
        names.add(&["step", &(states.len() - 1 - at).to_string(), said]);
    }
    names.0.into_iter().collect()
}

#[derive(Default)]
struct Names(BTreeSet<u64>);

impl Names {
    fn add(&mut self, parts: &[&str]) {
        self.0.insert(hash(parts));
    }
}

fn hash(parts: &[&str]) -> u64 {
    // A character that no name holds keeps ("ab", "c") and ("a", "bc") apart.
    hash64(parts.join("\u{1}").as_bytes())
}

/// What users said, latest first: an intent, or words where these count.
fn turns(states: &[State]) -> Vec<String> {
    let mut out = Vec::new();
    for (i, state) in states.iter().enumerate().rev() {
        let begins = i == 0 || state.prev_action.as_deref() == Some(ACTION_LISTEN);
        if let Some(user) = state.user.as_ref().filter(|_| begins) {
            out.push(user.words.as_ref().map_or_else(|| user.intent.clone(), |words| format!("\u{2}{words}")));
        }
    }
    out
}

fn value(feature: &SlotFeature) -> String {
    match feature {
        SlotFeature::NotSet => String::new(),
        // A share of a range counts by its tenth: nearby numbers mean the same.
        SlotFeature::Vector(bits) => {
            let tenth = |b: &u64| ((f64::from_bits(*b) * 10.0).round() as i64).to_string();
            bits.iter().map(tenth).collect::<Vec<_>>().join(",")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::UserState;

    fn state(said: Option<&str>, action: &str) -> State {
        let user = said.map(|intent| UserState { intent: intent.into(), ..UserState::default() });
        State { user, prev_action: Some(action.into()), ..State::default() }
    }

    #[test]
    fn what_was_said_long_ago_is_known_at_any_distance() {
        let talk = |between: usize| {
            let mut states = vec![state(Some("vip"), ACTION_LISTEN), state(Some("vip"), "utter_vip")];
            for _ in 0..between {
                states.push(state(Some("chat"), ACTION_LISTEN));
                states.push(state(Some("chat"), "utter_chat"));
            }
            states.push(state(Some("book"), ACTION_LISTEN));
            of(&states)
        };
        let shared = hash64("some saying\u{1}vip".as_bytes());
        assert!(talk(1).contains(&shared) && talk(3).contains(&shared));
        assert!(!of(&[state(Some("book"), ACTION_LISTEN)]).contains(&shared));
        assert!(talk(1).is_sorted_by(|a, b| a < b));
    }
}
