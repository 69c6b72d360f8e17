//! Reads the domain's sections; they may be spread over many files.

use super::{
    cx::{Cx, get, join},
    merge::{again, declare},
    yaml::{Data, Key, Node},
};
use crate::{
    ReplyButton,
    format::{Domain, EntityType, Form, Intent, Place, SessionConfig},
};

/// The domain while it is gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub domain: Domain,
    /// Where the session's settings were given.
    pub session_at: Option<Place>,
}

/// The keys of a domain file.
pub(super) const KEYS: [&str; 10] = [
    "intents",
    "entities",
    "slots",
    "forms",
    "responses",
    "actions",
    "session_config",
    "config",
    "e2e_actions",
    // Whatever the author notes.
    "metadata",
];

/// Reads one section.
pub(super) fn section(cx: &mut Cx, gathered: &mut Gathered, key: &Key, node: &Node) {
    let domain = &mut gathered.domain;
    match key.text.as_str() {
        "intents" => intents(cx, domain, node),
        "entities" => entities(cx, domain, node),
        "slots" => super::slots::slots(cx, domain, node),
        "forms" => forms(cx, domain, node),
        "responses" => super::responses::responses(cx, domain, node),
        "actions" => actions(cx, domain, node),
        "session_config" => session_config(cx, gathered, key, node),
        "config" => {
            let pairs = cx.map(node, "config", "a mapping");
            cx.known_keys(pairs, "config", &["store_entities_as_slots"]);
            if let Some(node) = get(pairs, "store_entities_as_slots") {
                let field = "config.store_entities_as_slots";
                if cx.bool(node, field) == Some(false) {
                    let place = cx.place(node);
                    let message = "has no effect, as in Rasa 3.6: entities in stories fill the slots that map them";
                    cx.warn(&place, field, message);
                }
            }
        }
        "e2e_actions" => domain.e2e_actions.extend(cx.texts(node, "e2e_actions")),
        _ => {}
    }
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
            cx.known_keys(pairs, &field, &["use_entities", "ignore_entities", "metadata"]);
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
        declare(cx, &mut domain.intents, (&name, &field), &place, intent);
    }
}

fn entities(cx: &mut Cx, domain: &mut Domain, node: &Node) {
    for (i, item) in cx.list(node, "entities", "a list of entities").iter().enumerate() {
        let Some((name, place, settings)) = named(cx, item, &format!("entities[{i}]")) else { continue };
        let field = format!("entities.{name}");
        let mut entity = EntityType { influences: true, place: place.clone(), ..EntityType::default() };
        if let Some(settings) = settings {
            let pairs = cx.map(settings, &field, "the entity's settings");
            cx.known_keys(pairs, &field, &["roles", "groups", "influence_conversation", "metadata"]);
            for (key, list) in [("roles", &mut entity.roles), ("groups", &mut entity.groups)] {
                if let Some(node) = get(pairs, key) {
                    *list = cx.texts(node, &join(&field, key));
                }
            }
            if let Some(node) = get(pairs, "influence_conversation") {
                entity.influences = cx.bool(node, &join(&field, "influence_conversation")).unwrap_or(true);
            }
        }
        declare(cx, &mut domain.entities, (&name, &field), &place, entity);
    }
}

fn forms(cx: &mut Cx, domain: &mut Domain, node: &Node) {
    for (key, settings) in cx.map(node, "forms", "a mapping of forms") {
        let field = format!("forms.{}", key.text);
        let place = cx.key_place(key);
        let pairs = cx.map(settings, &field, "the form's settings");
        cx.known_keys(pairs, &field, &["required_slots", "ignored_intents"]);
        let mut form = Form { place: place.clone(), ..Form::default() };
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
        declare(cx, &mut domain.forms, (&key.text, &field), &place, form);
    }
}

fn actions(cx: &mut Cx, domain: &mut Domain, node: &Node) {
    for (i, item) in cx.list(node, "actions", "a list of actions").iter().enumerate() {
        let Some((name, place, settings)) = named(cx, item, &format!("actions[{i}]")) else { continue };
        let field = format!("actions.{name}");
        if let Some(settings) = settings {
            let pairs = cx.map(settings, &field, "the action's settings");
            cx.known_keys(pairs, &field, &["send_domain"]);
            if let Some(node) = get(pairs, "send_domain")
                && cx.bool(node, &join(&field, "send_domain")) == Some(true)
            {
                domain.actions_with_domain.insert(name.clone());
            }
        }
        declare(cx, &mut domain.actions, (&name, &field), &place, place.clone());
    }
}

fn session_config(cx: &mut Cx, gathered: &mut Gathered, key: &Key, node: &Node) {
    let place = cx.key_place(key);
    let mut session = SessionConfig::default();
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
    match &gathered.session_at {
        Some(first) => again(cx, &place, "session_config", &first.clone(), session == gathered.domain.session),
        None => (gathered.session_at, gathered.domain.session) = (Some(place), session),
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
