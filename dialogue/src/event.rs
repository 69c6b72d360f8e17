//! The events of a conversation. A tracker is a pure fold over them.

use crate::{Entity, Reply, ScoredIntent, Selection, TimestampMs, Value};
use serde::{Deserialize, Serialize};

/// Something that happened in a conversation, in Rasa's vocabulary.
///
/// Append only: records of earlier versions are read by position, so variants and fields are added at the end only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A conversation session began; slots may be carried over by `SlotSet`s behind it.
    SessionStarted,
    /// The user said something (`user`).
    UserUttered {
        /// The words.
        text: String,
        /// What was understood (after fallback).
        intent: ScoredIntent,
        /// The entities found.
        entities: Vec<Entity>,
        /// The channel's id of the message.
        message_id: Option<String>,
        /// The channel.
        input_channel: Option<String>,
        /// Whatever the channel added.
        metadata: Value,
    },
    /// The assistant said something (`bot`).
    BotUttered {
        /// What.
        reply: Reply,
    },
    /// An action was executed (`action`).
    ActionExecuted {
        /// Its name.
        action: String,
        /// The policy that chose it; none for what the engine does by itself.
        policy: Option<String>,
        /// The policy's confidence.
        confidence: f32,
    },
    /// A slot changed (`slot`).
    SlotSet {
        /// Its name.
        name: String,
        /// Its value; `Null` unsets it.
        value: Value,
    },
    /// All slots went back to their initial values (`reset_slots`).
    SlotsReset,
    /// The conversation began anew (`restart`).
    Restarted,
    /// A form became active, or none (`active_loop`).
    ActiveLoopChanged {
        /// The form's name.
        name: Option<String>,
    },
    /// The form was interrupted by something else (`loop_interrupted`).
    LoopInterrupted {
        /// Whether it is.
        interrupted: bool,
    },
    /// An action refused to run (`action_execution_rejected`).
    ActionRejected {
        /// Its name.
        action: String,
    },
    /// An action asks for another one next (`followup`).
    FollowupAction {
        /// Its name.
        action: String,
    },
    /// The last user turn is taken back (`rewind`).
    UtteranceReverted,
    /// The last action is taken back (`undo`).
    ActionReverted,
    /// Entities were added to the last utterance (`entities`).
    EntitiesAdded {
        /// Which.
        entities: Vec<Entity>,
    },
    /// The assistant was told to be silent (`pause`).
    Paused,
    /// It may speak again (`resume`).
    Resumed,
    /// A human agent said something (`agent`).
    AgentUttered {
        /// The words.
        text: String,
    },
    /// What else was understood of the message right before: it stands directly behind its `UserUttered`, where there is
    /// more to say than the intent. On Rasa's wire it is part of the `user` event.
    UtteranceParsed {
        /// The intents, best first, where the best is no more than a fallback.
        ranking: Vec<ScoredIntent>,
        /// What response selectors chose.
        selections: Vec<Selection>,
    },
    /// An intent is to be triggered at a later time (`reminder`). A second one of a name replaces the first.
    ReminderScheduled {
        /// Its name.
        name: String,
        /// The intent.
        intent: String,
        /// The entities that come with the intent.
        entities: Vec<Entity>,
        /// When.
        at: TimestampMs,
        /// Is it dropped when the user says something before?
        kill_on_user_message: bool,
    },
    /// Reminders are dropped (`cancel_reminder`): those that agree with all that is named here, all where nothing is.
    ReminderCancelled {
        /// Of this name.
        name: Option<String>,
        /// With this intent.
        intent: Option<String>,
        /// With exactly these entities.
        entities: Option<Vec<Entity>>,
    },
    /// The user was silent for longer than a session lasts: reminders are dropped, and the next message begins a new session.
    /// Our own; it is not on Rasa's wire.
    SessionExpired,
}

impl Event {
    /// Is this one of the events that records had none of at first? They are written only when every node reads them.
    pub fn is_later(&self) -> bool {
        matches!(
            self,
            Event::UtteranceParsed { .. }
                | Event::ReminderScheduled { .. }
                | Event::ReminderCancelled { .. }
                | Event::SessionExpired
        )
    }
}
