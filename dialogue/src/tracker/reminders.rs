//! `Reminders`: the intents that are to be triggered later, as a fold over the events.
//!
//! Rasa 3.6 keeps them in its scheduler and looks at the tracker when one is due (`MessageProcessor.handle_reminder`). Here
//! the tracker says at any time which are still to come, so that whoever holds the session can keep its timers.

use super::history::Applied;
use crate::{
    Entity, Event, IdempotencyKey, TimestampMs, Value,
    ids::{REMINDER_KEY, hash64},
};
use std::{collections::BTreeMap, sync::Arc};

/// What the text of a message that nobody typed begins with (Rasa's `EXTERNAL_MESSAGE_PREFIX`).
pub(crate) const EXTERNAL_PREFIX: &str = "EXTERNAL: ";
/// In a message's metadata: nobody typed it.
pub(crate) const IS_EXTERNAL: &str = "is_external";
/// In a message's metadata: the reminder that triggered it, as `{"name": …, "at": …}`.
pub(crate) const REMINDER: &str = "reminder";

/// An intent that is to be triggered at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Reminder {
    /// Its name.
    pub name: String,
    /// The intent.
    pub intent: String,
    /// What comes with the intent.
    pub entities: Vec<Entity>,
    /// When.
    pub at: TimestampMs,
    /// Is it dropped when the user says something before?
    pub kill_on_user_message: bool,
}

impl Reminder {
    /// The key of the turn that it triggers: made of its name and its time, so that however often and wherever it is
    /// triggered it happens once.
    pub fn key(&self) -> IdempotencyKey {
        let key = format!("{REMINDER_KEY}{:016x}:{}", hash64(self.name.as_bytes()), self.at);
        IdempotencyKey::new(key).expect("hexadecimal digits and a number are a key")
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Reminders(BTreeMap<String, Reminder>);

impl Reminders {
    pub(super) fn pending(&self) -> impl Iterator<Item = &Reminder> {
        self.0.values()
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::ReminderScheduled { name, intent, entities, at, kill_on_user_message } => {
                let reminder = Reminder {
                    name: name.clone(),
                    intent: intent.clone(),
                    entities: entities.clone(),
                    at: *at,
                    kill_on_user_message: *kill_on_user_message,
                };
                self.0.insert(name.clone(), reminder);
            }
            Event::ReminderCancelled { name, intent, entities } => {
                self.0.retain(|_, reminder| {
                    let agrees = name.as_ref().is_none_or(|n| *n == reminder.name)
                        && intent.as_ref().is_none_or(|i| *i == reminder.intent)
                        && entities.as_ref().is_none_or(|e| *e == reminder.entities);
                    !agrees
                });
            }
            Event::UserUttered { text, metadata, .. } => {
                let due = triggered_by(metadata).map(|(name, _)| name);
                let kills = !text.is_empty();
                self.0.retain(|name, r| !(kills && r.kill_on_user_message) && Some(name.as_str()) != due);
            }
            Event::SessionStarted | Event::SessionExpired | Event::Restarted => self.0.clear(),
            _ => {}
        }
    }

    /// A reminder whose event was taken back is none.
    pub(super) fn retain_scheduled(&mut self, applied: &[Arc<Applied>]) {
        let scheduled = |wanted: &str| {
            applied.iter().any(|a| matches!(&*a.event, Event::ReminderScheduled { name, .. } if name == wanted))
        };
        self.0.retain(|name, _| scheduled(name));
    }
}

/// The name and the time of the reminder that triggered a message, by its metadata.
pub(crate) fn triggered_by(metadata: &Value) -> Option<(&str, TimestampMs)> {
    let Value::Map(map) = metadata else { return None };
    let Some(Value::Map(reminder)) = map.get(REMINDER).filter(|_| map.get(IS_EXTERNAL) == Some(&Value::Bool(true)))
    else {
        return None;
    };
    match (reminder.get("name")?, reminder.get("at")?) {
        (Value::Text(name), Value::Int(at)) => Some((name, TimestampMs(u64::try_from(*at).ok()?))),
        _ => None,
    }
}
