//! One group as its node sees it: openraft's handle, the state, and who owns it.

use super::{
    handover::Door,
    proposer::Proposer,
    pulse::{Leads, Pulses},
    sleep::Sleep,
};
use crate::{
    ControlState,
    machine::GroupState,
    net::{Gate, Registered},
    store::LogStore,
    types::{GroupId, Raft, TypeConfig},
};
use dialogue::{NodeId, ports::Owner};
use openraft::{RaftMetrics, ServerState, async_runtime::watch::WatchReceiver};
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};

/// One group of a node.
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) raft: Raft,
    pub(super) state: Arc<GroupState>,
    pub(super) proposer: Proposer,
    pub(super) door: Door,
    pub(super) log: LogStore,
    pub(super) gate: Arc<Gate>,
    pub(super) sleep: Arc<Sleep>,
    /// Pushed on every change. It outlives the replica.
    pub(super) owner: Arc<watch::Sender<Owner>>,
    /// Those that end with the replica.
    pub(super) tasks: Mutex<Vec<JoinHandle<()>>>,
    /// Has this node applied what was in its log when it started?
    recovered: AtomicBool,
    last_log_at_start: Option<u64>,
}

impl Group {
    pub(super) fn new(
        id: GroupId,
        parts: Registered,
        owner: Arc<watch::Sender<Owner>>,
        view: watch::Receiver<Arc<ControlState>>,
    ) -> Self {
        let Registered { raft, state, log, gate, sleep } = parts;
        let last_log_at_start = log.ends().last.map(|l| l.index);
        let recovered = AtomicBool::new(false);
        let (proposer, propose) = Proposer::new(raft.clone(), view);
        let tasks = Mutex::new(vec![tokio::spawn(propose)]);
        let door = Door::default();
        Self { id, raft, state, log, gate, sleep, proposer, door, owner, tasks, recovered, last_log_at_start }
    }

    /// What peers need of it.
    pub(super) fn registered(&self) -> Registered {
        let (raft, state, log, gate) = (self.raft.clone(), self.state.clone(), self.log.clone(), self.gate.clone());
        Registered { raft, state, log, gate, sleep: self.sleep.clone() }
    }

    /// Was this replica wiped, and has its log not come back since?
    pub(super) fn is_tombstoned(&self) -> bool {
        self.gate.is_tombstoned(self.log.ends().last)
    }

    /// Does the group count this node among its voters or learners, as far as this replica knows?
    pub(super) fn holds(&self, me: u64) -> bool {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().get_node(&me).is_some()
    }

    /// openraft's view, copied out: nothing is borrowed afterwards.
    pub(super) fn metrics(&self) -> RaftMetrics<TypeConfig> {
        self.raft.metrics().borrow_watched().clone()
    }

    pub(super) fn owner(&self) -> Owner {
        *self.owner.borrow()
    }

    pub(super) fn leads(&self) -> bool {
        self.owner() == Owner::Local
    }

    /// Knows a leader and has caught up with its own past, where it has one.
    pub(super) fn is_ready(&self, me: u64) -> bool {
        self.owner() != Owner::Unknown && (!self.holds(me) || self.recovered.load(Relaxed))
    }

    /// Follows who leads until openraft stops: by the replica, whose server metrics change with leadership only, not
    /// with every entry, and by the pulse, which knows also where the replica is no member.
    pub(super) async fn watch_owner(&self, me: u64, pulses: Arc<Pulses>, leads: Arc<Notify>) {
        let (mut changes, mut heard) = (self.raft.server_metrics(), pulses.changes());
        loop {
            heard.borrow_and_update();
            let owner = self.owner_now(me, pulses.leader(self.id));
            let mut before = owner;
            if self.owner.send_if_modified(|now| {
                before = std::mem::replace(now, owner);
                before != owner
            }) {
                tracing::info!(group = %self.id, ?owner, "leadership changed");
                metrics::counter!("tertulia_leader_changes_total").increment(1);
                if owner == Owner::Local || before == Owner::Local {
                    leads.notify_one();
                }
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { break },
                _ = heard.changed() => {}
            }
        }
        self.owner.send_replace(Owner::Unknown);
        if let Err(fatal) = self.metrics().running_state {
            tracing::error!(group = %self.id, %fatal, "the group has stopped");
        }
    }

    fn owner_now(&self, me: u64, claim: Option<Leads>) -> Owner {
        let metrics = self.raft.server_metrics();
        let now = metrics.borrow_watched();
        let member = now.membership_config.membership().get_node(&me).is_some();
        let term = now.vote.leader_id.term;
        match (now.current_leader, claim) {
            (Some(leader), _) if leader == me && now.state == ServerState::Leader => Owner::Local,
            // Two sources: the later term knows more.
            (Some(leader), claim) if leader != me && member && claim.is_none_or(|c| c.term <= term) => {
                Owner::Remote(NodeId(leader))
            }
            (_, Some(claim)) if claim.node != me && (claim.term >= term || !member) => {
                Owner::Remote(NodeId(claim.node))
            }
            _ => Owner::Unknown,
        }
    }

    /// Lets a replica that was wiped stand for election again once its log has come back; see [`Gate`].
    pub(super) async fn watch_return(&self) {
        let mut changes = self.raft.metrics();
        while self.is_tombstoned() {
            if changes.changed().await.is_err() {
                return;
            }
        }
        self.raft.runtime_config().elect(true);
    }

    /// Waits until this node has heard what is committed and has applied what its own log held when it started.
    pub(super) async fn watch_recovery(&self) {
        let mut changes = self.raft.metrics();
        while !self.has_recovered() {
            if changes.changed().await.is_err() {
                return;
            }
        }
        self.recovered.store(true, Relaxed);
    }

    fn has_recovered(&self) -> bool {
        let metrics = self.metrics();
        // A tail that no leader ever committed is cut off by the next one: then less than the old log suffices.
        let needed = self.last_log_at_start.min(metrics.last_log_index);
        metrics.cluster_committed.is_some() && metrics.last_applied.as_ref().map(|l| l.index) >= needed
    }
}
