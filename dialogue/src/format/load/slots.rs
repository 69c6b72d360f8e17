//! Reads the domain's slots and how messages fill them.

use super::{
    cx::{Cx, get, join},
    merge::declare,
    yaml::{Data, Key, Node},
};
use crate::{
    Value,
    format::{Domain, Mapping, MappingCondition, MappingSource, Place, Slot, SlotKind},
};

pub(super) fn slots(cx: &mut Cx, domain: &mut Domain, node: &Node) {
    for (key, settings) in cx.map(node, "slots", "a mapping of slots") {
        let field = format!("slots.{}", key.text);
        let place = cx.key_place(key);
        let slot = slot(cx, &field, place.clone(), settings);
        if declare(cx, &mut domain.slots, (&key.text, &field), &place, slot) {
            domain.slot_order.push(key.text.clone());
        }
    }
}

fn slot(cx: &mut Cx, field: &str, place: Place, settings: &Node) -> Slot {
    let pairs = cx.map(settings, field, "the slot's settings");
    const KNOWN: [&str; 9] = [
        "type",
        "influence_conversation",
        "initial_value",
        "values",
        "min_value",
        "max_value",
        "mappings",
        "value_reset_delay",
        "metadata",
    ];
    cx.known_keys(pairs, field, &KNOWN);
    let kind = slot_kind(cx, field, &place, pairs);
    let influences = get(pairs, "influence_conversation")
        .and_then(|n| cx.bool(n, &join(field, "influence_conversation")))
        .unwrap_or(kind != SlotKind::Any);
    if kind == SlotKind::Any && influences {
        let message = "a slot of type any cannot influence the conversation; choose another type or leave the key out";
        cx.error(&place, &join(field, "influence_conversation"), message);
    }
    let mut slot = Slot { kind, influences, place: place.clone(), ..Slot::default() };
    if let Some(node) = get(pairs, "initial_value") {
        slot.initial = node.value();
    }
    match get(pairs, "mappings") {
        None => {
            let message = "is missing; say how the slot is filled, e.g. `mappings: [{type: custom}]`";
            cx.error(&place, &join(field, "mappings"), message);
        }
        Some(node) => {
            let field = join(field, "mappings");
            for (i, item) in cx.list(node, &field, "a list of mappings").iter().enumerate() {
                slot.mappings.extend(mapping(cx, &format!("{field}[{i}]"), item));
            }
        }
    }
    slot
}

fn slot_kind(cx: &mut Cx, field: &str, place: &Place, pairs: &[(Key, Node)]) -> SlotKind {
    let Some(node) = get(pairs, "type") else {
        cx.error(place, &join(field, "type"), "is missing; expected text, bool, float, list, categorical or any");
        return SlotKind::Text;
    };
    let bound =
        |cx: &mut Cx, key: &str, or: f64| get(pairs, key).and_then(|n| cx.number(n, &join(field, key))).unwrap_or(or);
    match node.scalar_text().as_deref() {
        Some("text") => SlotKind::Text,
        Some("bool") => SlotKind::Bool,
        Some("list") => SlotKind::List,
        Some("any") => SlotKind::Any,
        Some("float") => {
            let (min, max) = (bound(cx, "min_value", 0.0), bound(cx, "max_value", 1.0));
            if min > max {
                cx.error(place, &join(field, "min_value"), format!("{min} is larger than max_value {max}"));
            }
            SlotKind::Float { min, max }
        }
        Some("categorical") => {
            let values = get(pairs, "values").map(|n| cx.texts(n, &join(field, "values"))).unwrap_or_default();
            if values.is_empty() {
                cx.error(place, &join(field, "values"), "a categorical slot needs the list of its values");
            }
            SlotKind::Categorical(values)
        }
        Some(other) => {
            let known = ["text", "bool", "float", "list", "categorical", "any"];
            let hint = super::cx::did_you_mean(other, known);
            let expected = format!("one of {}{hint}", known.join(", "));
            cx.expected(node, &join(field, "type"), &expected);
            SlotKind::Text
        }
        None => {
            cx.expected(node, &join(field, "type"), "a slot type");
            SlotKind::Text
        }
    }
}

fn mapping(cx: &mut Cx, field: &str, node: &Node) -> Option<Mapping> {
    let pairs = cx.map(node, field, "a mapping with a type");
    const KNOWN: [&str; 10] =
        ["type", "entity", "role", "group", "intent", "not_intent", "value", "action", "conditions", "metadata"];
    cx.known_keys(pairs, field, &KNOWN);
    let place = cx.place(node);
    let kind = get(pairs, "type").and_then(Node::scalar_text);
    let text = |cx: &mut Cx, key: &str| get(pairs, key).and_then(|n| cx.text(n, &join(field, key)));
    let value = |cx: &mut Cx| match get(pairs, "value") {
        Some(node) if node.data != Data::Null => node.value(),
        _ => {
            let message = format!("is missing; a mapping of type {} needs it", kind.as_deref().unwrap_or(""));
            cx.error(&place, &join(field, "value"), message);
            Value::Null
        }
    };
    let source = match kind.as_deref() {
        Some("from_entity") => match text(cx, "entity") {
            Some(entity) => MappingSource::Entity { entity, role: text(cx, "role"), group: text(cx, "group") },
            None => {
                cx.error(&place, &join(field, "entity"), "is missing; a mapping of type from_entity needs it");
                return None;
            }
        },
        Some("from_text") => MappingSource::Text,
        Some("from_intent") => MappingSource::Intent(value(cx)),
        Some("from_trigger_intent") => MappingSource::TriggerIntent(value(cx)),
        Some("custom") => MappingSource::Custom(text(cx, "action")),
        other => {
            let known = ["from_entity", "from_text", "from_intent", "from_trigger_intent", "custom"];
            let found = other.unwrap_or("nothing");
            let hint = super::cx::did_you_mean(found, known);
            let message = format!("found {found}, expected one of {}{hint}", known.join(", "));
            let place = get(pairs, "type").map_or(place, |n| cx.place(n));
            cx.error(&place, &join(field, "type"), message);
            return None;
        }
    };
    let intents = get(pairs, "intent").map(|n| cx.texts(n, &join(field, "intent"))).unwrap_or_default();
    let not_intents = get(pairs, "not_intent").map(|n| cx.texts(n, &join(field, "not_intent"))).unwrap_or_default();
    let conditions = conditions(cx, field, pairs);
    Some(Mapping { source, intents, not_intents, conditions, place })
}

fn conditions(cx: &mut Cx, field: &str, pairs: &[(Key, Node)]) -> Vec<MappingCondition> {
    let Some(node) = get(pairs, "conditions") else { return Vec::new() };
    let field = join(field, "conditions");
    let mut out = Vec::new();
    for (i, item) in cx.list(node, &field, "a list of conditions").iter().enumerate() {
        let field = format!("{field}[{i}]");
        let pairs = cx.map(item, &field, "a condition with active_loop");
        cx.known_keys(pairs, &field, &["active_loop", "requested_slot"]);
        let mut text = |key: &str| match get(pairs, key) {
            Some(node) if node.data != Data::Null => cx.text(node, &join(&field, key)),
            _ => None,
        };
        let condition = MappingCondition { active_loop: text("active_loop"), requested_slot: text("requested_slot") };
        out.push(condition);
    }
    out
}
