//! The router: brings a turn to the node that leads its session's shard, and holds it through an election.

use crate::admission::Admission;
use crate::sessions::Sessions;
use crate::turn::{TurnError, TurnReply, TurnRequest};
use dialogue::ports::{BoxFuture, Journal, Owner};
use dialogue::{NodeId, ShardId};
use std::sync::Arc;
use std::time::Duration;

/// Pause before a turn is tried again after an answer that says nothing about where to go; doubled each time…
const BACKOFF: Duration = Duration::from_millis(20);
/// …up to this.
const BACKOFF_MAX: Duration = Duration::from_millis(500);
/// Longest wait for a change of owner before the owner is looked up again.
const OWNER_WAIT_MAX: Duration = Duration::from_millis(200);

/// How long the answer of a node that no longer leads is still waited for.
const OVERTAKEN_GRACE: Duration = Duration::from_millis(20);

/// Carries turns to other nodes.
pub trait Peers: Send + Sync + 'static {
    /// Hands the request to a node, which takes it only as the owner of its shard.
    fn forward(&self, to: NodeId, request: TurnRequest) -> BoxFuture<'_, Result<TurnReply, TurnError>>;
}

/// Finds the owner of a session. Cheap to clone.
#[derive(Clone)]
pub struct Router {
    journal: Arc<dyn Journal>,
    sessions: Sessions,
    peers: Arc<dyn Peers>,
    admission: Admission,
}

impl Router {
    /// `turns_in_flight_max` bounds the turns that clients have in this node at once.
    pub fn new(
        journal: Arc<dyn Journal>,
        sessions: Sessions,
        peers: Arc<dyn Peers>,
        turns_in_flight_max: usize,
    ) -> Self {
        Self { journal, sessions, peers, admission: Admission::new("turns of this node", turns_in_flight_max) }
    }

    /// Takes a client's turn, wherever its session lives. Retries under the request's key until its deadline: the key
    /// makes that harmless.
    pub async fn turn(&self, request: TurnRequest) -> Result<TurnReply, TurnError> {
        let _permit = self.admission.try_admit()?;
        let shard = self.journal.shard_of(&request.session);
        let asked = request.time_left();
        let mut last = TurnError::NoLeader { shard, waited_ms: asked.as_millis() as u64 };
        let mut backoff = BACKOFF;
        while !request.time_left().is_zero() {
            let owner = self.journal.owner(shard);
            let answer = match owner {
                Owner::Local => self.sessions.turn(request.clone()).await,
                Owner::Remote(node) => self.forward(node, &request).await,
                Owner::Unknown => {
                    self.wait_for_another_owner(&request, owner).await;
                    continue;
                }
            };
            let error = match answer {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            metrics::counter!("tertulia_turn_retries_total").increment(1);
            match &error {
                // The map was old, or an election is on: wait for news, but look again soon.
                TurnError::NotOwner { .. } | TurnError::Unavailable { .. } => {
                    self.wait_for_another_owner(&request, owner).await;
                }
                // The owner may have died: its successor is asked the moment it is known.
                TurnError::OutcomeUnknown => {
                    let pause = backoff.min(request.time_left());
                    let _ = tokio::time::timeout(pause, self.journal.owner_changed(shard, owner)).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
                // That an attempt was refused says nothing of one before it.
                TurnError::Overloaded { .. }
                | TurnError::Busy { .. }
                | TurnError::StorageFull { .. }
                | TurnError::Inference { .. }
                    if last == TurnError::OutcomeUnknown =>
                {
                    return Err(last);
                }
                _ => return Err(error),
            }
            // What is unknown stays unknown: a later "no leader" does not take it back.
            if last != TurnError::OutcomeUnknown && !matches!(error, TurnError::NotOwner { .. }) {
                last = error;
            }
        }
        Err(last)
    }

    /// Hands the turn to its owner. A node that is frozen or cut off answers nothing for as long as its connection stands, while
    /// another leads already: when that is known, nobody waits for it any more.
    async fn forward(&self, node: NodeId, request: &TurnRequest) -> Result<TurnReply, TurnError> {
        let shard = self.journal.shard_of(&request.session);
        tokio::select! {
            biased;
            answer = self.peers.forward(node, request.clone()) => answer,
            () = self.overtaken(shard, node) => Err(TurnError::OutcomeUnknown),
        }
    }

    /// Resolves a moment after the shard has another owner than `node`: one that hands over in good order still answers.
    async fn overtaken(&self, shard: ShardId, node: NodeId) {
        loop {
            let owner = self.journal.owner_changed(shard, Owner::Remote(node)).await;
            if owner != Owner::Unknown {
                tokio::time::sleep(OVERTAKEN_GRACE).await;
                return;
            }
            // Nobody leads: who led may go on. Its successor is what is waited for.
            let next = self.journal.owner_changed(shard, Owner::Unknown).await;
            if next != Owner::Remote(node) {
                tokio::time::sleep(OVERTAKEN_GRACE).await;
                return;
            }
        }
    }

    /// Takes a turn that another node forwarded: as the owner, or not at all.
    pub async fn forwarded(&self, request: TurnRequest) -> Result<TurnReply, TurnError> {
        let _permit = self.admission.try_admit()?;
        match self.journal.owner(self.journal.shard_of(&request.session)) {
            Owner::Local => self.sessions.turn(request).await,
            Owner::Remote(leader) => Err(TurnError::NotOwner { leader: Some(leader) }),
            Owner::Unknown => Err(TurnError::NotOwner { leader: None }),
        }
    }

    async fn wait_for_another_owner(&self, request: &TurnRequest, from: Owner) {
        let shard = self.journal.shard_of(&request.session);
        let patience = OWNER_WAIT_MAX.min(request.time_left());
        let changed = tokio::time::timeout(patience, self.journal.owner_changed(shard, from)).await;
        if changed.is_ok_and(|owner| owner == from) {
            // The journal knows nothing newer: do not spin.
            tokio::time::sleep(BACKOFF.min(request.time_left())).await;
        }
    }

    /// Turns in this node now.
    pub fn turns_in_flight(&self) -> usize {
        self.admission.in_use()
    }
}
