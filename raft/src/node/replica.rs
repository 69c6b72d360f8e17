//! Opens and starts the replica of one group: at the node's start, and again when it was wiped.

use super::{
    Pulses, StartError,
    disk::DiskGuard,
    group::Group,
    sleep::{Hours, Sleep},
};
use crate::{
    ControlState,
    codec::{self, TombstoneRecord},
    control::FEATURE_PACKED_TURNS,
    machine::{DamageFound, GroupState, SnapshotPlace, StateMachine, wipe_replica},
    net::{Gate, Lanes, NetworkFactory, Peers, Registered},
    store::{Damage, LogScan, LogStore, Store, Writer, keys, scan_group},
    types::{GroupId, LogId, Raft},
};
use cluster_config::NodeConfig;
use dialogue::ports::Owner;
use openraft::Config;
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;

/// What all replicas of a node share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) node: u64,
    pub(super) cluster: String,
    pub(super) data_dir: PathBuf,
    pub(super) raft_config: Arc<Config>,
    pub(super) peers: Peers,
    pub(super) lanes: Lanes,
    pub(super) store: Arc<dyn Store>,
    pub(super) writer: Writer,
    pub(super) stall: Duration,
    /// The control state as the node knows it.
    pub(super) view: watch::Receiver<Arc<ControlState>>,
    pub(super) pulses: Arc<Pulses>,
    pub(super) hours: Hours,
    pub(super) disk: Arc<DiskGuard>,
    pub(super) damage: DamageFound,
}

/// A replica whose records were read and checked.
pub(super) struct Opened {
    pub(super) id: GroupId,
    ends: LogScan,
    pub(super) state: Arc<GroupState>,
    tombstone: Option<LogId>,
}

/// Where the snapshots of a data folder are.
pub(super) fn snapshots(config: &NodeConfig) -> PathBuf {
    config.data_dir.join("snapshots")
}

/// Reads and checks a replica. Blocks.
pub(super) fn open(
    place: SnapshotPlace,
    data_dir: &std::path::Path,
    store: &Arc<dyn Store>,
    writer: &Writer,
) -> Result<Opened, StartError> {
    let id = place.group;
    let damaged = |source| StartError::Damaged { path: data_dir.to_owned(), source };
    let tombstone = store.get(&keys::tombstone(id)).map_err(StartError::at(data_dir))?;
    let tombstone = tombstone.map(|v| codec::decode::<TombstoneRecord>(&v)).transpose();
    let tombstone = tombstone.map_err(|e| damaged(Damage::new(id, None, format!("the tombstone: {e}"))))?;
    if let Some(unfinished) = tombstone.filter(|t| !t.wiped) {
        tracing::info!(group = %id, "a replica that has left its group is wiped");
        wipe_replica(&**store, &place, unfinished).map_err(StartError::at(data_dir))?;
    }
    let ends = scan_group(&**store, id).map_err(damaged)?;
    let state = GroupState::open(place, store.clone(), writer.clone()).map_err(|e| match e.kind() {
        io::ErrorKind::InvalidData => damaged(Damage::new(id, None, e)),
        _ => StartError::at(data_dir)(e),
    })?;
    state.check_log(&**store, &ends).map_err(damaged)?;
    Ok(Opened { id, ends, state: Arc::new(state), tombstone: tombstone.map(|t| t.removed_at.into()) })
}

/// Uses what all nodes of the cluster understand.
pub(super) fn understand(feature_level: u32, state: &GroupState, log: &LogStore) {
    if feature_level >= FEATURE_PACKED_TURNS {
        state.pack_turns();
        log.purge_by_and_by();
    }
}

/// Starts openraft on a replica.
pub(super) async fn start(
    shared: &Shared,
    opened: Opened,
    owner: Arc<watch::Sender<Owner>>,
) -> Result<Group, StartError> {
    let Opened { id, ends, state, tombstone } = opened;
    let log = LogStore::new(id, shared.store.clone(), shared.writer.clone(), ends);
    let network = NetworkFactory {
        peers: shared.peers.clone(),
        lanes: shared.lanes.clone(),
        pulses: shared.pulses.clone(),
        disk: shared.disk.clone(),
        group: id,
        stall: shared.stall,
    };
    understand(shared.view.borrow().feature_level, &state, &log);
    state.tell_damage_to(shared.damage.clone());
    let machine = StateMachine::new(state.clone(), shared.writer.clone());
    let gate = Arc::new(Gate::new(tombstone));
    let mut config = shared.raft_config.clone();
    if gate.is_tombstoned(log.ends().last) {
        Arc::make_mut(&mut config).enable_elect = false;
    }
    let raft = Raft::new(shared.node, config, network, log.clone(), machine)
        .await
        .map_err(|e| StartError::Group { group: id, reason: e.to_string() })?;
    let sleep = Arc::new(Sleep::new(id, shared.node, raft.clone(), shared.pulses.clone(), shared.hours.clone()));
    let parts = Registered { raft, state, log, gate, sleep };
    Ok(Group::new(id, parts, owner, shared.view.clone()))
}
