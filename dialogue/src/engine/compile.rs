//! From rules and stories to the trackers that the policies are compiled from (Rasa's training data generator).

use crate::{
    Entity, Event, ScoredIntent, Value,
    format::{Diagnostic, Domain, SlotKind, StepEntity, Story, StoryStep, UserStep},
    tracker::{ACTION_LISTEN, SHOULD_NOT_BE_SET, State, Tracker},
};
use std::{collections::BTreeMap, sync::Arc};

/// Stands for whatever happened before a rule or happens after it.
pub(super) const ANYTHING: &str = "...";
/// Most conversations that checkpoints and `or` may unfold a set of stories into.
const UNFOLDED_STORIES_MAX: usize = 10_000;

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
pub(super) fn unfold(domain: &Domain, rules: &[Story], stories: &[Story]) -> Result<Vec<Training>, Vec<Diagnostic>> {
    let mut out = Vec::new();
    for rule in rules {
        for steps in ways(&rule.steps) {
            out.push(Training { story: rule.clone(), events: events(domain, rule, &steps, true, true), is_rule: true });
        }
    }
    let mut errors = Vec::new();
    for (story, steps) in joined(stories, &mut errors) {
        for steps in ways(&steps) {
            let events = events(domain, &story, &steps, false, true);
            out.push(Training { story: story.clone(), events, is_rule: false });
        }
        if out.len() > UNFOLDED_STORIES_MAX {
            let message = format!("checkpoints and `or` unfold into more than {UNFOLDED_STORIES_MAX} stories");
            errors.push(Diagnostic::at(&story.place, "stories", message));
            break;
        }
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

/// All straight ways through the `or`s.
fn ways(steps: &[StoryStep]) -> Vec<Vec<StoryStep>> {
    let mut ways: Vec<Vec<StoryStep>> = vec![Vec::new()];
    for step in steps {
        let options: Vec<StoryStep> = match step {
            StoryStep::Or(options) => options.iter().cloned().map(StoryStep::User).collect(),
            other => vec![other.clone()],
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

/// A stretch of a story between checkpoints.
#[derive(Debug)]
struct Stretch<'s> {
    story: &'s Story,
    index: usize,
    from: Option<&'s str>,
    steps: Vec<StoryStep>,
    to: Option<&'s str>,
}

/// Joins stories at their checkpoints.
fn joined(stories: &[Story], errors: &mut Vec<Diagnostic>) -> Vec<(Story, Vec<StoryStep>)> {
    let mut stretches: Vec<Stretch<'_>> = Vec::new();
    for story in stories {
        let mut current = Stretch { story, index: stretches.len(), from: None, steps: Vec::new(), to: None };
        for step in &story.steps {
            let StoryStep::Checkpoint { name, slots, place } = step else {
                current.steps.push(step.clone());
                continue;
            };
            if !current.steps.is_empty() || current.from.is_some() {
                current.to = Some(name);
                stretches.push(current);
            }
            current = Stretch { story, index: stretches.len(), from: Some(name), steps: Vec::new(), to: None };
            if !slots.is_empty() {
                current.steps.push(StoryStep::SlotWasSet { slots: slots.clone(), place: place.clone() });
            }
        }
        if !current.steps.is_empty() {
            stretches.push(current);
        }
    }
    let mut by_start: BTreeMap<&str, Vec<&Stretch<'_>>> = BTreeMap::new();
    for stretch in &stretches {
        if let Some(from) = stretch.from {
            by_start.entry(from).or_default().push(stretch);
        }
    }
    let reached: Vec<&str> = stretches.iter().filter_map(|s| s.to).collect();
    for stretch in &stretches {
        let lost = stretch.from.filter(|from| !reached.contains(from));
        if let Some(name) = lost {
            let message = format!("no story leads to the checkpoint `{name}`");
            errors.push(Diagnostic::at(&stretch.story.place, &stretch.story.name, message));
        }
    }
    let mut out = Vec::new();
    for stretch in stretches.iter().filter(|s| s.from.is_none()) {
        follow(stretch, &by_start, &mut Vec::new(), Vec::new(), &mut out);
    }
    out
}

fn follow<'s>(
    stretch: &Stretch<'s>,
    by_start: &BTreeMap<&str, Vec<&Stretch<'s>>>,
    path: &mut Vec<usize>,
    mut steps: Vec<StoryStep>,
    out: &mut Vec<(Story, Vec<StoryStep>)>,
) {
    // A checkpoint that leads back to itself is gone through once.
    if path.contains(&stretch.index) || out.len() > UNFOLDED_STORIES_MAX {
        return;
    }
    steps.extend(stretch.steps.iter().cloned());
    let next = stretch.to.and_then(|to| by_start.get(to));
    match next {
        Some(next) => {
            path.push(stretch.index);
            next.iter().for_each(|s| follow(s, by_start, path, steps.clone(), out));
            path.pop();
        }
        None => out.push((stretch.story.clone(), steps)),
    }
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
        }
        StoryStep::Action { name, .. } => out.push(executed(name)),
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
        StoryStep::Or(_) | StoryStep::Checkpoint { .. } | StoryStep::Bot { .. } => {}
    }
}

/// A value that looks to the policies like any other that sets the slot.
pub(crate) fn any_value(domain: &Domain, slot: &str) -> Value {
    match domain.slots.get(slot).map(|s| &s.kind) {
        Some(SlotKind::Bool) => Value::Bool(true),
        Some(SlotKind::List) => Value::List(vec![Value::Text("filled".into())]),
        _ => Value::Text("filled".into()),
    }
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
