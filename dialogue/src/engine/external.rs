//! Turns that nobody typed: a reminder that is due, an intent that is triggered from outside.

use super::TurnInput;
use crate::{
    Entity, Event, IdempotencyKey, ScoredIntent, SessionId, TimestampMs, Understanding, Value,
    tracker::{EXTERNAL_PREFIX, IS_EXTERNAL, REMINDER, Reminder, Tracker},
};
use std::collections::BTreeMap;

/// When a turn is taken up, as all turns must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnTime {
    /// When the turn is taken up.
    pub at: TimestampMs,
    /// When the previous turn of the session was; none for the first.
    pub last_at: Option<TimestampMs>,
    /// Chooses among the variations of a response.
    pub seed: u64,
}

impl TurnInput {
    /// A turn that begins with an intent from outside (Rasa's `trigger_external_user_uttered`): its text is
    /// `EXTERNAL: <intent>`, its confidence 1, its channel the one of the last message.
    pub fn external(
        tracker: &Tracker,
        session: SessionId,
        key: IdempotencyKey,
        (intent, entities): (&str, &[Entity]),
        time: TurnTime,
    ) -> Self {
        let text = format!("{EXTERNAL_PREFIX}{intent}");
        let scored = ScoredIntent { name: intent.to_owned(), confidence: 1.0 };
        let input_channel = tracker.events().rev().find_map(|e| match e {
            Event::UserUttered { input_channel, .. } => Some(input_channel.clone()),
            _ => None,
        });
        TurnInput {
            session,
            key,
            text: text.clone(),
            message_id: None,
            input_channel: input_channel.flatten(),
            metadata: Value::Map(BTreeMap::from([(IS_EXTERNAL.into(), true.into())])),
            understanding: Understanding {
                text,
                ranking: vec![scored.clone()],
                intent: scored,
                entities: entities.to_vec(),
                selections: Vec::new(),
                analysis: None,
            },
            at: time.at,
            last_at: time.last_at,
            seed: time.seed,
        }
    }

    /// The turn of a reminder that is due. Its key is made of the reminder, so that however often and wherever it is
    /// triggered it happens once. Where the reminder is no longer pending, the turn ends without a message.
    pub fn of_reminder(tracker: &Tracker, session: SessionId, reminder: &Reminder, time: TurnTime) -> Self {
        let key = reminder.key();
        let what = (reminder.intent.as_str(), reminder.entities.as_slice());
        let mut input = Self::external(tracker, session, key, what, time);
        if let Value::Map(metadata) = &mut input.metadata {
            let at = Value::Int(i64::try_from(reminder.at.0).unwrap_or(i64::MAX));
            let of = BTreeMap::from([("name".into(), Value::Text(reminder.name.clone())), ("at".into(), at)]);
            metadata.insert(REMINDER.into(), Value::Map(of));
        }
        input
    }
}
