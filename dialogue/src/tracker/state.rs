//! `State`: what a policy sees of a conversation at one moment (Rasa's `Domain.get_active_state`).

use super::{Marks, Tracker};
use crate::{
    Event, Value,
    format::{Slot, SlotKind},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};
use unicode_normalization::UnicodeNormalization;

/// In a rule: a slot or a form that must not be set.
pub(crate) const SHOULD_NOT_BE_SET: &str = "should_not_be_set";

/// What a policy sees at one moment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct State {
    pub user: Option<UserState>,
    pub slots: BTreeMap<String, SlotFeature>,
    pub prev_action: Option<String>,
    pub active_loop: Option<String>,
}

/// What a policy sees of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct UserState {
    pub intent: String,
    pub entities: BTreeSet<String>,
    /// In place of intent and entities: the words, where the message counts by them.
    pub words: Option<String>,
}

/// What a policy sees of a slot: the bits of Rasa's feature vector, so that states can be compared exactly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SlotFeature {
    /// A rule's demand.
    NotSet,
    /// The vector; never all zero.
    Vector(Vec<u64>),
}

impl Tracker {
    /// What the policies see now; with the last message's words in place of its intent if asked for.
    pub(crate) fn state_with(&self, by_words: bool) -> State {
        let mut state = State::default();
        let mut by_words = by_words;
        let mut added: Vec<&crate::Entity> = Vec::new();
        // After a form's happy path the message that it began with is what counts: the rest was folded away.
        for applied in self.history.applied().iter().rev() {
            by_words |= state.user.is_none() && Marks::of(&applied.event).end_to_end;
            match &*applied.event {
                // A message without an intent has nothing but its words.
                Event::UserUttered { text, intent, .. }
                    if state.user.is_none() && (by_words || intent.name.is_empty() && !text.is_empty()) =>
                {
                    state.user = Some(UserState { words: Some(words(text)), ..UserState::default() });
                }
                Event::UserUttered { intent, entities, .. } if state.user.is_none() => {
                    state.user = Some(self.user_state(&intent.name, entities.iter().chain(added.iter().copied())));
                }
                Event::EntitiesAdded { entities } => added.extend(entities),
                Event::ActionExecuted { action, .. } if state.prev_action.is_none() => {
                    state.prev_action = Some(action.clone());
                }
                _ => {}
            }
            if state.user.is_some() && state.prev_action.is_some() {
                break;
            }
        }
        for (name, slot) in &self.domain.slots {
            if !slot.influences || (self.only_touched && !self.touched.contains(name)) {
                continue;
            }
            if let Some(feature) = feature(slot, self.slot(name)) {
                state.slots.insert(name.clone(), feature);
            }
        }
        state.active_loop = self.active_loop().map(|l| l.name.clone());
        state
    }

    fn user_state<'a>(&self, intent: &str, entities: impl Iterator<Item = &'a crate::Entity>) -> UserState {
        let config = self.domain.intents.get(intent);
        let wanted = |name: &str| {
            self.domain.entities.get(name).is_some_and(|e| e.influences)
                && config.is_none_or(|c| {
                    c.use_entities.as_ref().is_none_or(|used| used.iter().any(|u| u == name))
                        && !c.ignore_entities.iter().any(|i| i == name)
                })
        };
        let mut seen = BTreeSet::new();
        for entity in entities.filter(|e| wanted(&e.entity)) {
            seen.insert(entity.entity.clone());
            for label in [&entity.role, &entity.group].into_iter().flatten() {
                seen.insert(format!("{}#{label}", entity.entity));
            }
        }
        UserState { intent: intent.to_owned(), entities: seen, words: None }
    }
}

/// A message's words in the form in which end-to-end stories compare them: without regard to case, spaces and punctuation.
fn words(text: &str) -> String {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let words: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    // What is nothing but signs is told by its signs.
    if words.is_empty() { folded.trim().to_owned() } else { words.join(" ") }
}

/// The feature of a slot's value; `None` where it has none or all of it is zero.
fn feature(slot: &Slot, value: &Value) -> Option<SlotFeature> {
    if value.as_text() == Some(SHOULD_NOT_BE_SET) {
        return Some(SlotFeature::NotSet);
    }
    let vector: Vec<f64> = match &slot.kind {
        SlotKind::Any => return None,
        SlotKind::Text => vec![f64::from(u8::from(!value.is_null()))],
        SlotKind::Bool => match value {
            Value::Null => vec![0.0, 0.0],
            other => vec![1.0, f64::from(u8::from(truth(other)?))],
        },
        SlotKind::Float { min, max } => {
            let number = match value {
                Value::Int(i) => *i as f64,
                Value::Float(f) => *f,
                Value::Text(t) => t.trim().parse().ok()?,
                _ => return None,
            };
            let range = max - min;
            let share = if range.abs() > 0.0 { (number.clamp(*min, *max) - min) / range } else { 0.0 };
            vec![1.0, share]
        }
        SlotKind::List => vec![f64::from(u8::from(matches!(value, Value::List(l) if !l.is_empty())))],
        SlotKind::Categorical(values) => {
            if value.is_null() {
                return None;
            }
            let shown = value.display().to_lowercase();
            let at = values.iter().position(|v| v.to_lowercase() == shown);
            // One place more, for every value that the domain does not list.
            let at = at.unwrap_or(values.len());
            (0..=values.len()).map(|i| f64::from(u8::from(i == at))).collect()
        }
    };
    let all_zero = vector.iter().all(|v| *v == 0.0);
    (!all_zero).then(|| SlotFeature::Vector(vector.into_iter().map(f64::to_bits).collect()))
}

/// A bool slot's value, in the spellings that Rasa takes.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::Int(i) => Some(*i != 0),
        Value::Float(f) => Some(*f != 0.0),
        Value::Text(t) => match t.trim().to_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

impl State {
    /// The length of Rasa's textual form of the state: among matching rules the longest wins.
    pub(crate) fn key_len(&self) -> usize {
        self.key().len()
    }

    fn key(&self) -> String {
        let mut parts = Vec::new();
        if let Some(name) = &self.active_loop {
            parts.push(format!(r#""active_loop": {{"name": "{name}"}}"#));
        }
        if let Some(name) = &self.prev_action {
            parts.push(format!(r#""prev_action": {{"action_name": "{name}"}}"#));
        }
        if !self.slots.is_empty() {
            let mut slots = String::new();
            for (name, feature) in &self.slots {
                let value = match feature {
                    SlotFeature::NotSet => format!("{SHOULD_NOT_BE_SET:?}"),
                    SlotFeature::Vector(v) => {
                        let numbers: Vec<String> = v.iter().map(|b| format!("{:?}", f64::from_bits(*b))).collect();
                        format!("[{}]", numbers.join(", "))
                    }
                };
                let _ = write!(slots, r#"{}"{name}": {value}"#, if slots.is_empty() { "" } else { ", " });
            }
            parts.push(format!(r#""slots": {{{slots}}}"#));
        }
        if let Some(user) = &self.user {
            let mut shown = String::new();
            if !user.entities.is_empty() {
                let names: Vec<String> = user.entities.iter().map(|e| format!("{e:?}")).collect();
                let _ = write!(shown, r#""entities": [{}], "#, names.join(", "));
            }
            match &user.words {
                Some(words) => parts.push(format!(r#""user": {{"text": {words:?}}}"#)),
                None => parts.push(format!(r#""user": {{{shown}"intent": "{}"}}"#, user.intent)),
            }
        }
        format!("{{{}}}", parts.join(", "))
    }
}
