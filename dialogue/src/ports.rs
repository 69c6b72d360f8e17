//! The traits in which `raft`, `actors`, `shaders` and `node` meet without knowing one another.
//!
//! Futures are boxed `std` futures: this crate names them and never awaits one.

use crate::{
    CommitOutcome, CommitTurn, EncodedUtterance, Event, IdempotencyKey, NodeId, Reply, SessionId, SessionSnapshot,
    ShardId, TimestampMs, TurnRecord, Understanding,
};
use std::{future::Future, pin::Pin, time::Duration};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who takes the turns of a shard at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This node leads it.
    Local,
    /// That node does.
    Remote(NodeId),
    /// Nobody is known to: an election is under way or this node is cut off.
    Unknown,
}

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// Sees everything that was acknowledged before it began. Only the shard's leader answers.
    Linearizable,
    /// What this replica has applied.
    Local,
}

/// Why the journal did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Go there, if it is known where.
    #[error("not the leader of {shard}; the leader is {leader:?}")]
    NotLeader {
        /// The shard.
        shard: ShardId,
        /// Its leader, where known.
        leader: Option<NodeId>,
    },
    /// The proposal may or may not commit: ask again under the same key.
    #[error("the outcome is unknown after {waited_ms} ms")]
    OutcomeUnknown {
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// Too many proposals in flight.
    #[error("more than {limit} proposals are in flight")]
    Overloaded {
        /// The limit.
        limit: usize,
    },
    /// The record is larger than the log takes.
    #[error("the turn is {bytes} bytes long, the log takes {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The disk is full: writes are refused until there is room.
    #[error("the data folder is full: {detail}")]
    StorageFull {
        /// What was found.
        detail: String,
    },
    /// The store failed: this node stops serving.
    #[error("the store failed: {detail}")]
    Store {
        /// What happened.
        detail: String,
    },
    /// The node is stopping.
    #[error("the node is shutting down")]
    ShuttingDown,
}

impl JournalError {
    /// May the same request, under the same key, succeed a little later or elsewhere?
    pub fn is_retryable(&self) -> bool {
        !matches!(self, JournalError::TooLarge { .. })
    }
}

/// The replicated truth about sessions.
pub trait Journal: Send + Sync + 'static {
    /// The shard that holds a session.
    fn shard_of(&self, session: &SessionId) -> ShardId;
    /// Who leads a shard, as far as this node knows.
    fn owner(&self, shard: ShardId) -> Owner;
    /// Resolves when the shard's owner differs from `from` (at once, if it already does).
    fn owner_changed(&self, shard: ShardId, from: Owner) -> BoxFuture<'_, Owner>;
    /// Loads a session. Linearizable, so it fails with `NotLeader` elsewhere than on the leader.
    fn load(&self, session: SessionId) -> BoxFuture<'_, Result<SessionSnapshot, JournalError>>;
    /// The turn recorded under a key, if this replica has applied one.
    fn recorded(
        &self,
        session: SessionId,
        key: IdempotencyKey,
    ) -> BoxFuture<'_, Result<Option<TurnRecord>, JournalError>>;
    /// Up to `limit` turns after `after_seq`, oldest first.
    fn turns(
        &self,
        session: SessionId,
        after_seq: u64,
        limit: usize,
        consistency: Consistency,
    ) -> BoxFuture<'_, Result<Vec<TurnRecord>, JournalError>>;
    /// Commits a turn on a majority of zones, each synced to disk, applies it here and answers what came of it. From then on
    /// the session wants to be woken at that time, or not at all: what was said before of it no longer counts.
    fn commit_and_wake(
        &self,
        command: CommitTurn,
        wake_at: Option<TimestampMs>,
    ) -> BoxFuture<'_, Result<CommitOutcome, JournalError>>;
    /// As [`commit_and_wake`](Self::commit_and_wake), for a session that waits for nothing.
    fn commit(&self, command: CommitTurn) -> BoxFuture<'_, Result<CommitOutcome, JournalError>> {
        self.commit_and_wake(command, None)
    }
    /// Says anew when a session of `expected_seq` turns wants to be woken. Appends no turn; fenced as one.
    fn wake_at(
        &self,
        session: SessionId,
        expected_seq: u64,
        wake_at: Option<TimestampMs>,
    ) -> BoxFuture<'_, Result<CommitOutcome, JournalError>>;
    /// Do all nodes read what came with timers? Until then no time to be woken at is kept, and an event that
    /// [is later](Event::is_later) must not be committed.
    fn keeps_timers(&self) -> bool;
}

/// The sessions that want to be woken, as this node has applied them. Everything here is in memory and answers at once.
pub trait Wakes: Send + Sync + 'static {
    /// The shards that this node leads, as far as it knows.
    fn led(&self) -> Vec<ShardId>;
    /// The sessions of a shard that want to be woken at this time or before, the earliest first, and when; at most so many.
    fn due(&self, shard: ShardId, at: TimestampMs, limit: usize) -> Vec<(TimestampMs, SessionId)>;
    /// How many sessions want to be woken at any time, in the shards that this node leads.
    fn pending(&self) -> usize;
}

/// Why a batch was not scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// The text cannot be tokenized.
    #[error("cannot tokenize the text: {0}")]
    Tokenize(String),
    /// The batch does not fit the memory budget.
    #[error("the batch needs {asked_bytes} bytes, {free_bytes} of {limit_bytes} are free")]
    OverBudget {
        /// Needed.
        asked_bytes: u64,
        /// Free.
        free_bytes: u64,
        /// The budget.
        limit_bytes: u64,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
}

/// A model that understands text. Called from the GPU actor's device thread.
pub trait Scorer: Send + Sync + 'static {
    /// Tokenizes one text; cheap, on any thread. Truncates to the model's window.
    fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError>;
    /// Scores a batch: one understanding for each utterance, in order. Blocks for the length of the pass.
    fn score(&self, batch: &[EncodedUtterance]) -> Result<Vec<Understanding>, ScoreError>;
    /// Most tokens that one batch may hold.
    fn batch_tokens_max(&self) -> usize;
    /// Would a batch run at once, without its model being brought to the device first?
    fn is_loaded(&self) -> bool {
        true
    }
    /// For people: the model, the device and the path it runs on.
    fn describe(&self) -> String;
}

/// A call of a custom action.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionCall {
    /// The same for every attempt at this action of this turn.
    pub key: String,
    /// The action's name.
    pub action: String,
    /// The session.
    pub session: SessionId,
    /// The tracker as the action server's protocol has it (`tracker` of Rasa's webhook), without the domain.
    pub tracker: serde_json::Value,
}

/// What a custom action did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ActionResult {
    /// Its events.
    pub events: Vec<Event>,
    /// Its messages; `response` names a template that the engine renders.
    pub replies: Vec<Reply>,
}

/// Why a custom action did nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// It refused to run (HTTP 400 in the protocol).
    #[error("action {action} rejected its execution: {reason}")]
    Rejected {
        /// Its name.
        action: String,
        /// Its words.
        reason: String,
    },
    /// It could not be reached, timed out or answered nonsense.
    #[error("action {action} failed: {reason}")]
    Failed {
        /// Its name.
        action: String,
        /// What happened.
        reason: String,
    },
}

/// Runs custom actions.
pub trait ActionRunner: Send + Sync + 'static {
    /// Runs one. Nobody waits for its result longer than `within`.
    fn run(&self, call: ActionCall, within: Duration) -> BoxFuture<'_, Result<ActionResult, ActionError>>;
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> TimestampMs;
}
