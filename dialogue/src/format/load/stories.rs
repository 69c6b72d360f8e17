//! Reads rules, stories and test stories.

use super::{
    cx::{Cx, get, join},
    markup,
    yaml::{Data, Key, Node},
};
use crate::{
    Value,
    format::{StepEntity, Story, StoryStep, TestStory, UserStep},
};

/// What kind of file a story stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rule,
    Story,
    Test,
}

/// Reads `rules:` or `stories:` of a training file.
pub(super) fn stories(cx: &mut Cx, kind: Kind, node: &Node, out: &mut Vec<Story>) {
    let (list, title) = if kind == Kind::Rule { ("rules", "rule") } else { ("stories", "story") };
    for (i, item) in cx.list(node, list, "a list").iter().enumerate() {
        let field = format!("{list}[{i}]");
        let pairs = cx.map(item, &field, "a mapping with a name and steps");
        let rule_keys = ["rule", "steps", "metadata", "condition", "conversation_start", "wait_for_user_input"];
        let known: &[&str] = if kind == Kind::Rule { &rule_keys } else { &["story", "steps", "metadata"] };
        cx.known_keys(pairs, &field, known);
        let Some((name, steps)) = head(cx, item, pairs, title, &field, kind) else { continue };
        let flag = |cx: &mut Cx, key: &str, or: bool| {
            get(pairs, key).and_then(|n| cx.bool(n, &join(&field, key))).unwrap_or(or)
        };
        let condition = match get(pairs, "condition") {
            Some(node) => condition(cx, &join(&field, "condition"), node),
            None => Vec::new(),
        };
        out.push(Story {
            name,
            steps,
            condition,
            conversation_start: flag(cx, "conversation_start", false),
            wait_for_user_input: flag(cx, "wait_for_user_input", true),
            place: cx.place(item),
        });
    }
}

/// Reads `stories:` of a test file.
pub(super) fn tests(cx: &mut Cx, node: &Node, out: &mut Vec<TestStory>) {
    for (i, item) in cx.list(node, "stories", "a list of test stories").iter().enumerate() {
        let field = format!("stories[{i}]");
        let pairs = cx.map(item, &field, "a mapping with a name and steps");
        cx.known_keys(pairs, &field, &["story", "steps", "metadata"]);
        if let Some((name, steps)) = head(cx, item, pairs, "story", &field, Kind::Test) {
            out.push(TestStory { name, steps, place: cx.place(item) });
        }
    }
}

fn head(
    cx: &mut Cx,
    item: &Node,
    pairs: &[(Key, Node)],
    title: &str,
    field: &str,
    kind: Kind,
) -> Option<(String, Vec<StoryStep>)> {
    let place = cx.place(item);
    let Some(name) = get(pairs, title).and_then(Node::scalar_text) else {
        cx.error(&place, &join(field, title), "is missing; a name is expected");
        return None;
    };
    let field = join(field, "steps");
    let Some(node) = get(pairs, "steps") else {
        cx.error(&place, &field, format!("`{name}` has no steps"));
        return None;
    };
    let items = cx.list(node, &field, "a list of steps");
    if items.is_empty() && matches!(node.data, Data::List(_) | Data::Null) {
        cx.error(&place, &field, format!("`{name}` has no steps"));
    }
    let steps = items.iter().enumerate().filter_map(|(i, n)| step(cx, &format!("{field}[{i}]"), n, kind)).collect();
    Some((name, steps))
}

fn condition(cx: &mut Cx, field: &str, node: &Node) -> Vec<StoryStep> {
    let mut out = Vec::new();
    for (i, item) in cx.list(node, field, "a list of active_loop and slot_was_set").iter().enumerate() {
        let field = format!("{field}[{i}]");
        match step(cx, &field, item, Kind::Rule) {
            Some(step @ (StoryStep::ActiveLoop { .. } | StoryStep::SlotWasSet { .. })) => out.push(step),
            Some(_) => cx.expected(item, &field, "`active_loop` or `slot_was_set`"),
            None => {}
        }
    }
    out
}

const STEP_KEYS: [&str; 9] =
    ["intent", "user", "entities", "action", "bot", "active_loop", "slot_was_set", "checkpoint", "or"];

fn step(cx: &mut Cx, field: &str, node: &Node, kind: Kind) -> Option<StoryStep> {
    if matches!(&node.data, Data::Text(t) if t == "...") {
        return Some(StoryStep::Anything);
    }
    let place = cx.place(node);
    if !matches!(node.data, Data::Map(_)) {
        cx.expected(node, field, "a step such as `intent: greet` or `action: utter_greet`");
        return None;
    }
    let pairs = cx.map(node, field, "a step");
    let mut known = STEP_KEYS.to_vec();
    known.push("metadata");
    cx.known_keys(pairs, field, &known);
    let has = |key: &str| get(pairs, key);
    if has("intent").is_some() || has("user").is_some() {
        return user(cx, field, node, pairs, kind).map(StoryStep::User);
    }
    if let Some(node) = has("or") {
        return Some(StoryStep::Or(or(cx, &join(field, "or"), node, kind)));
    }
    if let Some(node) = has("action") {
        let name = cx.text(node, &join(field, "action"))?;
        return Some(if name == "..." { StoryStep::Anything } else { StoryStep::Action { name, place } });
    }
    if let Some(node) = has("bot") {
        let text = cx.text(node, &join(field, "bot"))?;
        return Some(StoryStep::Bot { text, place });
    }
    if let Some(node) = has("checkpoint") {
        let name = cx.text(node, &join(field, "checkpoint"))?;
        let slots = has("slot_was_set").map(|n| slots(cx, &join(field, "slot_was_set"), n)).unwrap_or_default();
        return Some(StoryStep::Checkpoint { name, slots, place });
    }
    if let Some(node) = has("slot_was_set") {
        return Some(StoryStep::SlotWasSet { slots: slots(cx, &join(field, "slot_was_set"), node), place });
    }
    if let Some(node) = has("active_loop") {
        let name = match &node.data {
            Data::Null => None,
            _ => Some(cx.text(node, &join(field, "active_loop"))?),
        };
        return Some(StoryStep::ActiveLoop { name, place });
    }
    if has("metadata").is_none() && pairs.iter().all(|(k, _)| known.contains(&k.text.as_str())) {
        cx.error(&place, field, format!("is no step; expected one of {}", STEP_KEYS.join(", ")));
    }
    None
}

/// Each slot below an `or` is a way of its own.
fn or(cx: &mut Cx, field: &str, node: &Node, kind: Kind) -> Vec<StoryStep> {
    let mut options = Vec::new();
    let items = cx.list(node, field, "a list of intents or of slot_was_set");
    for (i, item) in items.iter().enumerate() {
        let field = format!("{field}[{i}]");
        match step(cx, &field, item, kind) {
            Some(step @ StoryStep::User(_)) => options.push(step),
            Some(StoryStep::SlotWasSet { slots, place }) => {
                let alone = |slot| StoryStep::SlotWasSet { slots: vec![slot], place: place.clone() };
                options.extend(slots.into_iter().map(alone));
            }
            Some(_) => cx.expected(item, &field, "`intent`, `user` or `slot_was_set`"),
            None => {}
        }
    }
    if items.is_empty() && matches!(node.data, Data::List(_) | Data::Null) {
        cx.expected(node, field, "at least one step");
    }
    options
}

fn slots(cx: &mut Cx, field: &str, node: &Node) -> Vec<(String, Option<Value>)> {
    let mut out = Vec::new();
    let mut one = |cx: &mut Cx, field: &str, item: &Node| match &item.data {
        Data::Map(pairs) => out.extend(pairs.iter().map(|(k, v)| (k.text.clone(), Some(v.value())))),
        _ => out.extend(cx.text(item, field).map(|name| (name, None))),
    };
    match &node.data {
        Data::List(items) => {
            items.iter().enumerate().for_each(|(i, item)| one(cx, &format!("{field}[{i}]"), item));
        }
        _ => one(cx, field, node),
    }
    out
}

fn user(cx: &mut Cx, field: &str, node: &Node, pairs: &[(Key, Node)], kind: Kind) -> Option<UserStep> {
    let place = cx.place(node);
    let mut step = UserStep { place: place.clone(), ..UserStep::default() };
    if let Some(node) = get(pairs, "intent") {
        let name = cx.text(node, &join(field, "intent"))?;
        let name = name.trim().trim_start_matches('/');
        step.intent = Some(name.split_once('/').map_or(name, |(base, _)| base).to_owned());
        step.response_key = name.contains('/').then(|| name.to_owned());
        if kind != Kind::Test && step.response_key.is_some() {
            let message = format!("found `{name}`; stories and rules know the retrieval intent alone, which is used");
            cx.warn(&place, &join(field, "intent"), message);
        }
    }
    if let Some(node) = get(pairs, "user") {
        let text = cx.text(node, &join(field, "user"))?;
        match markup::parse(text.trim()) {
            Ok(marked) => {
                step.entities = marked
                    .entities
                    .into_iter()
                    .map(|e| StepEntity {
                        entity: e.entity,
                        value: Some(e.value),
                        role: e.role,
                        group: e.group,
                        span: Some((e.start, e.end)),
                    })
                    .collect();
                step.text = Some(marked.text);
            }
            Err((_, message)) => {
                let place = cx.place(node);
                cx.error(&place, &join(field, "user"), message);
            }
        }
    }
    if let Some(node) = get(pairs, "entities") {
        let field = join(field, "entities");
        for (i, item) in cx.list(node, &field, "a list of entities").iter().enumerate() {
            step.entities.extend(entity(cx, &format!("{field}[{i}]"), item));
        }
    }
    Some(step)
}

/// `city`, or `city: Madrid` with `role` and `group` beside it.
fn entity(cx: &mut Cx, field: &str, node: &Node) -> Option<StepEntity> {
    let Data::Map(pairs) = &node.data else {
        let entity = cx.text(node, field)?;
        return Some(StepEntity { entity, ..StepEntity::default() });
    };
    let mut out = StepEntity::default();
    for (key, value) in pairs {
        match key.text.as_str() {
            "role" => out.role = cx.text(value, &join(field, "role")),
            "group" => out.group = cx.text(value, &join(field, "group")),
            name if out.entity.is_empty() => {
                out.entity = name.to_owned();
                out.value = Some(value.value());
            }
            other => {
                let place = cx.key_place(key);
                let message = format!("found `{other}` beside `{}`, expected one entity an item", out.entity);
                cx.error(&place, field, message);
            }
        }
    }
    Some(out)
}
