//! From rules and stories to the trackers that the policies are compiled from (Rasa's training data generator).

use super::checkpoints;
use crate::{
    Entity, Event, ScoredIntent, Value,
    format::{Diagnostic, Domain, MappingSource, SlotKind, StepEntity, Story, StoryStep, UserStep},
    tracker::{ACTION_LISTEN, SHOULD_NOT_BE_SET, State, Tracker},
};
use std::sync::Arc;

/// Stands for whatever happened before a rule or happens after it.
pub(super) const ANYTHING: &str = "...";
/// Most conversations that checkpoints and `or` may unfold a set of stories into.
pub(super) const UNFOLDED_STORIES_MAX: usize = 10_000;

/// A rule or a story, unfolded into one straight conversation.
#[derive(Debug, Clone)]
pub(super) struct Training {
    pub story: Story,
    pub events: Vec<Event>,
    pub is_rule: bool,
}

/// What was to be done at a moment of a training conversation.
#[derive(Debug)]
pub(super) struct Example {
    /// What the policies see, from the conversation's start up to the moment.
    pub states: Vec<State>,
    /// What is done then.
    pub action: String,
}

impl Training {
    pub(super) fn tracker(&self, domain: &Arc<Domain>) -> Tracker {
        let domain = Arc::clone(domain);
        if self.is_rule { Tracker::of_rule(domain) } else { Tracker::of_domain(domain) }
    }
    /// One example for each action.
    pub(super) fn examples(&self, domain: &Arc<Domain>) -> Vec<Example> {
        let mut tracker = self.tracker(domain);
        self.events.iter().for_each(|e| tracker.apply(e));
        let mut states = Vec::new();
        let mut out = Vec::new();
        for applied in tracker.history() {
            if let (Event::ActionExecuted { action, .. }, Some(before)) = (&*applied.event, &applied.before) {
                states.push(before.state.clone());
                out.push(Example { states: states.clone(), action: action.clone() });
            }
        }
        out
    }
}

/// Unfolds rules and stories: one conversation for each way through `or` and checkpoints.
pub(super) fn unfold(
    domain: &Arc<Domain>,
    rules: &[Story],
    stories: &[Story],
) -> Result<Vec<Training>, Vec<Diagnostic>> {
    let mut out = Vec::new();
    for rule in rules {
        for steps in ways(&rule.steps) {
            out.push(Training { story: rule.clone(), events: events(domain, rule, &steps, true, true), is_rule: true });
        }
    }
    let mut errors = Vec::new();
    for (story, steps) in checkpoints::joined(domain, stories, &mut errors) {
        let events = events(domain, &story, &steps, false, true);
        out.push(Training { story: story.clone(), events, is_rule: false });
        if out.len() > UNFOLDED_STORIES_MAX {
            let message = format!("checkpoints and `or` unfold into more than {UNFOLDED_STORIES_MAX} stories");
            errors.push(Diagnostic::at(&story.place, "stories", message));
            break;
        }
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

/// All straight ways through the `or`s.
pub(super) fn ways(steps: &[StoryStep]) -> Vec<Vec<StoryStep>> {
    let mut ways: Vec<Vec<StoryStep>> = vec![Vec::new()];
    for step in steps {
        let options: &[StoryStep] = match step {
            StoryStep::Or(options) => options,
            other => std::slice::from_ref(other),
        };
        let extended = ways.iter().flat_map(|way| {
            options.iter().map(move |option| {
                let mut way = way.clone();
                way.push(option.clone());
                way
            })
        });
        ways = extended.take(UNFOLDED_STORIES_MAX + 1).collect();
    }
    ways
}

/// The events of a straight conversation, with the `action_listen`s that stories leave out.
pub(super) fn events(domain: &Domain, story: &Story, steps: &[StoryStep], is_rule: bool, listen: bool) -> Vec<Event> {
    let mut out = Vec::new();
    if is_rule {
        story.condition.iter().for_each(|step| push(domain, step, true, &mut out));
        if !story.conversation_start {
            out.push(executed(ANYTHING));
        }
    }
    steps.iter().for_each(|step| push(domain, step, is_rule, &mut out));
    if is_rule && !story.wait_for_user_input {
        out.push(executed(ANYTHING));
    }
    if listen {
        push_listen(&mut out);
    }
    out
}

pub(crate) fn executed(action: &str) -> Event {
    Event::ActionExecuted { action: action.to_owned(), policy: None, confidence: 1.0 }
}

fn push_listen(out: &mut Vec<Event>) {
    let listening = matches!(out.last(), Some(Event::ActionExecuted { action, .. }) if action == ACTION_LISTEN);
    if !listening {
        out.push(executed(ACTION_LISTEN));
    }
}

fn push(domain: &Domain, step: &StoryStep, is_rule: bool, out: &mut Vec<Event>) {
    match step {
        StoryStep::User(user) => {
            push_listen(out);
            out.push(uttered(user));
            out.extend(slots_for_entities(domain, user));
        }
        StoryStep::Action { name, .. } => out.push(executed(name)),
        // An action that says exactly these words bears them as its name.
        StoryStep::Bot { text, .. } => out.push(executed(text)),
        StoryStep::Anything => out.push(executed(ANYTHING)),
        StoryStep::ActiveLoop { name, .. } => {
            let none = is_rule.then(|| SHOULD_NOT_BE_SET.to_owned());
            out.push(Event::ActiveLoopChanged { name: name.clone().or(none) });
        }
        StoryStep::SlotWasSet { slots, .. } => {
            for (name, value) in slots {
                let value = match value {
                    Some(Value::Null) if is_rule => Value::Text(SHOULD_NOT_BE_SET.into()),
                    Some(value) => value.clone(),
                    None => any_value(domain, name),
                };
                out.push(Event::SlotSet { name: name.clone(), value });
            }
        }
        StoryStep::Or(_) | StoryStep::Checkpoint { .. } => {}
    }
}

/// A value that looks to the policies like any other that sets the slot.
pub(crate) fn any_value(domain: &Domain, slot: &str) -> Value {
    match domain.slots.get(slot).map(|s| &s.kind) {
        Some(SlotKind::List) => Value::List(vec![Value::Text("filled".into())]),
        _ => Value::Text("filled".into()),
    }
}

/// The slots that a step's entities fill, so that stories need not say it (Rasa's `slots_for_entities`). It is so whatever
/// the domain's `store_entities_as_slots` says: Rasa 3.6 drops that setting before it trains.
pub(crate) fn slots_for_entities(domain: &Domain, user: &UserStep) -> Vec<Event> {
    let mut out = Vec::new();
    for name in &domain.slot_order {
        let Some(slot) = domain.slots.get(name) else { continue };
        let mut values: Vec<Value> = Vec::new();
        let anywhere = |m: &&crate::format::Mapping| m.conditions.first().is_none_or(|c| c.active_loop.is_none());
        for mapping in slot.mappings.iter().filter(anywhere) {
            let MappingSource::Entity { entity, role, group } = &mapping.source else { continue };
            let fits = |e: &&StepEntity| e.entity == *entity && e.role == *role && e.group == *group;
            // A story that names an entity without a value has the empty text for one.
            let value = |e: &StepEntity| e.value.clone().unwrap_or_else(|| Value::Text(String::new()));
            values.extend(user.entities.iter().filter(fits).map(value));
        }
        let value = match slot.kind {
            _ if values.is_empty() => continue,
            SlotKind::List => Value::List(values),
            _ => values.pop().unwrap_or_default(),
        };
        out.push(Event::SlotSet { name: name.clone(), value });
    }
    out
}

/// What a story's user step says.
fn uttered(user: &UserStep) -> Event {
    let entity = |e: &StepEntity| Entity {
        entity: e.entity.clone(),
        value: e.value.clone().unwrap_or_default(),
        start: e.span.map_or(0, |s| s.0),
        end: e.span.map_or(0, |s| s.1),
        role: e.role.clone(),
        group: e.group.clone(),
        confidence: 1.0,
        extractor: String::new(),
    };
    Event::UserUttered {
        text: user.text.clone().unwrap_or_default(),
        intent: ScoredIntent { name: user.intent.clone().unwrap_or_default(), confidence: 1.0 },
        entities: user.entities.iter().map(entity).collect(),
        message_id: None,
        input_channel: None,
        metadata: Value::Null,
    }
}
