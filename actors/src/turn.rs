//! A turn on its way: what is asked, what is answered, and what can go wrong.

use crate::admission::Refused;
use crate::gpu::InferError;
use dialogue::ports::JournalError;
use dialogue::{IdempotencyKey, NodeId, SessionId, ShardId, TurnRecord, Value, Zone};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

/// What a user said, and how long there is to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnRequest {
    /// The conversation.
    pub session: SessionId,
    /// Names this attempt: a retry carries the same key.
    pub key: IdempotencyKey,
    /// The words.
    pub text: String,
    /// The channel's id of the message.
    pub message_id: Option<String>,
    /// The channel.
    pub input_channel: Option<String>,
    /// Whatever the channel added.
    pub metadata: Value,
    /// When an answer is of no use any more.
    pub deadline: Instant,
}

impl TurnRequest {
    /// The time that is left.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Who took the turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedBy {
    /// The node.
    pub node: NodeId,
    /// Its zone.
    pub zone: Zone,
    /// The session's shard.
    pub shard: ShardId,
}

/// A committed turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnReply {
    /// What the log holds.
    pub turn: TurnRecord,
    /// Was it there already, under the same key?
    pub replayed: bool,
    /// Who took it.
    pub served_by: ServedBy,
}

/// Why there is no answer. Every variant asks for another reaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum TurnError {
    /// Come back later: nothing was done.
    #[error("too many {what} at once: the limit is {limit}")]
    Overloaded {
        /// Of what there is too much.
        what: String,
        /// How much is taken.
        limit: usize,
    },
    /// Come back later: it would have waited too long for the encoder, and nothing was done.
    #[error("the encoder is busy: an answer would take about {estimate_ms} ms, the limit is {limit_ms} ms")]
    Busy {
        /// How long it would have taken, in milliseconds.
        estimate_ms: u64,
        /// The time that was left, or the longest that anybody may wait, in milliseconds.
        limit_ms: u64,
    },
    /// Ask that node; within the cluster only.
    #[error("another node leads the session's shard: {leader:?}")]
    NotOwner {
        /// Who, if known.
        leader: Option<NodeId>,
    },
    /// No leader was found before the deadline: nothing was done.
    #[error("the session's shard {shard} had no leader for {waited_ms} ms")]
    NoLeader {
        /// The shard.
        shard: ShardId,
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// The turn may be committed or not: ask again under the same key.
    #[error("the outcome of the turn is not known yet: ask again under the same idempotency key")]
    OutcomeUnknown,
    /// The key was used for other words.
    #[error("the idempotency key was used before in this session, for another text (turn {seq})")]
    KeyReused {
        /// The turn that it names.
        seq: u64,
    },
    /// The turn does not fit into a log record.
    #[error("the turn takes {bytes} bytes, the log takes {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A `/intent{…}` message that cannot be read.
    #[error("the message cannot be read: {detail}")]
    BadMessage {
        /// What is wrong with it.
        detail: String,
    },
    /// The text could not be understood because the encoder failed.
    #[error("the text could not be scored: {detail}")]
    Inference {
        /// What happened.
        detail: String,
    },
    /// The disk of the shard's leader is full.
    #[error("the data folder is full: {detail}")]
    StorageFull {
        /// What was found.
        detail: String,
    },
    /// This node cannot serve.
    #[error("the node cannot serve: {detail}")]
    Unavailable {
        /// What happened.
        detail: String,
    },
}

impl TurnError {
    /// May the same request succeed later, under the same key?
    pub fn is_retryable(&self) -> bool {
        match self {
            TurnError::Overloaded { .. }
            | TurnError::Busy { .. }
            | TurnError::NotOwner { .. }
            | TurnError::NoLeader { .. }
            | TurnError::OutcomeUnknown
            | TurnError::Inference { .. }
            | TurnError::StorageFull { .. }
            | TurnError::Unavailable { .. } => true,
            TurnError::KeyReused { .. } | TurnError::TooLarge { .. } | TurnError::BadMessage { .. } => false,
        }
    }
}

impl From<Refused> for TurnError {
    fn from(r: Refused) -> Self {
        TurnError::Overloaded { what: r.what.into(), limit: r.limit }
    }
}

impl From<JournalError> for TurnError {
    fn from(e: JournalError) -> Self {
        match e {
            JournalError::NotLeader { leader, .. } => TurnError::NotOwner { leader },
            JournalError::OutcomeUnknown { .. } => TurnError::OutcomeUnknown,
            JournalError::Overloaded { limit } => TurnError::Overloaded { what: "proposals".into(), limit },
            JournalError::TooLarge { bytes, limit } => TurnError::TooLarge { bytes, limit },
            JournalError::StorageFull { detail } => TurnError::StorageFull { detail },
            JournalError::Store { detail } => TurnError::Unavailable { detail },
            JournalError::ShuttingDown => TurnError::Unavailable { detail: "it is shutting down".into() },
        }
    }
}

impl From<InferError> for TurnError {
    fn from(e: InferError) -> Self {
        match e {
            InferError::Full { what, limit, .. } => TurnError::Overloaded { what: what.into(), limit },
            InferError::Busy { estimate, limit } => {
                let ms = |d: Duration| d.as_millis() as u64;
                TurnError::Busy { estimate_ms: ms(estimate), limit_ms: ms(limit) }
            }
            other => TurnError::Inference { detail: other.to_string() },
        }
    }
}
