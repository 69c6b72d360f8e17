//! Reads the domain's sections; they may be spread over many files.

use super::{
    cx::{Cx, get, join},
    yaml::{Data, Key, Node},
};
use crate::{
    ReplyButton, Value,
    format::{
        Domain, EntityType, Form, Intent, Mapping, MappingCondition, MappingSource, Place, Slot, SlotKind, Variation,
    },
};
use std::collections::BTreeMap;

/// The domain while it is gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub domain: Domain,
    /// Where the session's settings were given.
    pub session_at: Option<Place>,
}

/// The keys of a domain file.
pub(super) const KEYS: [&str; 9] =
    ["intents", "entities", "slots", "forms", "responses", "actions", "session_config", "config", "e2e_actions"];

/// Reads one section.
pub(super) fn section(cx: &mut Cx, gathered: &mut Gathered, key: &Key, node: &Node) {
    let domain = &mut gathered.domain;
    match key.text.as_str() {
        "intents" => intents(cx, domain, node),
        "entities" => entities(cx, domain, node),
        "slots" => slots(cx, domain, node),
        "forms" => forms(cx, domain, node),
        "responses" => super::responses::responses(cx, domain, node),
        "actions" => actions(cx, domain, node),
        "session_config" => session_config(cx, gathered, key, node),
        "config" => {
            let place = cx.key_place(key);
            let pairs = cx.map(node, "config", "a mapping");
            cx.known_keys(pairs, "config", &["store_entities_as_slots"]);
            if get(pairs, "store_entities_as_slots").is_some() {
                cx.warn(&place, "config.store_entities_as_slots", "has no effect; write slot mappings instead");
            }
        }
        _ => {
            let place = cx.key_place(key);
            let message = "end-to-end actions are not supported; give the words a response name and use that";
            cx.error(&place, "e2e_actions", message);
        }
    }
}

/// Reports a second declaration and names the first.
pub(super) fn duplicate(cx: &mut Cx, place: &Place, field: &str, first: &Place) {
    cx.error(place, field, format!("declared twice; the first time at {first}"));
}

/// An item that is a name or a name with settings: `greet` or `greet: {use_entities: []}`.
fn named<'n>(cx: &mut Cx, item: &'n Node, field: &str) -> Option<(String, Place, Option<&'n Node>)> {
    match &item.data {
        Data::Map(pairs) if pairs.len() == 1 => {
            Some((pairs[0].0.text.clone(), cx.key_place(&pairs[0].0), Some(&pairs[0].1)))
        }
        Data::Map(pairs) => {
            let place = cx.place(item);
            let message = format!("found a mapping of {} keys, expected one name with its settings", pairs.len());
            cx.error(&place, field, message);
            None
        }
        _ => cx.text(item, field).map(|name| (name, cx.place(item), None)),
    }
}

fn intents(cx: &mut Cx, domain: &mut Domain, node: &Node) {
    for (i, item) in cx.list(node, "intents", "a list of intents").iter().enumerate() {
        let Some((name, place, settings)) = named(cx, item, &format!("intents[{i}]")) else { continue };
        let field = format!("intents.{name}");
        let mut intent = Intent { place: place.clone(), ..Intent::default() };
        if let Some(settings) = settings {
            let pairs = cx.map(settings, &field, "the intent's settings");
            cx.known_keys(pairs, &field, &["use_entities", "ignore_entities"]);
            if let Some(used) = get(pairs, "use_entities") {
                intent.use_entities = match &used.data {
                    Data::Bool(true) | Data::Null => None,
                    Data::Bool(false) => Some(Vec::new()),
                    _ => Some(cx.texts(used, &join(&field, "use_entities"))),
                };
            }
            if let Some(ignored) = get(pairs, "ignore_entities") {
                intent.ignore_entities = cx.texts(ignored, &join(&field, "ignore_entities"));
            }
        }
        match domain.intents.get(&name) {
            Some(first) => duplicate(cx, &place, &field, &first.place.clone()),
            None => drop(domain.intents.insert(name, intent)),
        }
    }
}

fn entities(cx: &mut Cx, domain: &mut Domain, node: &Node) {
    for (i, item) in cx.list(node, "entities", "a list of entities").iter().enumerate() {
        let Some((name, place, settings)) = named(cx, item, &format!("entities[{i}]")) else { continue };
        let field = format!("entities.{name}");
        let mut entity = EntityType { influences: true, place: place.clone(), ..EntityType::default() };
        if let Some(settings) = settings {
            let pairs = cx.map(settings, &field, "the entity's settings");
            cx.known_keys(pairs, &field, &["roles", "groups", "influence_conversation"]);
            for (key, list) in [("roles", &mut entity.roles), ("groups", &mut entity.groups)] {
                if let Some(node) = get(pairs, key) {
                    *list = cx.texts(node, &join(&field, key));
                }
            }
            if let Some(node) = get(pairs, "influence_conversation") {
                entity.influences = cx.bool(node, &join(&field, "influence_conversation")).unwrap_or(true);
            }
        }
        match domain.entities.get(&name) {
            Some(first) => duplicate(cx, &place, &field, &first.place.clone()),
            None => drop(domain.entities.insert(name, entity)),
        }
    }
}

fn slots(cx: &mut Cx, domain: &mut Domain, node: &Node) {
    for (key, settings) in cx.map(node, "slots", "a mapping of slots") {
        let field = format!("slots.{}", key.text);
        let place = cx.key_place(key);
        if let Some(first) = domain.slots.get(&key.text) {
            let first = first.place.clone();
            duplicate(cx, &place, &field, &first);
            continue;
        }
        let slot = slot(cx, &field, place, settings);
        domain.slot_order.push(key.text.clone());
        domain.slots.insert(key.text.clone(), slot);
    }
}

fn slot(cx: &mut Cx, field: &str, place: Place, settings: &Node) -> Slot {
    let pairs = cx.map(settings, field, "the slot's settings");
    const KNOWN: [&str; 8] = [
        "type",
        "influence_conversation",
        "initial_value",
        "values",
        "min_value",
        "max_value",
        "mappings",
        "value_reset_delay",
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
    const KNOWN: [&str; 9] =
        ["type", "entity", "role", "group", "intent", "not_intent", "value", "action", "conditions"];
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

fn forms(cx: &mut Cx, domain: &mut Domain, node: &Node) {
    for (key, settings) in cx.map(node, "forms", "a mapping of forms") {
        let field = format!("forms.{}", key.text);
        let place = cx.key_place(key);
        if let Some(first) = domain.forms.get(&key.text) {
            let first = first.place.clone();
            duplicate(cx, &place, &field, &first);
            continue;
        }
        let pairs = cx.map(settings, &field, "the form's settings");
        cx.known_keys(pairs, &field, &["required_slots", "ignored_intents"]);
        let mut form = Form { place, ..Form::default() };
        if let Some(node) = get(pairs, "required_slots") {
            if matches!(node.data, Data::Map(_)) {
                let expected = "a list of slots (mappings stand with the slots since format 3.0)";
                cx.expected(node, &join(&field, "required_slots"), expected);
            } else {
                form.required_slots = cx.texts(node, &join(&field, "required_slots"));
            }
        }
        if let Some(node) = get(pairs, "ignored_intents") {
            form.ignored_intents = cx.texts(node, &join(&field, "ignored_intents"));
        }
        domain.forms.insert(key.text.clone(), form);
    }
}

fn actions(cx: &mut Cx, domain: &mut Domain, node: &Node) {
    for (i, item) in cx.list(node, "actions", "a list of actions").iter().enumerate() {
        let Some((name, place, settings)) = named(cx, item, &format!("actions[{i}]")) else { continue };
        let field = format!("actions.{name}");
        if let Some(settings) = settings {
            let pairs = cx.map(settings, &field, "the action's settings");
            cx.known_keys(pairs, &field, &["send_domain"]);
            if let Some(node) = get(pairs, "send_domain") {
                cx.bool(node, &join(&field, "send_domain"));
            }
        }
        match domain.actions.get(&name) {
            Some(first) => duplicate(cx, &place, &field, &first.clone()),
            None => drop(domain.actions.insert(name, place)),
        }
    }
}

fn session_config(cx: &mut Cx, gathered: &mut Gathered, key: &Key, node: &Node) {
    let place = cx.key_place(key);
    if let Some(first) = gathered.session_at.replace(place.clone()) {
        duplicate(cx, &place, "session_config", &first);
        return;
    }
    let session = &mut gathered.domain.session;
    let pairs = cx.map(node, "session_config", "the session's settings");
    cx.known_keys(pairs, "session_config", &["session_expiration_time", "carry_over_slots_to_new_session"]);
    if let Some(node) = get(pairs, "session_expiration_time") {
        let field = "session_config.session_expiration_time";
        match cx.number(node, field) {
            Some(minutes) if minutes >= 0.0 => session.expiration_minutes = minutes,
            Some(_) => cx.expected(node, field, "minutes, 0 or more"),
            None => {}
        }
    }
    if let Some(node) = get(pairs, "carry_over_slots_to_new_session") {
        let carry = cx.bool(node, "session_config.carry_over_slots_to_new_session");
        session.carry_over_slots = carry.unwrap_or(true);
    }
}

/// The buttons of a response.
pub(super) fn buttons(cx: &mut Cx, field: &str, node: &Node) -> Vec<ReplyButton> {
    let mut out = Vec::new();
    for (i, item) in cx.list(node, field, "a list of buttons").iter().enumerate() {
        let field = format!("{field}[{i}]");
        let pairs = cx.map(item, &field, "a button with title and payload");
        cx.known_keys(pairs, &field, &["title", "payload", "type", "url", "extra_fields"]);
        let place = cx.place(item);
        let Some(title) = get(pairs, "title").and_then(|n| cx.text(n, &join(&field, "title"))) else {
            cx.error(&place, &join(&field, "title"), "is missing");
            continue;
        };
        let payload = get(pairs, "payload").or(get(pairs, "url"));
        let payload = payload.and_then(|n| cx.text(n, &join(&field, "payload"))).unwrap_or_else(|| title.clone());
        out.push(ReplyButton { title, payload });
    }
    out
}

/// Reports responses under one name in two places; variations of one name belong together.
pub(super) fn add_response(
    cx: &mut Cx,
    responses: &mut BTreeMap<String, Vec<Variation>>,
    name: &str,
    place: &Place,
    variations: Vec<Variation>,
) {
    match responses.get(name).and_then(|v| v.first()) {
        Some(first) => {
            let first = first.place.clone();
            duplicate(cx, place, &format!("responses.{name}"), &first);
        }
        None => drop(responses.insert(name.to_owned(), variations)),
    }
}
