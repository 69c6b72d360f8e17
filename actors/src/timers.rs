//! Timers: on each node, for the shards that it leads, they wake the sessions for which something is due.
//!
//! Nothing of what they know must be kept: what is due stands in the journal, and a new leader's timers find it there. They look again
//! and again instead of being told, so that no change of leaders, clocks or sessions can be missed.

use crate::session_wake::Woken;
use crate::sessions::Sessions;
use crate::turn::TurnError;
use cluster_config::planted_bug;
use dialogue::ports::{Clock, Wakes};
use dialogue::{SessionId, TimestampMs};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked for what is due: nothing is later than this for want of a look. A look is at memory only.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Sessions that are woken at the same time; others that are due wait. After an outage it keeps what is overdue from crowding out
/// what is said meanwhile.
const WAKING_MAX: usize = 32;
/// Sessions that rest after a failure at the same time; when there are as many, no others are woken until one of them is due again.
const RESTING_MAX: usize = 1_024;
/// How long a session rests after a failure; twice as long after each further one…
const REST_MIN: Duration = Duration::from_millis(200);
/// …up to this.
const REST_MAX: Duration = Duration::from_secs(30);

/// The timers of a node. They end with [`stop`](Timers::stop).
pub struct Timers(ActorRef<Message>);

impl Timers {
    /// Starts them. `patience` is how long a turn may take that nobody waits for.
    pub async fn start(
        wakes: Arc<dyn Wakes>,
        sessions: Sessions,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Result<Self, ractor::SpawnErr> {
        let world = World { wakes, sessions, clock, patience };
        let (actor, _join) = Actor::spawn(None, TimerActor, world).await?;
        Ok(Self(actor))
    }

    /// Wakes nobody any more. What is under way is left to the sessions.
    pub fn stop(&self) {
        self.0.stop(None);
    }
}

struct TimerActor;

enum Message {
    Look,
    /// What came of waking a session.
    Woke(SessionId, Result<Woken, TurnError>),
}

struct World {
    wakes: Arc<dyn Wakes>,
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    patience: Duration,
}

struct State {
    world: World,
    waking: BTreeSet<SessionId>,
    resting: BTreeMap<SessionId, Rest>,
    /// Which of the shards comes first in the next look: each in turn.
    first: usize,
}

/// After a failure.
struct Rest {
    until: Instant,
    pause: Duration,
}

impl Actor for TimerActor {
    type Msg = Message;
    type State = State;
    type Arguments = World;

    async fn pre_start(&self, myself: ActorRef<Message>, world: World) -> Result<State, ActorProcessingErr> {
        myself.send_interval(LOOK_EVERY, || Message::Look);
        Ok(State { world, waking: BTreeSet::new(), resting: BTreeMap::new(), first: 0 })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if let Message::Woke(session, result) = message {
            state.waking.remove(&session);
            state.learn(session, result);
        }
        state.look(&myself);
        Ok(())
    }
}

impl State {
    fn look(&mut self, myself: &ActorRef<Message>) {
        let now = self.world.clock.now();
        let mut led = self.world.wakes.led();
        if led.is_empty() {
            self.resting.clear();
            return;
        }
        // Whoever has rested for long enough and was not woken again is not due any more.
        let now_here = Instant::now();
        self.resting.retain(|_, rest| now_here < rest.until + REST_MAX);
        let first = self.first % led.len();
        led.rotate_left(first);
        self.first = first + 1;
        if planted_bug("double-reminder") {
            let unheard: Vec<SessionId> =
                self.resting.keys().filter(|session| self.may_wake(session)).cloned().collect();
            unheard.into_iter().for_each(|session| self.wake(session, myself));
        }
        for shard in led {
            // So many that one is among them which neither is being woken nor rests, if there is one.
            let limit = WAKING_MAX + self.resting.len();
            for (_, session) in self.world.wakes.due(shard, now, limit) {
                if self.waking.len() >= WAKING_MAX {
                    return;
                }
                let has_a_place = self.resting.len() < RESTING_MAX || self.resting.contains_key(&session);
                if has_a_place && self.may_wake(&session) {
                    self.wake(session, myself);
                }
            }
        }
    }

    /// Is it not being woken, and has it rested?
    fn may_wake(&self, session: &SessionId) -> bool {
        let rested = self.resting.get(session).is_none_or(|rest| rest.until <= Instant::now());
        rested && !self.waking.contains(session)
    }

    fn wake(&mut self, session: SessionId, myself: &ActorRef<Message>) {
        self.waking.insert(session.clone());
        let (sessions, myself) = (self.world.sessions.clone(), myself.clone());
        // The planted bug is impatient, so that it is not told of what it did.
        let hurry = if planted_bug("double-reminder") { 16 } else { 1 };
        let deadline = Instant::now() + self.world.patience / hurry;
        tokio::spawn(async move {
            let result = sessions.wake(session.clone(), deadline).await;
            // Timers that have stopped need not hear of it.
            let _ = myself.send_message(Message::Woke(session, result));
        });
    }

    fn learn(&mut self, session: SessionId, result: Result<Woken, TurnError>) {
        match result {
            Ok(woken) => {
                self.resting.remove(&session);
                self.count(woken);
            }
            // Whoever leads the shard now has timers of its own; this node knows it in a moment.
            Err(TurnError::NotOwner { .. }) => {
                self.resting.insert(session, Rest { until: Instant::now() + REST_MIN, pause: REST_MIN });
            }
            Err(error) => {
                let pause = self.resting.get(&session).map_or(REST_MIN, |rest| (rest.pause * 2).min(REST_MAX));
                tracing::warn!(%session, %error, ?pause, "what is due in a session was not done; it will be tried again");
                metrics::counter!("tertulia_timers_failed_total").increment(1);
                self.resting.insert(session, Rest { until: Instant::now() + pause, pause });
            }
        }
    }

    fn count(&self, woken: Woken) {
        let (kind, due) = match woken {
            Woken::Reminder(due) => ("reminder", due),
            Woken::Expired(due) => ("expiry", due),
            Woken::Dropped | Woken::Nothing => return,
        };
        metrics::counter!("tertulia_timers_fired_total", "kind" => kind).increment(1);
        metrics::histogram!("tertulia_timers_late_seconds", "kind" => kind).record(late_s(due, self.world.clock.now()));
    }
}

/// How late it is, in seconds.
fn late_s(due: TimestampMs, now: TimestampMs) -> f64 {
    now.0.saturating_sub(due.0) as f64 / 1_000.0
}

#[cfg(test)]
mod tests;
