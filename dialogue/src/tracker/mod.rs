//! `Tracker`: what is known of a conversation, as a pure fold over its events.
//!
//! The folding rules are Rasa's (`DialogueStateTracker.applied_events` and the events' `apply_to`, Rasa 3.6): a revert
//! replays what is left, and the repeated runs of a form on its happy path count as one for the policies.

mod access;
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
    Event, TextAnalysis, Understanding, Value,
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
    expired: bool,
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
            expired: false,
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
                self.expired = false;
                if matches!(event, Event::Restarted) {
                    self.followup = Some("action_session_start".into());
                }
            }
            // No policy sees it: what comes next is a new session.
            Event::SessionExpired => {
                self.events.push(shared);
                self.expired = true;
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
            Event::UserUttered { text, intent, entities, metadata, .. } => {
                self.latest = Some(Understanding {
                    text: text.clone(),
                    intent: intent.clone(),
                    ranking: vec![intent.clone()],
                    entities: entities.clone(),
                    selections: Vec::new(),
                    analysis: TextAnalysis::from_metadata(metadata),
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
            Event::SessionStarted
            | Event::SessionExpired
            | Event::Restarted
            | Event::UtteranceReverted
            | Event::ActionReverted => {
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
