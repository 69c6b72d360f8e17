//! `Tracker`: what is known of a conversation, as a pure fold over its events.
//!
//! The folding rules are Rasa's (`DialogueStateTracker.applied_events` and the events' `apply_to`, Rasa 3.6): a revert
//! replays what is left, and the repeated runs of a form on its happy path count as one for the policies.

mod history;
mod marks;
mod reminders;
mod state;

pub(crate) use history::Applied;
pub(crate) use marks::Marks;
pub use reminders::Reminder;
pub(crate) use reminders::{EXTERNAL_PREFIX, IS_EXTERNAL, REMINDER, triggered_by};
pub(crate) use state::{SHOULD_NOT_BE_SET, SlotFeature, State, UserState};

use crate::{
    Entity, Event, Understanding, Value,
    format::{Assistant, Domain},
};
use history::History;
use reminders::Reminders;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The action that ends a turn.
pub const ACTION_LISTEN: &str = "action_listen";
/// The slot that names what a form asks for.
pub const REQUESTED_SLOT: &str = "requested_slot";
/// The built-in loop that makes sure of what the user means.
pub(crate) const TWO_STAGE_FALLBACK: &str = "action_two_stage_fallback";

/// The active form.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveLoop {
    /// Its name.
    pub name: String,
    /// Was it interrupted by something else just now?
    pub is_interrupted: bool,
    /// Did it refuse the last message?
    pub rejected: bool,
    /// The message that activated it.
    pub trigger: Option<Understanding>,
}

/// What is known of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracker {
    domain: Arc<Domain>,
    slots: BTreeMap<String, Value>,
    touched: BTreeSet<String>,
    latest: Option<Understanding>,
    latest_action: Option<String>,
    active_loop: Option<ActiveLoop>,
    followup: Option<String>,
    paused: bool,
    events: Vec<Arc<Event>>,
    history: History,
    reminders: Reminders,
    /// Rules are compiled from what they set, not from initial values.
    only_touched: bool,
}

impl Tracker {
    /// A conversation in which nothing has happened.
    pub fn new(assistant: &Assistant) -> Self {
        Self::of_domain(Arc::clone(&assistant.domain))
    }

    pub(crate) fn of_domain(domain: Arc<Domain>) -> Self {
        let slots = initial_slots(&domain);
        Tracker {
            domain,
            slots,
            touched: BTreeSet::new(),
            latest: None,
            latest_action: None,
            active_loop: None,
            followup: Some(ACTION_LISTEN.into()),
            paused: false,
            events: Vec::new(),
            history: History::default(),
            reminders: Reminders::default(),
            only_touched: false,
        }
    }

    /// A tracker that rules are compiled from: its states hold only what the rule itself set.
    pub(crate) fn of_rule(domain: Arc<Domain>) -> Self {
        Tracker { only_touched: true, ..Self::of_domain(domain) }
    }

    /// The conversation in which these events happened.
    pub fn replay<'a>(assistant: &Assistant, events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut tracker = Self::new(assistant);
        for event in events {
            tracker.apply(event);
        }
        tracker
    }

    /// Takes up one more event.
    pub fn apply(&mut self, event: &Event) {
        let shared = Arc::new(event.clone());
        self.reminders.apply(event);
        match event {
            // A context begins: what was before it no longer counts, for the policies or for anybody.
            Event::SessionStarted | Event::Restarted => {
                self.events.clear();
                self.events.push(shared);
                self.history.clear();
                self.reset();
                if matches!(event, Event::Restarted) {
                    self.followup = Some("action_session_start".into());
                }
            }
            Event::UtteranceReverted => {
                self.events.push(shared);
                self.history.undo_user_utterance();
                self.reminders.retain_scheduled(self.history.applied());
                self.replay_applied();
            }
            Event::ActionReverted => {
                self.events.push(shared);
                self.history.undo_action();
                self.reminders.retain_scheduled(self.history.applied());
                self.replay_applied();
            }
            _ => {
                self.record(&shared);
                self.events.push(shared);
                self.change(event);
            }
        }
    }

    /// The value of a slot; `Null` for one that the domain does not have.
    pub fn slot(&self, name: &str) -> &Value {
        static NULL: Value = Value::Null;
        self.slots.get(name).unwrap_or(&NULL)
    }
    /// All slots, by name.
    pub fn slots(&self) -> &BTreeMap<String, Value> {
        &self.slots
    }
    /// The active form.
    pub fn active_loop(&self) -> Option<&ActiveLoop> {
        self.active_loop.as_ref()
    }
    /// The slot that the form asks for.
    pub fn requested_slot(&self) -> Option<&str> {
        self.slot(REQUESTED_SLOT).as_text()
    }
    /// What was understood of the last message.
    pub fn latest_understanding(&self) -> Option<&Understanding> {
        self.latest.as_ref()
    }
    /// The last action that was executed.
    pub fn latest_action(&self) -> Option<&str> {
        self.latest_action.as_deref()
    }
    /// What an action asked for as the next one.
    pub fn followup(&self) -> Option<&str> {
        self.followup.as_deref()
    }
    /// Is the assistant told to be silent?
    pub fn paused(&self) -> bool {
        self.paused
    }
    /// The reminders that are still to come, by name.
    pub fn pending_reminders(&self) -> impl Iterator<Item = &Reminder> {
        self.reminders.pending()
    }
    /// The events since the context began.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter().map(Arc::as_ref)
    }

    pub(crate) fn domain(&self) -> &Arc<Domain> {
        &self.domain
    }
    pub(crate) fn history(&self) -> &[Arc<Applied>] {
        self.history.applied()
    }
    /// Is this the action of a loop: a form, the two-stage fallback, or what a custom action activated by itself?
    pub(crate) fn is_loop(&self, action: &str) -> bool {
        self.domain.forms.contains_key(action)
            || action == TWO_STAGE_FALLBACK
            || self.active_loop.as_ref().is_some_and(|active| active.name == action)
    }
    /// The last message once more, as sure as can be: how a message that was made clear is put back.
    pub(crate) fn latest_message_again(&self, confidence: Option<f32>) -> Vec<Event> {
        let Some(latest) = &self.latest else { return Vec::new() };
        let last = self.events().rev().find_map(|e| match e {
            Event::UserUttered { .. } => Some(e.clone()),
            _ => None,
        });
        let Some(mut event) = last else { return Vec::new() };
        if let Event::UserUttered { intent, entities, text, .. } = &mut event {
            text.clone_from(&latest.text);
            intent.clone_from(&latest.intent);
            intent.confidence = confidence.unwrap_or(intent.confidence);
            entities.clone_from(&latest.entities);
        }
        let parsed = (!latest.selections.is_empty())
            .then(|| Event::UtteranceParsed { ranking: latest.ranking.clone(), selections: latest.selections.clone() });
        std::iter::once(event).chain(parsed).collect()
    }
    pub(crate) fn clear_followup(&mut self) {
        self.followup = None;
    }
    pub(crate) fn active_loop_name(&self) -> Option<&str> {
        self.active_loop.as_ref().map(|l| l.name.as_str()).filter(|name| *name != SHOULD_NOT_BE_SET)
    }
    /// The values of the last message's entities of a type; role and group must agree exactly.
    pub(crate) fn latest_entities(&self, entity: &str, role: Option<&str>, group: Option<&str>) -> Vec<&Entity> {
        let entities = self.latest.iter().flat_map(|u| &u.entities);
        entities.filter(|e| e.entity == entity && e.role.as_deref() == role && e.group.as_deref() == group).collect()
    }

    /// Puts the event into the history that the policies see.
    fn record(&mut self, event: &Arc<Event>) {
        if let Event::ActionExecuted { action, .. } = &**event {
            if self.is_loop(action) && self.history.repeats_happy_path(action) {
                self.history.collapse_loop(action);
                return;
            }
            let state = self.state_with(Marks::of(event).end_to_end);
            let before = history::Before { state, sticky: self.is_sticky() };
            self.history.push(Arc::clone(event), Some(before));
        } else {
            self.history.push(Arc::clone(event), None);
        }
    }

    /// Does what comes now stay hidden, or shown, as the turn before it was?
    pub(crate) fn is_sticky(&self) -> bool {
        self.followup.is_some() || self.latest_action() == self.active_loop_name()
    }

    fn change(&mut self, event: &Event) {
        match event {
            Event::UserUttered { text, intent, entities, .. } => {
                self.latest = Some(Understanding {
                    text: text.clone(),
                    intent: intent.clone(),
                    ranking: vec![intent.clone()],
                    entities: entities.clone(),
                    selections: Vec::new(),
                });
                self.followup = None;
            }
            Event::ActionExecuted { action, .. } => {
                if let Some(active) = &mut self.active_loop {
                    active.is_interrupted = false;
                    active.rejected &= active.name != *action;
                }
                self.latest_action = Some(action.clone());
                self.followup = None;
            }
            Event::SlotSet { name, value } => {
                if let Some(slot) = self.slots.get_mut(name) {
                    *slot = value.clone();
                    self.touched.insert(name.clone());
                }
            }
            Event::SlotsReset => {
                self.slots = initial_slots(&self.domain);
                self.touched.clear();
            }
            Event::ActiveLoopChanged { name } => {
                self.active_loop = name.as_ref().map(|name| ActiveLoop {
                    name: name.clone(),
                    is_interrupted: false,
                    rejected: false,
                    trigger: self.latest.clone(),
                });
            }
            Event::LoopInterrupted { interrupted } => {
                if let Some(active) = &mut self.active_loop {
                    active.is_interrupted = *interrupted;
                }
            }
            Event::ActionRejected { action } => {
                if let Some(active) = &mut self.active_loop {
                    active.rejected |= active.name == *action;
                }
            }
            Event::FollowupAction { action } => self.followup = Some(action.clone()),
            Event::EntitiesAdded { entities } => {
                if let Some(latest) = &mut self.latest {
                    latest
                        .entities
                        .extend(entities.iter().filter(|e| !latest.entities.contains(e)).cloned().collect::<Vec<_>>());
                }
            }
            Event::UtteranceParsed { ranking, selections } => {
                if let Some(latest) = &mut self.latest {
                    latest.ranking.clone_from(ranking);
                    latest.selections.clone_from(selections);
                }
            }
            Event::Paused => self.paused = true,
            Event::Resumed => self.paused = false,
            Event::BotUttered { .. }
            | Event::AgentUttered { .. }
            | Event::ReminderScheduled { .. }
            | Event::ReminderCancelled { .. } => {}
            Event::SessionStarted | Event::Restarted | Event::UtteranceReverted | Event::ActionReverted => {
                unreachable!("handled by apply")
            }
        }
    }

    fn reset(&mut self) {
        self.slots = initial_slots(&self.domain);
        self.touched.clear();
        self.latest = None;
        self.latest_action = None;
        self.active_loop = None;
        self.paused = false;
        self.followup = Some(ACTION_LISTEN.into());
    }

    fn replay_applied(&mut self) {
        self.reset();
        for applied in self.history.applied().to_vec() {
            self.change(&applied.event);
        }
    }
}

fn initial_slots(domain: &Domain) -> BTreeMap<String, Value> {
    domain.slots.iter().map(|(name, slot)| (name.clone(), slot.initial.clone())).collect()
}
