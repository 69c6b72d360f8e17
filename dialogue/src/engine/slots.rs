//! Slot mappings: what a message fills (Rasa 3.6's `ActionExtractSlots`).

use super::exec::{Exec, Stop};
use crate::{
    Event, Value,
    format::{Mapping, MappingSource, SlotKind},
    tracker::{REQUESTED_SLOT, Tracker},
};
use std::collections::BTreeSet;

/// The custom action that may check what was filled.
const VALIDATOR: &str = "action_validate_slot_mappings";

impl Exec<'_> {
    /// Applies all mappings to the last message.
    pub(super) fn extract_slots(&mut self, tracker: &Tracker) -> Result<Vec<Event>, Stop> {
        let domain = tracker.domain();
        let mut events = Vec::new();
        let mut called: BTreeSet<&str> = BTreeSet::new();
        for name in domain.slot_order.iter().filter(|n| *n != REQUESTED_SLOT) {
            let Some(slot) = domain.slots.get(name) else { continue };
            for mapping in &slot.mappings {
                if !intent_fits(mapping, tracker)
                    || !conditions_hold(name, mapping, tracker)
                    || is_ambiguous(name, mapping, tracker)
                {
                    continue;
                }
                if let MappingSource::Custom(Some(action)) = &mapping.source
                    && called.insert(action)
                {
                    // It fills slots and speaks; whatever else it wants is not its business.
                    let done = self.call(action, tracker)?;
                    events.extend(
                        done.into_iter().filter(|e| matches!(e, Event::SlotSet { .. } | Event::BotUttered { .. })),
                    );
                }
                let mut values = values(mapping, tracker);
                if values.is_empty() {
                    continue;
                }
                let value = match slot.kind {
                    SlotKind::List => Value::List(values),
                    _ => values.pop().unwrap_or_default(),
                };
                if !value.is_null() || !tracker.slot(name).is_null() {
                    events.push(Event::SlotSet { name: name.clone(), value });
                }
                break;
            }
        }
        if domain.actions.contains_key(VALIDATOR) && !events.is_empty() {
            let mut seen = tracker.clone();
            events.iter().for_each(|e| seen.apply(e));
            let validated = self.call(VALIDATOR, &seen)?;
            let sets = |events: &[Event], wanted: &str| {
                events.iter().any(|e| matches!(e, Event::SlotSet { name, .. } if name == wanted))
            };
            events.retain(|e| !matches!(e, Event::SlotSet { name, .. } if sets(&validated, name)));
            events = validated.into_iter().chain(events).collect();
        }
        Ok(events)
    }
}

fn intent_fits(mapping: &Mapping, tracker: &Tracker) -> bool {
    let intent = tracker.latest_understanding().map_or("", |u| u.intent.name.as_str());
    let is = |name: &String| name == intent;
    if !mapping.intents.is_empty() {
        return mapping.intents.iter().any(is);
    }
    if mapping.not_intents.iter().any(is) {
        return false;
    }
    let Some(active) = tracker.active_loop_name() else { return true };
    let of_form =
        mapping.conditions.is_empty() || mapping.conditions.iter().any(|c| c.active_loop.as_deref() == Some(active));
    let ignored = tracker.domain().forms.get(active).is_some_and(|f| f.ignored_intents.iter().any(is));
    !(of_form && ignored)
}

fn conditions_hold(slot: &str, mapping: &Mapping, tracker: &Tracker) -> bool {
    if mapping.conditions.is_empty() || matches!(mapping.source, MappingSource::TriggerIntent(_)) {
        return true;
    }
    // What a form refused to take is not offered to it again.
    if tracker.active_loop().is_some_and(|l| l.rejected) && tracker.requested_slot() == Some(slot) {
        return false;
    }
    let active = tracker.active_loop_name();
    mapping.conditions.iter().any(|condition| match &condition.active_loop {
        None => active.is_none(),
        Some(form) => {
            let asks = condition.requested_slot.as_deref();
            active == Some(form) && (asks.is_none() || asks == tracker.requested_slot())
        }
    })
}

/// Inside a form an entity that several of its slots take fills only the one that is asked for.
fn is_ambiguous(slot: &str, mapping: &Mapping, tracker: &Tracker) -> bool {
    let MappingSource::Entity { .. } = mapping.source else { return false };
    let domain = tracker.domain();
    let Some(form) = tracker.active_loop_name().and_then(|name| domain.forms.get(name)) else { return false };
    if tracker.requested_slot() == Some(slot) || !form.required_slots.iter().any(|s| s == slot) {
        return false;
    }
    let same = |other: &Mapping| {
        let conditions = |m: &Mapping| m.conditions.clone();
        other.source == mapping.source
            && other.intents == mapping.intents
            && other.not_intents == mapping.not_intents
            && conditions(other) == conditions(mapping)
    };
    let mappings = form.required_slots.iter().filter_map(|s| domain.slots.get(s)).flat_map(|s| &s.mappings);
    mappings.filter(|m| same(m)).count() > 1
}

fn values(mapping: &Mapping, tracker: &Tracker) -> Vec<Value> {
    match &mapping.source {
        MappingSource::Entity { entity, role, group } => {
            let found = tracker.latest_entities(entity, role.as_deref(), group.as_deref());
            found.into_iter().map(|e| e.value.clone()).collect()
        }
        MappingSource::Text => {
            let text = tracker.latest_understanding().map(|u| u.text.as_str()).filter(|t| !t.is_empty());
            text.map(Value::from).into_iter().collect()
        }
        MappingSource::Intent(value) => vec![value.clone()],
        MappingSource::TriggerIntent(value) => {
            // The form extracts slots once more when it begins: then it is active, and the message is its trigger.
            let mut named = mapping.conditions.iter().map(|c| c.active_loop.as_deref()).peekable();
            let unnamed = named.peek().is_none();
            let inside = tracker.active_loop_name().is_some_and(|form| unnamed || named.any(|name| name == Some(form)));
            if inside { vec![value.clone()] } else { Vec::new() }
        }
        MappingSource::Custom(_) => Vec::new(),
    }
}
