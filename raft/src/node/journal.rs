//! The journal that the rest of the system sees.

use super::{Node, group::Group, proposer::Written};
use crate::{
    Applied, ControlCommand, ControlOutcome,
    codec::{self, Command},
    control::FEATURE_TIMERS,
    limits::TURNS_READ_MAX,
    types::{GroupId, Proposal, TypeConfig},
};
use dialogue::{
    CommitOutcome, CommitTurn, Event, IdempotencyKey, NodeId, SessionId, SessionSnapshot, ShardId, TimestampMs,
    TurnRecord,
    ids::shard_of,
    limits::COMMIT_BYTES_MAX,
    ports::{BoxFuture, Consistency, Journal, JournalError, Owner, Wakes},
};
use openraft::{
    ReadPolicy,
    errors::{ClientWriteError, Fatal, ForwardToLeader, LinearizableReadError, RaftError},
};
use std::{io, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Runs a read that may wait for the disk where waiting is allowed.
pub(super) async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, JournalError> {
    crate::blocking::blocking(read).await.flatten().map_err(unreadable)
}

fn unreadable(error: io::Error) -> JournalError {
    JournalError::Store { detail: error.to_string() }
}

impl Journal for Node {
    fn shard_of(&self, session: &SessionId) -> ShardId {
        shard_of(session, self.config.shards)
    }

    fn owner(&self, shard: ShardId) -> Owner {
        self.find(shard.into()).map_or(Owner::Unknown, |g| g.owner())
    }

    fn owner_changed(&self, shard: ShardId, from: Owner) -> BoxFuture<'_, Owner> {
        let group = self.group(shard.into());
        Box::pin(async move {
            let mut owner = group.owner.subscribe();
            let changed = owner.wait_for(|now| *now != from).await.map(|now| *now);
            changed.expect("the group that holds the sender is held here")
        })
    }

    fn load(&self, session: SessionId) -> BoxFuture<'_, Result<SessionSnapshot, JournalError>> {
        Box::pin(async move {
            let group = self.shard_group(&session);
            self.ensure_linearizable(&group).await?;
            let state = group.state.clone();
            self.read(move || state.load(&session)).await.map_err(unreadable)
        })
    }

    fn recorded(
        &self,
        session: SessionId,
        key: IdempotencyKey,
    ) -> BoxFuture<'_, Result<Option<TurnRecord>, JournalError>> {
        Box::pin(async move {
            let state = self.shard_group(&session).state.clone();
            self.read(move || state.recorded(&session, &key)).await.map_err(unreadable)
        })
    }

    fn turns(
        &self,
        session: SessionId,
        after_seq: u64,
        limit: usize,
        consistency: Consistency,
    ) -> BoxFuture<'_, Result<Vec<TurnRecord>, JournalError>> {
        Box::pin(async move {
            let group = self.shard_group(&session);
            if consistency == Consistency::Linearizable {
                self.ensure_linearizable(&group).await?;
            } else if !group.holds(self.id) {
                // There is nothing here that could be a little stale.
                return Err(self.elsewhere(&group));
            }
            let state = group.state.clone();
            self.read(move || state.turns(&session, after_seq, limit.min(TURNS_READ_MAX))).await.map_err(unreadable)
        })
    }

    fn commit_and_wake(
        &self,
        command: CommitTurn,
        wake_at: Option<TimestampMs>,
    ) -> BoxFuture<'_, Result<CommitOutcome, JournalError>> {
        let keeps = self.keeps_timers();
        assert!(keeps || !command.turn.events.iter().any(Event::is_later), "an event that not every node reads");
        let shard = self.shard_of(&command.session);
        let turn = Box::new(command);
        let command = match wake_at.filter(|_| keeps) {
            None => Command::Turn(turn),
            Some(wake_at) => Command::WakingTurn { turn, wake_at },
        };
        Box::pin(self.propose_turn(shard, command))
    }

    fn wake_at(
        &self,
        session: SessionId,
        expected_seq: u64,
        wake_at: Option<TimestampMs>,
    ) -> BoxFuture<'_, Result<CommitOutcome, JournalError>> {
        assert!(self.keeps_timers(), "a command that not every node reads");
        let shard = self.shard_of(&session);
        Box::pin(self.propose_turn(shard, Command::Wake { session, expected_seq, wake_at }))
    }

    fn keeps_timers(&self) -> bool {
        self.view.borrow().feature_level >= FEATURE_TIMERS
    }
}

impl Wakes for Node {
    fn led(&self) -> Vec<ShardId> {
        let groups = self.groups.read();
        groups.values().filter(|group| group.leads()).filter_map(|group| group.id.shard()).collect()
    }

    fn due(&self, shard: ShardId, at: TimestampMs, limit: usize) -> Vec<(TimestampMs, SessionId)> {
        self.find(shard.into()).map(|group| group.state.due(at, limit)).unwrap_or_default()
    }

    fn pending(&self) -> usize {
        let led = self.led().into_iter().filter_map(|shard| self.find(shard.into()));
        led.map(|group| group.state.wakes_pending()).sum()
    }
}

impl Node {
    async fn propose_turn(&self, shard: ShardId, command: Command) -> Result<CommitOutcome, JournalError> {
        match self.propose(shard.into(), &command).await? {
            Applied::Turn(outcome) => Ok(outcome),
            other => unreachable!("a turn was answered with {other:?}"),
        }
    }

    fn shard_group(&self, session: &SessionId) -> Arc<Group> {
        self.group(self.shard_of(session).into())
    }

    pub(super) async fn propose_control(&self, command: ControlCommand) -> Result<ControlOutcome, JournalError> {
        match self.propose(GroupId::CONTROL, &Command::Control(command)).await? {
            Applied::Control(outcome) => Ok(outcome),
            other => unreachable!("a control command was answered with {other:?}"),
        }
    }

    async fn propose(&self, group: GroupId, command: &Command) -> Result<Applied, JournalError> {
        let group = self.group(group);
        self.admit(&group)?;
        let bytes = codec::encode(command);
        if bytes.len() > COMMIT_BYTES_MAX {
            return Err(JournalError::TooLarge { bytes: bytes.len(), limit: COMMIT_BYTES_MAX });
        }
        let start = Instant::now();
        group.sleep.wake();
        let proposal = Proposal(bytes.into());
        let unknown = || JournalError::OutcomeUnknown { waited_ms: start.elapsed().as_millis() as u64 };
        let mut written = self.write(&group, proposal.clone()).await?;
        let has_no_lease = |w: &Option<Written>| matches!(w, Some(Ok(Err(ClientWriteError::ForwardToLeader(to)))) if to.leader_id.is_none());
        if has_no_lease(&written) && group.wait_for_first_answers().await {
            written = self.write(&group, proposal).await?;
        }
        let Some(written) = written else { return Err(unknown()) };
        metrics::histogram!("tertulia_commit_seconds").record(start.elapsed().as_secs_f64());
        match written {
            Ok(Ok(applied)) => Ok(applied),
            // It came just too late: the target does not lead yet.
            Ok(Err(ClientWriteError::ForwardToLeader(_))) if group.door.pass().await => Err(self.elsewhere(&group)),
            Ok(Err(ClientWriteError::ForwardToLeader(to))) => {
                if group.leads() && to.leader_id.is_none() {
                    self.late.may_be(group.id);
                }
                Err(self.not_leader(&group, to))
            }
            // Another leader's log replaced the entry, or may still commit it.
            Ok(Err(ClientWriteError::LogEntryDiscarded(_))) => Err(unknown()),
            Ok(Err(e)) => Err(JournalError::Store { detail: e.to_string() }),
            // The entry may have reached others before this node stopped.
            Err(_) if self.is_stopping() => Err(unknown()),
            Err(e) => Err(self.failed(&e)),
        }
    }

    /// Hands a proposal to its group and waits for what comes of it; nothing when that is not known in time.
    async fn write(&self, group: &Group, proposal: Proposal) -> Result<Option<Written>, JournalError> {
        let limit = self.config.raft.proposals_in_flight_max;
        let permit = self.proposals.clone().try_acquire_owned().map_err(|_| JournalError::Overloaded { limit })?;
        if group.door.pass().await {
            // The leadership has gone meanwhile, or the node stops.
            self.admit(group)?;
        }
        // Behind the door: while others can take over, nobody is refused for want of room.
        self.has_room(group)?;
        metrics::counter!("tertulia_proposals_total").increment(1);
        let wait = Duration::from_millis(self.config.raft.commit_timeout_ms);
        let mut outcome = group.proposer.propose(proposal, permit);
        let lease = Duration::from_millis(self.config.raft.election_timeout_ms_max).min(wait);
        let written = match tokio::time::timeout(lease, &mut outcome).await {
            Ok(written) => Ok(written),
            // It may stand behind one that no majority answers, and so not even be refused.
            Err(_) => {
                self.late.may_be(group.id);
                tokio::time::timeout(wait - lease, outcome).await
            }
        };
        Ok(written.ok().and_then(Result::ok))
    }

    /// Refuses what this node cannot take before the log is touched.
    fn admit(&self, group: &Group) -> Result<(), JournalError> {
        if self.is_stopping() {
            return Err(JournalError::ShuttingDown);
        }
        if let Some(detail) = self.trouble() {
            return Err(JournalError::Store { detail });
        }
        if let Owner::Remote(leader) = group.owner()
            && let Some(shard) = group.id.shard()
        {
            return Err(JournalError::NotLeader { shard, leader: Some(leader) });
        }
        Ok(())
    }

    fn has_room(&self, group: &Group) -> Result<(), JournalError> {
        // The control group's few entries fit into what is kept free, and shards cannot move off a full node without.
        if group.id == GroupId::CONTROL {
            return Ok(());
        }
        self.disk.refusal().map_or(Ok(()), |detail| Err(JournalError::StorageFull { detail }))
    }

    /// Returns when this node leads the group for sure and has applied all that was acknowledged before the call:
    /// by its lease, and by asking a majority where the lease has run out.
    pub(super) async fn ensure_linearizable(&self, group: &Arc<Group>) -> Result<(), JournalError> {
        if self.is_stopping() {
            return Err(JournalError::ShuttingDown);
        }
        if group.leads() {
            group.sleep.wake();
        }
        let start = Instant::now();
        let wait = Duration::from_millis(self.config.raft.commit_timeout_ms);
        // Whoever waits here while the leadership goes is told where it is.
        group.door.pass().await;
        for policy in [ReadPolicy::LeaseRead, ReadPolicy::ReadIndex] {
            let last = matches!(policy, ReadPolicy::ReadIndex);
            let confirmed = tokio::time::timeout(wait, group.raft.ensure_linearizable(policy)).await;
            match confirmed {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(RaftError::Fatal(e))) => return Err(self.failed(&e)),
                // Without a leader in it, it says that the lease has run out.
                Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))))
                    if last || to.leader_id.is_some_and(|l| l != self.id) =>
                {
                    return Err(self.not_leader(group, to));
                }
                Ok(Err(RaftError::APIError(_))) if !last => {}
                Ok(Err(RaftError::APIError(_))) | Err(_) => {
                    return Err(JournalError::OutcomeUnknown { waited_ms: start.elapsed().as_millis() as u64 });
                }
            }
        }
        unreachable!("the second policy always returns")
    }

    fn not_leader(&self, group: &Group, to: ForwardToLeader<TypeConfig>) -> JournalError {
        if !group.holds(self.id) {
            return self.elsewhere(group);
        }
        let leader = to.leader_id.filter(|l| *l != self.id).map(NodeId);
        // The control group has no shard id; nothing but this crate proposes to it.
        JournalError::NotLeader { shard: ShardId(group.id.0), leader }
    }

    /// This node does not hold the shard; the pulse may know who does.
    fn elsewhere(&self, group: &Group) -> JournalError {
        let leader = match group.owner() {
            Owner::Remote(leader) => Some(leader),
            Owner::Local | Owner::Unknown => None,
        };
        JournalError::NotLeader { shard: ShardId(group.id.0), leader }
    }

    fn failed(&self, fatal: &Fatal<TypeConfig>) -> JournalError {
        match fatal {
            Fatal::Stopped if self.is_stopping() => JournalError::ShuttingDown,
            other => JournalError::Store { detail: other.to_string() },
        }
    }
}
