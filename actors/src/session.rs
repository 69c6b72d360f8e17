//! One actor per conversation: it takes the session's turns one after the other.
//!
//! Its tracker and its sequence number are a cache. Whenever the journal says something else (a fenced commit, an unknown
//! outcome) the cache is dropped and loaded again; the fence in the log keeps a deposed leader from writing.

use crate::admission::Permit;
use crate::session_wake::Woken;
use crate::sessions::Brain;
use crate::turn::{TurnError, TurnReply, TurnRequest};
use cluster_config::planted_bug;
use dialogue::engine::{Step, TurnInput, TurnOutcome, TurnTime};
use dialogue::ports::{ActionError, ActionResult, ActionRunner, Clock, Journal};
use dialogue::tracker::{Reminder, Tracker};
use dialogue::{
    CommitOutcome, CommitTurn, Event, SessionId, ShardId, TimestampMs, TurnRecord, Understanding, ids::hash64, limits,
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How often a turn is worked out anew because another writer was there first.
pub(crate) const FENCED_RETRIES_MAX: usize = 3;

/// What all session actors of a node share.
pub(crate) struct SessionWorld {
    pub journal: Arc<dyn Journal>,
    pub actions: Arc<dyn ActionRunner>,
    pub clock: Arc<dyn Clock>,
    pub brain: Brain,
    pub node: dialogue::NodeId,
    pub zone: dialogue::Zone,
}

pub(crate) enum SessionMessage {
    Turn {
        request: Box<TurnRequest>,
        reply: oneshot::Sender<Result<TurnReply, TurnError>>,
        /// The place in the session's queue, given back when the turn is answered.
        _place: Permit,
    },
    /// Does what is due, if anything is.
    Wake { deadline: Instant, reply: oneshot::Sender<Result<Woken, TurnError>>, _place: Permit },
}

pub(crate) struct SessionActor;

pub(crate) struct SessionState {
    pub(crate) world: Arc<SessionWorld>,
    pub(crate) session: SessionId,
    shard: ShardId,
    pub(crate) memory: Option<Memory>,
    /// What a timer tried last and nobody heard of: only for a planted bug.
    pub(crate) unheard: Option<Reminder>,
}

/// What the actor remembers between turns.
pub(crate) struct Memory {
    pub(crate) seq: u64,
    pub(crate) tracker: Tracker,
    context_events: usize,
    pub(crate) last_at: Option<TimestampMs>,
}

/// A turn that is not committed yet.
pub(crate) struct WorkedOut {
    pub(crate) turn: TurnRecord,
    /// When the session wants to be woken after it.
    pub(crate) wake_at: Option<TimestampMs>,
}

impl Actor for SessionActor {
    type Msg = SessionMessage;
    type State = SessionState;
    type Arguments = (Arc<SessionWorld>, SessionId);

    async fn pre_start(
        &self,
        _myself: ActorRef<SessionMessage>,
        (world, session): Self::Arguments,
    ) -> Result<SessionState, ActorProcessingErr> {
        let shard = world.journal.shard_of(&session);
        Ok(SessionState { world, session, shard, memory: None, unheard: None })
    }

    async fn handle(
        &self,
        _myself: ActorRef<SessionMessage>,
        message: SessionMessage,
        state: &mut SessionState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            // Nobody waits: whatever the client does next, it asks under its key again.
            SessionMessage::Turn { reply, .. } if reply.is_closed() => {}
            SessionMessage::Wake { reply, .. } if reply.is_closed() => {}
            SessionMessage::Turn { request, reply, _place } => {
                let answer = state.turn(&request).await;
                let _ = reply.send(answer);
            }
            SessionMessage::Wake { deadline, reply, _place } => {
                let answer = state.wake(deadline).await;
                if reply.send(answer).is_ok() {
                    state.unheard = None;
                }
            }
        }
        Ok(())
    }
}

impl SessionState {
    async fn turn(&mut self, request: &TurnRequest) -> Result<TurnReply, TurnError> {
        if request.time_left().is_zero() {
            return Err(TurnError::Overloaded { what: "turns of this session".into(), limit: 1 });
        }
        for _ in 0..FENCED_RETRIES_MAX {
            let memory = self.remember().await?;
            let seq = memory.seq;
            if let Some(reply) = self.recorded(request).await? {
                return Ok(reply);
            }
            let understanding = self.understand(request).await?;
            let worked_out = self.work_out(request, understanding).await;
            match self.commit(seq, worked_out).await? {
                Some(reply) => return self.check_key(request, reply),
                None => self.memory = None,
            }
        }
        Err(TurnError::OutcomeUnknown)
    }

    /// Loads the session unless it is in memory.
    pub(crate) async fn remember(&mut self) -> Result<&Memory, TurnError> {
        if self.memory.is_none() {
            let snapshot = self.world.journal.load(self.session.clone()).await?;
            metrics::counter!("tertulia_session_activations_total").increment(1);
            let assistant = self.world.brain.engine.assistant();
            let mut memory =
                Memory { seq: snapshot.seq, tracker: Tracker::new(assistant), context_events: 0, last_at: None };
            snapshot.turns.iter().for_each(|turn| memory.learn(turn));
            self.memory = Some(memory);
        }
        Ok(self.memory.as_ref().expect("it was loaded just now"))
    }

    /// The answer that stands under the request's key, if there is one.
    async fn recorded(&self, request: &TurnRequest) -> Result<Option<TurnReply>, TurnError> {
        if planted_bug("ignore-key") {
            return Ok(None);
        }
        let found = self.world.journal.recorded(self.session.clone(), request.key.clone()).await?;
        found.map(|turn| self.check_key(request, self.reply(turn, true))).transpose()
    }

    async fn understand(&self, request: &TurnRequest) -> Result<Understanding, TurnError> {
        let engine = &self.world.brain.engine;
        match engine.shortcut(&request.text) {
            Some(Ok(understanding)) => Ok(understanding),
            Some(Err(detail)) => Err(TurnError::BadMessage { detail }),
            None => {
                let raw = self.world.brain.nlu.understand(&request.text, request.deadline).await?;
                Ok(engine.understand(raw, self.world.clock.now()))
            }
        }
    }

    /// Works the turn of a message out.
    async fn work_out(&self, request: &TurnRequest, understanding: Understanding) -> WorkedOut {
        let memory = self.memory.as_ref().expect("remember() ran before");
        let time = self.time_of_turn(memory);
        let input = TurnInput {
            session: self.session.clone(),
            key: request.key.clone(),
            text: request.text.clone(),
            message_id: request.message_id.clone(),
            input_channel: request.input_channel.clone(),
            metadata: request.metadata.clone(),
            understanding,
            at: time.at,
            last_at: time.last_at,
            seed: time.seed,
        };
        let mut worked_out = self.run(memory, input, request.deadline).await;
        // The planted bug also keeps the log from knowing the key again.
        if planted_bug("ignore-key") {
            worked_out.turn.key = fresh_key(&request.key, worked_out.turn.seq);
        }
        worked_out
    }

    pub(crate) fn time_of_turn(&self, memory: &Memory) -> TurnTime {
        // A context that grew past its bound begins anew, as after a long silence: slots are carried over.
        let overlong = memory.context_events > limits::EVENTS_PER_ACTIVATION_MAX;
        TurnTime {
            at: self.world.clock.now(),
            last_at: memory.last_at.map(|at| if overlong { TimestampMs(0) } else { at }),
            seed: hash64(self.session.as_str().as_bytes()) ^ (memory.seq + 1),
        }
    }

    /// Runs the policies until the turn ends. Writes nothing.
    pub(crate) async fn run(&self, memory: &Memory, input: TurnInput, deadline: Instant) -> WorkedOut {
        let seq = memory.seq + 1;
        let (key, at) = (input.key.clone(), input.at);
        let mut run = self.world.brain.engine.begin(&memory.tracker, input);
        let TurnOutcome { text, mut events, replies, intent, entities, wake_at, failure } = loop {
            match run.step() {
                Step::Act(call) => {
                    let action = call.action.clone();
                    let within = deadline.saturating_duration_since(Instant::now());
                    let result = self.world.actions.run(call, within).await;
                    run.acted(result.and_then(|result| self.may_be_written(action, result)));
                }
                Step::Done(outcome) => break outcome,
            }
        };
        if let Some(failure) = failure {
            tracing::warn!(session = %self.session, seq, failure, "a turn was cut short");
            metrics::counter!("tertulia_turns_cut_short_total").increment(1);
        }
        if !self.world.journal.keeps_timers() {
            // Beside reminders, which are refused, these tell what else was understood: nothing that a later turn depends on.
            events.retain(|event| !event.is_later());
        }
        let release = self.world.brain.release.clone();
        // The text is not the request's: personal data may be masked.
        let turn = TurnRecord { seq, key, at, release, text, intent, entities, events, replies };
        WorkedOut { turn, wake_at }
    }

    /// Refuses reminders while there is a node that does not read them: they would be lost.
    fn may_be_written(&self, action: String, result: ActionResult) -> Result<ActionResult, ActionError> {
        let reminder = |event: &Event| matches!(event, Event::ReminderScheduled { .. });
        if !result.events.iter().any(reminder) || self.world.journal.keeps_timers() {
            return Ok(result);
        }
        let reason = "`reminder`: not every node of the cluster keeps timers yet; upgrade all of them first".into();
        Err(ActionError::Failed { action, reason })
    }

    /// Commits; `None` when another writer was there first. Nothing is answered before the journal has said yes.
    pub(crate) async fn commit(
        &mut self,
        expected_seq: u64,
        WorkedOut { turn, wake_at }: WorkedOut,
    ) -> Result<Option<TurnReply>, TurnError> {
        let command = CommitTurn { session: self.session.clone(), expected_seq, turn };
        let turn = command.turn.clone();
        if planted_bug("reply-before-commit") {
            let journal = self.world.journal.clone();
            tokio::spawn(async move { journal.commit_and_wake(command, wake_at).await });
            self.memory.as_mut().expect("remember() ran before").learn(&turn);
            return Ok(Some(self.reply(turn, false)));
        }
        // Until the journal has answered, nobody knows what the session holds.
        let memory = self.memory.take();
        match self.world.journal.commit_and_wake(command, wake_at).await? {
            CommitOutcome::Committed { seq } => {
                assert_eq!(seq, turn.seq, "the fence and the record agree");
                self.memory = memory;
                self.memory.as_mut().expect("remember() ran before").learn(&turn);
                Ok(Some(self.reply(turn, false)))
            }
            CommitOutcome::Replayed(recorded) => Ok(Some(self.reply(*recorded, true))),
            CommitOutcome::Fenced { actual_seq } => {
                tracing::info!(session = %self.session, expected_seq, actual_seq, "fenced: loading the session again");
                metrics::counter!("tertulia_turns_fenced_total").increment(1);
                Ok(None)
            }
        }
    }

    /// A key names one text: under another one it is a client's mistake, and it must not pass for an answer.
    fn check_key(&self, request: &TurnRequest, reply: TurnReply) -> Result<TurnReply, TurnError> {
        if self.world.brain.engine.is_record_of(&reply.turn.text, &request.text) {
            return Ok(reply);
        }
        Err(TurnError::KeyReused { seq: reply.turn.seq })
    }

    fn reply(&self, turn: TurnRecord, replayed: bool) -> TurnReply {
        let served_by = crate::ServedBy { node: self.world.node, zone: self.world.zone.clone(), shard: self.shard };
        TurnReply { turn, replayed, served_by }
    }
}

impl Memory {
    fn learn(&mut self, turn: &TurnRecord) {
        if turn.begins_context() {
            self.context_events = 0;
        }
        turn.events.iter().for_each(|event| self.tracker.apply(event));
        self.context_events += turn.events.len();
        self.seq = self.seq.max(turn.seq);
        self.last_at = Some(turn.at);
    }
}

/// Another key for every turn, for planted bugs.
pub(crate) fn fresh_key(key: &dialogue::IdempotencyKey, seq: u64) -> dialogue::IdempotencyKey {
    dialogue::IdempotencyKey::new(format!("{seq}.{key}")).unwrap_or_else(|_| key.clone())
}
