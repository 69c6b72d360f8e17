//! The sessions in memory on this node: activation, a bound on their number, passivation.

use crate::admission::{Admission, Permit};
use crate::gpu::ModelHandle;
use crate::session::{SessionActor, SessionMessage, SessionWorld};
use crate::session_wake::Woken;
use crate::turn::{TurnError, TurnReply, TurnRequest};
use cluster_config::SessionOptions;
use dialogue::engine::Engine;
use dialogue::ports::{ActionRunner, Clock, Journal};
use dialogue::{NodeId, ReleaseId, SessionId, Zone};
use parking_lot::Mutex;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus, SupervisionEvent};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How many sessions are looked at to find one to passivate: the longest idle of a sample, as in sampled LRU.
const EVICTION_SAMPLE: usize = 16;
/// How often idle sessions are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// A release, ready to answer.
#[derive(Clone)]
pub struct Brain {
    /// The compiled assistant.
    pub engine: Arc<Engine>,
    /// Its understanding.
    pub nlu: ModelHandle,
    /// Its name.
    pub release: Option<ReleaseId>,
}

/// The sessions of this node. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    world: Arc<SessionWorld>,
    options: SessionOptions,
    active: Arc<Mutex<HashMap<SessionId, Active>>>,
    supervisor: ActorRef<Sweep>,
}

struct Active {
    actor: ActorRef<SessionMessage>,
    queue: Admission,
    used: Instant,
}

impl Sessions {
    /// Starts the supervisor of the session actors.
    pub async fn start(
        journal: Arc<dyn Journal>,
        actions: Arc<dyn ActionRunner>,
        clock: Arc<dyn Clock>,
        brain: Brain,
        (node, zone): (NodeId, Zone),
        options: SessionOptions,
    ) -> Result<Self, ractor::SpawnErr> {
        let active = Arc::new(Mutex::new(HashMap::new()));
        let idle = Duration::from_millis(options.idle_ms);
        let (supervisor, _join) = Actor::spawn(None, Supervisor, (active.clone(), idle)).await?;
        let world = Arc::new(SessionWorld { journal, actions, clock, brain, node, zone });
        Ok(Self { world, options, active, supervisor })
    }

    /// Takes a turn on this node, as the owner of the session's shard.
    pub async fn turn(&self, request: TurnRequest) -> Result<TurnReply, TurnError> {
        let (session, deadline) = (request.session.clone(), request.deadline);
        let request = Box::new(request);
        self.ask(session, deadline, |reply, _place| SessionMessage::Turn { request, reply, _place }).await
    }

    /// Does what is due in a session, if anything is.
    pub(crate) async fn wake(&self, session: SessionId, deadline: Instant) -> Result<Woken, TurnError> {
        self.ask(session, deadline, |reply, _place| SessionMessage::Wake { deadline, reply, _place }).await
    }

    async fn ask<T>(
        &self,
        session: SessionId,
        deadline: Instant,
        message: impl FnOnce(oneshot::Sender<Result<T, TurnError>>, Permit) -> SessionMessage,
    ) -> Result<T, TurnError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(session, |place| message(reply, place))?;
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            // The actor died on the way, or is still at it: either way the turn may yet be committed.
            Ok(Err(_)) | Err(_) => Err(TurnError::OutcomeUnknown),
        }
    }

    /// Puts a message into its session's queue. Under the lock, so that no session is passivated with one in it.
    fn enqueue(&self, session: SessionId, message: impl FnOnce(Permit) -> SessionMessage) -> Result<(), TurnError> {
        let mut active = self.active.lock();
        // A session whose actor has died is activated again from the journal.
        if active.get(&session).is_some_and(|a| a.actor.get_status() > ActorStatus::Upgrading) {
            active.remove(&session);
        }
        if !active.contains_key(&session) {
            if active.len() >= self.options.active_max {
                passivate_one(&mut active)
                    .ok_or(TurnError::Overloaded { what: "active sessions".into(), limit: self.options.active_max })?;
            }
            active.insert(session.clone(), self.activate(&session)?);
        }
        let entry = active.get_mut(&session).expect("it was inserted above");
        let place = entry.queue.try_admit()?;
        entry.used = Instant::now();
        if entry.actor.send_message(message(place)).is_err() {
            active.remove(&session);
            return Err(TurnError::Unavailable { detail: "the session's actor has just stopped".into() });
        }
        metrics::gauge!("tertulia_sessions_active").set(active.len() as f64);
        Ok(())
    }

    fn activate(&self, session: &SessionId) -> Result<Active, TurnError> {
        let args = (self.world.clone(), session.clone());
        let (actor, _join) =
            ractor::ActorRuntime::spawn_linked_instant(None, SessionActor, args, ActorCell::clone(&self.supervisor))
                .map_err(|e| TurnError::Unavailable { detail: format!("cannot start the session's actor: {e}") })?;
        let queue = Admission::new("turns of this session", self.options.queue_max);
        Ok(Active { actor, queue, used: Instant::now() })
    }

    /// Sessions in memory.
    pub fn active(&self) -> usize {
        self.active.lock().len()
    }

    /// Stops all session actors. Turns in work are cut off: their clients ask again elsewhere, under their keys.
    pub fn stop(&self) {
        self.supervisor.stop(None);
    }

    /// Sessions with something in their queues.
    #[cfg(test)]
    pub(crate) fn busy(&self) -> usize {
        self.active.lock().values().filter(|active| !active.queue.is_idle()).count()
    }

    #[cfg(test)]
    pub(crate) fn kill(&self, session: &SessionId) {
        self.active.lock()[session].actor.kill();
    }
}

/// Takes the longest idle of a sample out of memory; `None` if all of them are at work.
fn passivate_one(active: &mut HashMap<SessionId, Active>) -> Option<()> {
    let idlest = active
        .iter()
        .filter(|(_, a)| a.queue.is_idle())
        .take(EVICTION_SAMPLE)
        .min_by_key(|(_, a)| a.used)
        .map(|(session, _)| session.clone())?;
    passivate(active, &idlest);
    Some(())
}

fn passivate(active: &mut HashMap<SessionId, Active>, session: &SessionId) {
    if let Some(entry) = active.remove(session) {
        entry.actor.stop(None);
        metrics::counter!("tertulia_session_passivations_total").increment(1);
    }
}

/// Supervises the session actors and passivates those that nobody talks to.
struct Supervisor;

enum Sweep {
    Now,
}

struct SupervisorState {
    active: Arc<Mutex<HashMap<SessionId, Active>>>,
    idle: Duration,
}

impl Actor for Supervisor {
    type Msg = Sweep;
    type State = SupervisorState;
    type Arguments = (Arc<Mutex<HashMap<SessionId, Active>>>, Duration);

    async fn pre_start(
        &self,
        myself: ActorRef<Sweep>,
        (active, idle): Self::Arguments,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        myself.send_interval(SWEEP_EVERY, || Sweep::Now);
        Ok(SupervisorState { active, idle })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Sweep>,
        Sweep::Now: Sweep,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        let mut active = state.active.lock();
        let idle: Vec<SessionId> = active
            .iter()
            .filter(|(_, a)| a.queue.is_idle() && a.used.elapsed() >= state.idle)
            .map(|(session, _)| session.clone())
            .collect();
        idle.iter().for_each(|session| passivate(&mut active, session));
        metrics::gauge!("tertulia_sessions_active").set(active.len() as f64);
        Ok(())
    }

    /// A session actor that failed is forgotten; the next turn activates it from the journal.
    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Sweep>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(cell, error) = event {
            tracing::error!(%error, "a session actor failed; its session will be loaded again");
            state.active.lock().retain(|_, a| a.actor.get_id() != cell.get_id());
        }
        Ok(())
    }
}
