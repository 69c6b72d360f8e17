//! A node: all groups over one store, the peer server, and the tasks that keep them in order.

mod balance;
mod bootstrap;
mod damage;
pub(crate) mod disk;
mod error;
mod group;
mod handover;
pub(crate) mod identity;
mod join;
mod journal;
mod late;
mod options;
mod proposer;
mod pulse;
mod reconcile;
mod rejoin;
mod replica;
mod retire;
mod room;
mod shutdown;
mod sleep;
mod snapshots;
mod start;
mod status;
mod steps;
mod unwritable;
mod upkeep;
mod view;

pub use error::StartError;
pub(crate) use pulse::Pulses;
pub use rejoin::{RejoinError, Rejoined, rejoin, rejoin_simulated};
pub(crate) use sleep::Sleep;
pub use status::{FollowerLag, GroupStatus, NodeStatus, Role};

use crate::{
    ControlCommand, ControlOutcome, ControlState,
    net::{Certificates, Groups, Peers},
    simulation::Surroundings,
    store::{Store, Writer, WriterCounts, WriterEnd},
    types::GroupId,
};
use cluster_config::NodeConfig;
use dialogue::{NodeId, ports::JournalError};
use disk::DiskGuard;
use group::Group;
use late::Late;
use parking_lot::{Mutex, RwLock};
use pulse::Beat;
use std::{
    collections::BTreeMap,
    fs::File,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};
use tokio::{
    sync::{Notify, Semaphore, SetOnce, watch},
    task::JoinHandle,
    time::Instant,
};
use tonic::service::Routes;

/// One node of the cluster: replicates the shards that are placed on it, and the control group.
///
/// Outside this crate it is a [`Journal`](dialogue::ports::Journal). Its tasks run on the runtime that
/// [`start`](Node::start) was called on, until [`shutdown`](Node::shutdown).
pub struct Node {
    config: NodeConfig,
    /// The configured id, unless the node has rejoined under another.
    id: u64,
    /// A replica of every group; one that is not placed here is empty and costs next to nothing.
    groups: RwLock<BTreeMap<GroupId, Arc<Group>>>,
    /// The same for the peers.
    registered: Groups,
    shared: replica::Shared,
    /// The control state as it is known here.
    view: watch::Sender<Arc<ControlState>>,
    pulses: Arc<Pulses>,
    beat: Beat,
    /// Told when this node gains or loses a leadership.
    leads_changed: Arc<Notify>,
    /// Why this node cannot be one of the cluster, if so.
    fault: OnceLock<String>,
    /// Why this process can take no part any more, once that is so and its leaderships are gone.
    over: SetOnce<String>,
    peers: Peers,
    certificates: Option<Certificates>,
    store: Arc<dyn Store>,
    writer: Writer,
    writer_end: Mutex<Option<WriterEnd>>,
    disk: Arc<DiskGuard>,
    late: Late,
    /// One permit for each proposal until its outcome is known.
    proposals: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
    /// Has the shutdown begun? Until it is [stopping](Node::is_stopping), the node serves.
    leaving: AtomicBool,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    started: Instant,
    /// Held for as long as the node has the data folder.
    lock: Mutex<Option<File>>,
}

impl Node {
    /// Opens the data folder, checks it, starts all groups and listens for peers. `extra` are the node's own gRPC
    /// services on the same port.
    ///
    /// Returns when the node takes part; [`is_ready`](Node::is_ready) says when it may serve.
    pub async fn start(config: &NodeConfig, extra: Routes) -> Result<Arc<Node>, StartError> {
        start::start(config, extra, None).await
    }

    /// As [`start`](Node::start), in a simulation: over its disk and its wires.
    pub async fn start_simulated(
        config: &NodeConfig,
        extra: Routes,
        surroundings: Surroundings,
    ) -> Result<Arc<Node>, StartError> {
        start::start(config, extra, Some(surroundings)).await
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        NodeId(self.id)
    }

    /// Number of shards.
    pub fn shards(&self) -> u32 {
        self.config.shards
    }

    /// Does every group know a leader, and has this node applied what its logs held when it started?
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && self.trouble().is_none() && self.groups.read().values().all(|g| g.is_ready(self.id))
    }

    /// Why this node can take no part, if so.
    fn trouble(&self) -> Option<String> {
        let damage = || self.shared.damage.get().map(|what| format!("the data folder is damaged: {what}"));
        let fault = self.fault.get().cloned().or_else(damage);
        fault.or_else(|| self.writer.failure().map(str::to_owned))
    }

    /// Is the node on its way down?
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Returns when this process can take no part any more and another may, once what is in its way is gone: its log could
    /// not be written. Says why. All groups have ended by then.
    pub async fn over(&self) -> &str {
        self.over.wait().await
    }

    /// Roles, terms, indexes and lags, as of now.
    pub fn status(&self) -> NodeStatus {
        let groups = self.all_groups();
        let mut groups = groups.iter().map(|g| self.group_status(g));
        let shards = groups.by_ref().take(self.config.shards as usize).collect();
        NodeStatus {
            cluster: self.config.cluster.clone(),
            node: self.id,
            zone: self.config.zone.clone(),
            ready: self.is_ready(),
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            barriers: self.writer.counts().barriers,
            disk_free_bytes: self.disk.free_bytes(),
            shards,
            control: groups.next().expect("the control group is the last of all"),
        }
    }

    /// Barriers (`fdatasync` of the database) since the start.
    pub fn barriers(&self) -> u64 {
        self.writer.counts().barriers
    }

    /// How often changed certificates were taken over since the start.
    pub fn certificate_reloads(&self) -> u64 {
        self.certificates.as_ref().map_or(0, Certificates::reloads)
    }

    /// Barriers, batches and records since the start.
    pub fn writer_counts(&self) -> WriterCounts {
        self.writer.counts()
    }

    /// The connection to a peer, shared with the groups; none for this node or a stranger.
    pub fn peer_channel(&self, node: NodeId) -> Option<tonic::transport::Channel> {
        self.peers.main(node.0)
    }

    /// Changes the free space below which writes are refused, in bytes, until the next start.
    pub fn set_free_disk_bytes_min(&self, bytes: u64) {
        self.disk.set_min(bytes);
    }

    /// The members and the feature level, as this replica has applied them.
    pub async fn control(&self) -> Result<ControlState, JournalError> {
        let state = self.group(GroupId::CONTROL).state.clone();
        journal::blocking(move || state.control()).await
    }

    /// Commits a command to the control group; only its leader can.
    pub async fn commit_control(&self, command: ControlCommand) -> Result<ControlOutcome, JournalError> {
        self.propose_control(command).await
    }

    /// Makes the state of a shard durable soon, and purges its log behind it.
    pub async fn trigger_snapshot(&self, shard: dialogue::ShardId) -> Result<(), JournalError> {
        let fatal = |e: openraft::errors::Fatal<_>| JournalError::Store { detail: e.to_string() };
        self.group(shard.into()).raft.trigger().snapshot().await.map_err(fatal)
    }

    pub(crate) fn cluster(&self) -> &str {
        &self.config.cluster
    }

    pub(crate) fn has_tls(&self) -> bool {
        self.config.peer.tls.is_some()
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Is the node this one, or was it heard of within the longest election timeout?
    pub(crate) fn is_alive(&self, node: u64) -> bool {
        node == self.id || self.pulses.is_alive(node)
    }

    pub(crate) fn owner_of(&self, group: GroupId) -> dialogue::ports::Owner {
        self.find(group).map_or(dialogue::ports::Owner::Unknown, |g| g.owner())
    }

    fn find(&self, id: GroupId) -> Option<Arc<Group>> {
        self.groups.read().get(&id).cloned()
    }

    fn group(&self, id: GroupId) -> Arc<Group> {
        self.find(id).expect("shard_of gives only shards of this cluster, and the control group is always there")
    }

    fn all_groups(&self) -> Vec<Arc<Group>> {
        self.groups.read().values().cloned().collect()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().push(tokio::spawn(task));
    }
}

#[cfg(test)]
mod upgrade_tests;
