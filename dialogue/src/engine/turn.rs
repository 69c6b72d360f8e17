//! `TurnRun`: one turn, step by step.

use super::Engine;
use crate::{
    Entity, Event, IdempotencyKey, Reply, ScoredIntent, SessionId, TimestampMs, Understanding, Value,
    ports::{ActionCall, ActionError, ActionResult},
};

/// Everything that a turn depends on besides the tracker and the assistant.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnInput {
    /// The session.
    pub session: SessionId,
    /// The turn's key; it is part of the keys of the turn's actions.
    pub key: IdempotencyKey,
    /// The user's words.
    pub text: String,
    /// The channel's id of the message.
    pub message_id: Option<String>,
    /// The channel.
    pub input_channel: Option<String>,
    /// Whatever the channel added.
    pub metadata: Value,
    /// What was understood, after [`Engine::understand`] or [`Engine::shortcut`].
    pub understanding: Understanding,
    /// When the turn was taken up.
    pub at: TimestampMs,
    /// When the previous turn of the session was; none for the first.
    pub last_at: Option<TimestampMs>,
    /// Chooses among the variations of a response.
    pub seed: u64,
}

/// What a turn wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Run this custom action and hand its result to [`TurnRun::acted`].
    Act(ActionCall),
    /// The turn is over.
    Done(TurnOutcome),
}

/// What a turn came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TurnOutcome {
    /// Everything that happened, in order.
    pub events: Vec<Event>,
    /// What the user is told, in order.
    pub replies: Vec<Reply>,
    /// The intent that was answered.
    pub intent: ScoredIntent,
    /// The entities found.
    pub entities: Vec<Entity>,
}

/// A turn under way. Call [`TurnRun::step`] until it is done; answer each `Act` with [`TurnRun::acted`].
#[derive(Debug)]
pub struct TurnRun<'e> {
    engine: &'e Engine,
}

impl TurnRun<'_> {
    /// Goes on until a custom action must run or the turn ends. Asked again without an answer, it says the same.
    pub fn step(&mut self) -> Step {
        let _ = self.engine;
        unimplemented!("follows in the next commit")
    }
    /// The result of the action that [`TurnRun::step`] asked for.
    pub fn acted(&mut self, result: Result<ActionResult, ActionError>) {
        let _ = result;
    }
}
