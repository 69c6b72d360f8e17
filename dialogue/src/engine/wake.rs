//! What a session waits for while nobody speaks: its reminders, and its end.

use super::Engine;
use crate::{
    Event, IdempotencyKey, ReleaseId, ScoredIntent, TimestampMs, TurnRecord,
    ids::{DROPPED_KEY, EXPIRED_KEY},
    tracker::{Reminder, Tracker},
};

/// Something that happens at a time, unless something else happens before.
#[derive(Debug, Clone, PartialEq)]
pub struct Wake {
    /// When.
    pub at: TimestampMs,
    /// What.
    pub due: Due,
}

/// What is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Due {
    /// A reminder triggers its intent.
    Reminder(Reminder),
    /// The session expires.
    Expiry,
}

impl Engine {
    /// The first moment at which a session has expired whose last turn was then; none where sessions last for ever.
    pub fn expires_at(&self, last: TimestampMs) -> Option<TimestampMs> {
        let minutes = self.assistant().domain.session.expiration_minutes;
        // Longer than so many minutes: a millisecond more. A float that is too large becomes the largest number.
        (minutes > 0.0).then(|| TimestampMs(last.0.saturating_add((minutes * 60_000.0) as u64).saturating_add(1)))
    }

    /// What comes first for a session whose last turn was then. A reminder that is due when the session has expired comes
    /// too late: it is dropped with the session, as in Rasa.
    pub fn next_wake(&self, tracker: &Tracker, last: TimestampMs) -> Option<Wake> {
        if tracker.expired() {
            return None;
        }
        let expiry = self.expires_at(last).map(|at| Wake { at, due: Due::Expiry });
        let first = tracker.pending_reminders().min_by_key(|reminder| reminder.at);
        let reminder = first.map(|reminder| Wake { at: reminder.at, due: Due::Reminder(reminder.clone()) });
        match (expiry, reminder) {
            (Some(expiry), Some(reminder)) => Some(if reminder.at < expiry.at { reminder } else { expiry }),
            (expiry, reminder) => expiry.or(reminder),
        }
    }
}

impl TurnRecord {
    /// The turn in which a session of `seq` turns expires. Its key says after which turn.
    pub fn expiry(seq: u64, at: TimestampMs, release: Option<ReleaseId>) -> Self {
        Self::silent(seq, format!("{EXPIRED_KEY}{seq}"), at, release, Event::SessionExpired)
    }

    /// The turn that drops a reminder after `seq` turns which was scheduled again for a time at which it was triggered before.
    pub fn dropped(seq: u64, reminder: &Reminder, at: TimestampMs, release: Option<ReleaseId>) -> Self {
        let dropped = Event::ReminderCancelled { name: Some(reminder.name.clone()), intent: None, entities: None };
        Self::silent(seq, format!("{DROPPED_KEY}{seq}"), at, release, dropped)
    }

    /// A turn in which nobody says anything.
    fn silent(seq: u64, key: String, at: TimestampMs, release: Option<ReleaseId>, event: Event) -> Self {
        TurnRecord {
            seq: seq + 1,
            key: IdempotencyKey::new(key).expect("a word and a number are a key"),
            at,
            release,
            text: String::new(),
            intent: ScoredIntent::default(),
            entities: Vec::new(),
            events: vec![event],
            replies: Vec::new(),
        }
    }
}
