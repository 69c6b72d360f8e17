//! A journal in memory with the state machine's rules, and a tiny assistant: what the tests of this crate stand on.

use crate::{Brain, GpuHandle, Peers, Router, Sessions, TurnError, TurnReply, TurnRequest};
use cluster_config::{InferenceOptions, SessionOptions};
use dialogue::engine::Engine;
use dialogue::format::{Assistant, SourceFile};
use dialogue::ports::*;
use dialogue::*;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What goes wrong with the next commits, one entry each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// Nothing.
    None,
    /// It is applied, and the answer is lost.
    AnswerLost,
    /// Another writer's turn goes in first.
    Overtaken,
    /// It is refused.
    Refused,
}

/// The truth that all nodes share.
#[derive(Default)]
pub struct Truth {
    pub sessions: Mutex<BTreeMap<String, Vec<TurnRecord>>>,
    pub wakes: Mutex<BTreeMap<SessionId, TimestampMs>>,
    pub mishaps: Mutex<VecDeque<Mishap>>,
    pub loads: Mutex<usize>,
}

impl Truth {
    pub fn texts(&self, session: &str) -> Vec<String> {
        self.sessions.lock().get(session).into_iter().flatten().map(|t| t.text.clone()).collect()
    }

    /// When a session wants to be woken.
    pub fn wake_of(&self, session: &str) -> Option<u64> {
        self.wakes.lock().get(&SessionId::new(session).unwrap()).map(|at| at.0)
    }

    fn wake(&self, session: SessionId, wake_at: Option<TimestampMs>) {
        match wake_at {
            Some(at) => drop(self.wakes.lock().insert(session, at)),
            None => drop(self.wakes.lock().remove(&session)),
        }
    }

    fn apply(&self, command: CommitTurn, wake_at: Option<TimestampMs>) -> CommitOutcome {
        let mut sessions = self.sessions.lock();
        let turns = sessions.entry(command.session.to_string()).or_default();
        if let Some(known) = turns.iter().find(|t| t.key == command.turn.key) {
            return CommitOutcome::Replayed(Box::new(known.clone()));
        }
        let actual_seq = turns.len() as u64;
        if actual_seq != command.expected_seq {
            return CommitOutcome::Fenced { actual_seq };
        }
        turns.push(command.turn);
        self.wake(command.session, wake_at);
        CommitOutcome::Committed { seq: actual_seq + 1 }
    }
}

/// One node's view of the truth.
pub struct MemoryJournal {
    pub truth: Arc<Truth>,
    pub owner: watch::Sender<Owner>,
    /// Commits wait until it is true.
    pub gate: watch::Sender<bool>,
    /// Do all nodes read what came with timers?
    pub keeps_timers: AtomicBool,
}

impl MemoryJournal {
    pub fn new(truth: Arc<Truth>, owner: Owner) -> Arc<Self> {
        Arc::new(Self {
            truth,
            owner: watch::channel(owner).0,
            gate: watch::channel(true).0,
            keeps_timers: AtomicBool::new(true),
        })
    }

    fn check_leader(&self) -> Result<(), JournalError> {
        match *self.owner.borrow() {
            Owner::Local => Ok(()),
            Owner::Remote(leader) => Err(JournalError::NotLeader { shard: ShardId(0), leader: Some(leader) }),
            Owner::Unknown => Err(JournalError::NotLeader { shard: ShardId(0), leader: None }),
        }
    }
}

impl Journal for MemoryJournal {
    fn shard_of(&self, _session: &SessionId) -> ShardId {
        ShardId(0)
    }
    fn owner(&self, _shard: ShardId) -> Owner {
        *self.owner.borrow()
    }
    fn owner_changed(&self, _shard: ShardId, from: Owner) -> BoxFuture<'_, Owner> {
        let mut news = self.owner.subscribe();
        Box::pin(async move { news.wait_for(|o| *o != from).await.map_or(from, |o| *o) })
    }
    fn load(&self, session: SessionId) -> BoxFuture<'_, Result<SessionSnapshot, JournalError>> {
        Box::pin(async move {
            self.check_leader()?;
            *self.truth.loads.lock() += 1;
            let turns = self.truth.sessions.lock().get(session.as_str()).cloned().unwrap_or_default();
            Ok(SessionSnapshot { seq: turns.len() as u64, turns })
        })
    }
    fn recorded(
        &self,
        session: SessionId,
        key: IdempotencyKey,
    ) -> BoxFuture<'_, Result<Option<TurnRecord>, JournalError>> {
        Box::pin(async move {
            let sessions = self.truth.sessions.lock();
            Ok(sessions.get(session.as_str()).and_then(|turns| turns.iter().find(|t| t.key == key)).cloned())
        })
    }
    fn turns(
        &self,
        _session: SessionId,
        _after_seq: u64,
        _limit: usize,
        _consistency: Consistency,
    ) -> BoxFuture<'_, Result<Vec<TurnRecord>, JournalError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn commit_and_wake(
        &self,
        command: CommitTurn,
        wake_at: Option<TimestampMs>,
    ) -> BoxFuture<'_, Result<CommitOutcome, JournalError>> {
        let keeps = self.keeps_timers();
        assert!(
            keeps || !command.turn.events.iter().any(Event::is_later),
            "no old node reads {:?}",
            command.turn.events
        );
        Box::pin(async move {
            self.check_leader()?;
            let mut gate = self.gate.subscribe();
            gate.wait_for(|open| *open).await.map_err(|_| JournalError::ShuttingDown)?;
            let mishap = self.truth.mishaps.lock().pop_front().unwrap_or(Mishap::None);
            if mishap == Mishap::Refused {
                return Err(JournalError::Overloaded { limit: 0 });
            }
            if mishap == Mishap::Overtaken {
                let mut other = command.clone();
                other.turn.key = IdempotencyKey::new("the-other-writer").unwrap();
                other.turn.text = "overtaking".into();
                self.truth.apply(other, wake_at);
            }
            let outcome = self.truth.apply(command, wake_at.filter(|_| keeps));
            match mishap {
                Mishap::AnswerLost => Err(JournalError::OutcomeUnknown { waited_ms: 1 }),
                _ => Ok(outcome),
            }
        })
    }
    fn wake_at(
        &self,
        session: SessionId,
        expected_seq: u64,
        wake_at: Option<TimestampMs>,
    ) -> BoxFuture<'_, Result<CommitOutcome, JournalError>> {
        Box::pin(async move {
            self.check_leader()?;
            let actual_seq = self.truth.sessions.lock().get(session.as_str()).map_or(0, Vec::len) as u64;
            if actual_seq != expected_seq {
                return Ok(CommitOutcome::Fenced { actual_seq });
            }
            self.truth.wake(session, wake_at);
            Ok(CommitOutcome::Committed { seq: actual_seq })
        })
    }
    fn keeps_timers(&self) -> bool {
        self.keeps_timers.load(Relaxed)
    }
}

impl Wakes for MemoryJournal {
    fn led(&self) -> Vec<ShardId> {
        if self.owner(ShardId(0)) == Owner::Local { vec![ShardId(0), ShardId(1)] } else { Vec::new() }
    }
    /// To its timers the one shard looks like two.
    fn due(&self, shard: ShardId, at: TimestampMs, limit: usize) -> Vec<(TimestampMs, SessionId)> {
        let mut due: Vec<_> = self.truth.wakes.lock().iter().map(|(session, at)| (*at, session.clone())).collect();
        due.sort();
        let of_shard = |session: &SessionId| session.as_str().bytes().map(u32::from).sum::<u32>() % 2 == shard.0;
        due.into_iter().filter(|(wake_at, session)| *wake_at <= at && of_shard(session)).take(limit).collect()
    }
    fn pending(&self) -> usize {
        self.truth.wakes.lock().len()
    }
}

/// Understands two words.
pub struct TwoWords;

impl Scorer for TwoWords {
    fn encode(&self, text: &str) -> Result<EncodedUtterance, ScoreError> {
        Ok(EncodedUtterance { text: text.into(), token_ids: vec![0; 3], offsets: vec![(0, 0); 3] })
    }
    fn score(&self, batch: &[EncodedUtterance]) -> Result<Vec<Understanding>, ScoreError> {
        Ok(batch
            .iter()
            .map(|u| {
                let name = if u.text.starts_with("bye") { "goodbye" } else { "greet" };
                let intent = ScoredIntent { name: name.into(), confidence: 1.0 };
                Understanding {
                    text: u.text.clone(),
                    ranking: vec![intent.clone()],
                    intent,
                    ..Understanding::default()
                }
            })
            .collect())
    }
    fn batch_tokens_max(&self) -> usize {
        1024
    }
    fn describe(&self) -> String {
        "two words".into()
    }
}

const DOMAIN: &str = r#"
version: "3.1"
intents: [greet, goodbye, remind, EXTERNAL_tea]
actions: [action_remind]
session_config: {session_expiration_time: 60, carry_over_slots_to_new_session: true}
responses:
  utter_greet: [{text: "Hello!"}]
  utter_tea: [{text: "Your tea!"}]
  utter_goodbye: [{text: "Goodbye!"}]
"#;
const RULES: &str = r#"
version: "3.1"
rules:
  - rule: greet
    steps: [{intent: greet}, {action: utter_greet}]
  - rule: goodbye
    steps: [{intent: goodbye}, {action: utter_goodbye}]
  - rule: remind
    steps: [{intent: remind}, {action: action_remind}]
  - rule: tea
    steps: [{intent: EXTERNAL_tea}, {action: utter_tea}]
"#;
const NLU: &str = r#"
version: "3.1"
nlu:
  - intent: greet
    examples: "- hi\n- hello\n"
  - intent: goodbye
    examples: "- bye\n- goodbye\n"
"#;

/// The assistant's one action: a reminder of its tea, when it is told to be.
#[derive(Default)]
pub struct TeaTimes(pub Mutex<TimestampMs>);

impl ActionRunner for TeaTimes {
    fn run(&self, _call: ActionCall, _within: Duration) -> BoxFuture<'_, Result<ActionResult, ActionError>> {
        let (name, intent, at) = ("tea".into(), "EXTERNAL_tea".into(), *self.0.lock());
        let events = vec![Event::ReminderScheduled { name, intent, entities: vec![], at, kill_on_user_message: false }];
        Box::pin(async move { Ok(ActionResult { events, replies: Vec::new() }) })
    }
}

/// A clock that stands still until it is set.
pub struct TestClock(pub AtomicU64);

/// What it shows at first.
pub const NOW: u64 = 1_700_000_000_000;

impl Default for TestClock {
    fn default() -> Self {
        Self(NOW.into())
    }
}

impl Clock for TestClock {
    fn now(&self) -> TimestampMs {
        TimestampMs(self.0.load(Relaxed))
    }
}

/// The other nodes, by id.
#[derive(Default)]
pub struct MemoryPeers {
    pub routers: Mutex<BTreeMap<u64, Router>>,
}

impl Peers for MemoryPeers {
    fn forward(&self, to: NodeId, request: TurnRequest) -> BoxFuture<'_, Result<TurnReply, TurnError>> {
        Box::pin(async move {
            let router = self.routers.lock().get(&to.0).cloned();
            match router {
                Some(router) => router.forwarded(request).await,
                None => Err(TurnError::OutcomeUnknown),
            }
        })
    }
}

/// A node with everything but sockets and disks.
pub struct TestNode {
    pub journal: Arc<MemoryJournal>,
    pub sessions: Sessions,
    pub router: Router,
    pub clock: Arc<TestClock>,
    pub tea: Arc<TeaTimes>,
}

impl TestNode {
    pub async fn start(
        id: u64,
        truth: Arc<Truth>,
        owner: Owner,
        peers: Arc<MemoryPeers>,
        options: SessionOptions,
    ) -> Self {
        let files = [("domain.yml", DOMAIN), ("data/rules.yml", RULES), ("data/nlu.yml", NLU)]
            .map(|(path, text)| SourceFile { path: path.into(), text: text.into() });
        let assistant = Assistant::load(&files).unwrap_or_else(|e| panic!("{e:?}")).assistant;
        let engine = Arc::new(Engine::new(assistant).unwrap_or_else(|e| panic!("{e:?}")));
        let nlu = GpuHandle::start(&InferenceOptions::default()).await.unwrap().model(Arc::new(TwoWords));
        let journal = MemoryJournal::new(truth, owner);
        let me = (NodeId(id), Zone::new(format!("zone-{id}")).unwrap());
        let brain = Brain { engine, nlu, release: None };
        let (clock, tea) = (Arc::<TestClock>::default(), Arc::<TeaTimes>::default());
        let sessions = Sessions::start(journal.clone(), tea.clone(), clock.clone(), brain, me, options).await.unwrap();
        let router = Router::new(journal.clone(), sessions.clone(), peers.clone(), 64);
        peers.routers.lock().insert(id, router.clone());
        Self { journal, sessions, router, clock, tea }
    }

    pub async fn alone(truth: Arc<Truth>, options: SessionOptions) -> Self {
        Self::start(1, truth, Owner::Local, Arc::default(), options).await
    }
}

pub fn request(session: &str, key: &str, text: &str) -> TurnRequest {
    TurnRequest {
        session: SessionId::new(session).unwrap(),
        key: IdempotencyKey::new(key).unwrap(),
        text: text.into(),
        message_id: None,
        input_channel: None,
        metadata: Value::Null,
        deadline: Instant::now() + Duration::from_secs(20),
    }
}

pub fn said(reply: &TurnReply) -> Vec<&str> {
    reply.turn.replies.iter().filter_map(|r| r.text.as_deref()).collect()
}
