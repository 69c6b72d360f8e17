//! What a tracker knows, for those who ask.

use super::{ActiveLoop, Applied, REQUESTED_SLOT, Reminder, SHOULD_NOT_BE_SET, TWO_STAGE_FALLBACK, Tracker};
use crate::{Entity, Event, Understanding, Value, format::Domain};
use std::{collections::BTreeMap, sync::Arc};

impl Tracker {
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
    /// Has the session ended by the user's silence, so that the next message begins a new one?
    pub fn expired(&self) -> bool {
        self.expired
    }
    /// The reminders that there would be after these events.
    pub(crate) fn reminders_after(&self, events: &[Event]) -> usize {
        let mut reminders = self.reminders.clone();
        events.iter().for_each(|event| reminders.apply(event));
        reminders.pending().count()
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
        if let Event::UserUttered { intent, entities, text, metadata, .. } = &mut event {
            text.clone_from(&latest.text);
            intent.clone_from(&latest.intent);
            intent.confidence = confidence.unwrap_or(intent.confidence);
            entities.clone_from(&latest.entities);
            // The metadata are those of the message that made it clear; the analysis is that of the words.
            latest.analysis.iter().for_each(|analysis| analysis.put_into(metadata));
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
}
