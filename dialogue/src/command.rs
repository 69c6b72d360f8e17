//! What is replicated: one committed turn, and what the state machine answers.

use crate::{Entity, Event, IdempotencyKey, ReleaseId, ScoredIntent, SessionId, TimestampMs, Value};
use serde::{Deserialize, Serialize};

/// A button below a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplyButton {
    /// What it says.
    pub title: String,
    /// What it sends.
    pub payload: String,
}

/// One message to the user, in the shape of Rasa's REST channel.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reply {
    /// The response it came from (`utter_…`), if any.
    pub response: Option<String>,
    /// The words.
    pub text: Option<String>,
    /// The address of a picture.
    pub image: Option<String>,
    /// Buttons, in order.
    pub buttons: Vec<ReplyButton>,
    /// The address or the content of an attachment.
    pub attachment: Option<Value>,
    /// Anything else, as the channel understands it.
    pub custom: Option<Value>,
}

/// A turn as it stands in the log and in the state machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnRecord {
    /// Its number in the session; the first is 1.
    pub seq: u64,
    /// The key under which it was asked.
    pub key: IdempotencyKey,
    /// When the leader took it up.
    pub at: TimestampMs,
    /// The release that answered.
    pub release: Option<ReleaseId>,
    /// The user's words.
    pub text: String,
    /// The intent the turn was answered by.
    pub intent: ScoredIntent,
    /// The entities found.
    pub entities: Vec<Entity>,
    /// Everything that happened, in order.
    pub events: Vec<Event>,
    /// What the user was told, in order.
    pub replies: Vec<Reply>,
}

impl TurnRecord {
    /// Does the conversation's context begin anew in this turn? An activation folds from the last such turn on.
    pub fn begins_context(&self) -> bool {
        self.events.iter().any(|e| matches!(e, Event::SessionStarted | Event::Restarted))
    }
}

/// The command of a turn. The state machine takes it only if the session stands at `expected_seq`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommitTurn {
    /// Which session.
    pub session: SessionId,
    /// How many turns the writer knows of; `turn.seq` is one more.
    pub expected_seq: u64,
    /// The turn.
    pub turn: TurnRecord,
}

/// What the state machine did with a [`CommitTurn`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CommitOutcome {
    /// Taken.
    Committed {
        /// The session's number of turns now.
        seq: u64,
    },
    /// The key was known: this is what was recorded under it, and nothing was appended.
    Replayed(Box<TurnRecord>),
    /// Another writer was there first: load the session again.
    Fenced {
        /// The session's number of turns.
        actual_seq: u64,
    },
}

/// What an activation needs to know of a session.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionSnapshot {
    /// Number of turns so far; 0 for a session that never was.
    pub seq: u64,
    /// The turns since the context began (see [`TurnRecord::begins_context`]), oldest first.
    pub turns: Vec<TurnRecord>,
}
