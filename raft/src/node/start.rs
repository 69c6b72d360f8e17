//! From a configuration to a running node.

use super::{
    Node, StartError, balance, bootstrap, damage,
    disk::DiskGuard,
    group::Group,
    identity, join,
    late::{self, Late, Suspects},
    options::raft_config,
    pulse::{self, Beat, Pulses},
    reconcile,
    replica::{self, Opened, Shared},
    retire, room,
    sleep::Hours,
    snapshots, unwritable, upkeep, view,
};
use crate::{
    ControlState,
    admin::AdminService,
    limits::{PEER_SILENCE_MIN, PEER_STALL_MIN, PEER_STREAMS_MAX},
    machine::{DamageFound, SnapshotPlace},
    net::{Certificates, Dial, Groups, Lanes, PeerService, Peers, PeersError, Seen, TlsError, accepted, reason_chain},
    simulation::{self, Connection, Dialer, Surroundings},
    store::{SledStore, Store, Writer, WriterEnd},
    types::GroupId,
};
use cluster_config::NodeConfig;
use dialogue::ports::Owner;
use futures::stream::BoxStream;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::BTreeMap,
    io,
    net::TcpListener,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore, SetOnce, watch},
    time::Instant,
};
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

impl From<TlsError> for StartError {
    fn from(e: TlsError) -> Self {
        Self::Tls { field: e.field, path: e.path, reason: e.reason }
    }
}

impl From<PeersError> for StartError {
    fn from(e: PeersError) -> Self {
        match e {
            PeersError::Address { .. } => Self::Config { field: "members".into(), reason: e.to_string() },
        }
    }
}

pub(super) async fn start(
    config: &NodeConfig,
    extra: Routes,
    simulated: Option<Surroundings>,
) -> Result<Arc<Node>, StartError> {
    let raft_config = raft_config(config)?;
    let (lock, id) = blocking(config, identity::claim).await?;
    let (certificates, seen) = Certificates::of(config)?.unzip();
    let dial = match (&certificates, &simulated) {
        (_, Some(surroundings)) => Dial::Simulated(Dialer(surroundings.wire.clone())),
        (Some(certificates), None) => Dial::Tls(certificates.clone()),
        (None, None) => Dial::Plain,
    };
    let peers = Peers::new(config, id, dial)?;
    let door = match (&simulated, &certificates) {
        (Some(surroundings), _) => Door::Simulated(surroundings.wire.listen()),
        (None, Some(certificates)) => Door::Tls(listen(config)?, certificates.clone()),
        (None, None) => Door::Plain(listen(config)?),
    };
    let store = simulated.as_ref().map(|s| s.store.clone());
    let ((store, writer, writer_end), opened) = blocking(config, move |config| open(config, store)).await?;
    let known = control_state(config, id, &peers, &opened).await?;

    let longest = Duration::from_millis(config.raft.election_timeout_ms_max);
    let stall = (longest * 4).max(PEER_STALL_MIN);
    let view = watch::Sender::new(Arc::new(ControlState::default()));
    let shared = Shared {
        node: id,
        cluster: config.cluster.clone(),
        data_dir: config.data_dir.clone(),
        raft_config,
        peers: peers.clone(),
        lanes: Lanes::new(peers.clone(), stall),
        store: store.clone(),
        writer: writer.clone(),
        stall,
        view: view.subscribe(),
        pulses: Arc::new(Pulses::new(longest.max(PEER_SILENCE_MIN))),
        hours: Hours::new(&config.raft),
        disk: Arc::new(DiskGuard::new(config.raft.free_disk_bytes_min, simulated.map(|s| s.free_bytes))),
        damage: DamageFound::default(),
    };
    let mut groups: BTreeMap<GroupId, Arc<Group>> = BTreeMap::new();
    for opened in opened {
        let owner = Arc::new(watch::Sender::new(Owner::Unknown));
        match replica::start(&shared, opened, owner).await {
            Ok(group) => groups.insert(group.id, Arc::new(group)),
            Err(e) => {
                // The groups that run already would keep the folder.
                futures::future::join_all(groups.values().map(|g| g.raft.shutdown())).await;
                return Err(e);
            }
        };
    }

    let (late, suspects) = Late::new();
    let registered = groups.iter().map(|(id, g)| (*id, g.registered())).collect();
    let node = Arc::new(Node {
        config: config.clone(),
        id,
        groups: RwLock::new(groups),
        registered: Arc::new(RwLock::new(registered)),
        view,
        pulses: shared.pulses.clone(),
        disk: shared.disk.clone(),
        shared,
        beat: Beat::new(config.me()),
        leads_changed: Arc::new(Notify::new()),
        fault: OnceLock::new(),
        over: SetOnce::new(),
        late,
        peers,
        certificates,
        store,
        writer,
        writer_end: Mutex::new(Some(writer_end)),
        proposals: Arc::new(Semaphore::new(config.raft.proposals_in_flight_max)),
        stopping: watch::Sender::new(false),
        leaving: AtomicBool::new(false),
        tasks: Mutex::new(Vec::new()),
        started: Instant::now(),
        lock: Mutex::new(Some(lock)),
    });
    node.disk.saw(node.disk.look(&config.data_dir).map_err(StartError::at(&config.data_dir))?);
    node.see(known);
    serve(&node, door, extra);
    run_tasks(&node, seen, suspects);
    Ok(node)
}

async fn blocking<T: Send + 'static>(
    config: &NodeConfig,
    work: impl FnOnce(&NodeConfig) -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    let owned = config.clone();
    crate::blocking::blocking(move || work(&owned)).await.map_err(StartError::at(&config.data_dir))?
}

/// What this node's own replica of the control group holds; a node that has none yet asks its seeds.
async fn control_state(
    config: &NodeConfig,
    id: u64,
    peers: &Peers,
    opened: &[Opened],
) -> Result<ControlState, StartError> {
    let state = opened.iter().find(|o| o.id == GroupId::CONTROL).map(|o| o.state.clone());
    let state = state.expect("the control group is one of all");
    let read = crate::blocking::blocking(move || state.control()).await;
    let known = read.flatten().map_err(StartError::at(&config.data_dir))?;
    let joins = !config.join.is_empty() || id != config.node;
    if joins && !known.is_founded() {
        return join::learn(peers, config, id).await;
    }
    join::check(&known, config, id)?;
    Ok(known)
}

fn listen(config: &NodeConfig) -> Result<TcpIncoming, StartError> {
    let (field, address) = ("peer.listen", config.peer.listen);
    let wrong = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { field, address },
        _ => StartError::Listen { field, address, source },
    };
    let listener = TcpListener::bind(address).map_err(wrong)?;
    listener.set_nonblocking(true).map_err(wrong)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(wrong)?;
    Ok(TcpIncoming::from(listener).with_nodelay(Some(true)))
}

type Storage = (Arc<dyn Store>, Writer, WriterEnd);

/// Opens the data folder, or what is given instead of its database, and checks all of it.
fn open(config: &NodeConfig, given: Option<Arc<dyn Store>>) -> Result<(Storage, Vec<Opened>), StartError> {
    crate::data::finish_compaction(&config.data_dir).map_err(StartError::at(&config.data_dir))?;
    let snapshots = replica::snapshots(config);
    std::fs::create_dir_all(&snapshots).map_err(StartError::at(&snapshots))?;
    let store = given.map_or_else(|| open_database(config), Ok)?;
    let (writer, end) = Writer::start(store.clone()).map_err(StartError::at(&config.data_dir))?;
    let place = |group| SnapshotPlace { cluster: config.cluster.clone(), folder: snapshots.clone(), group };
    let open = |id| replica::open(place(id), &config.data_dir, &store, &writer);
    match open_all(config.shards, open) {
        Ok(opened) => Ok(((store, writer, end), opened)),
        Err(e) => {
            // Whoever opens the folder next is not to find it locked by this attempt.
            writer.close();
            end.wait();
            store.close();
            Err(e)
        }
    }
}

fn open_database(config: &NodeConfig) -> Result<Arc<dyn Store>, StartError> {
    let database = config.data_dir.join("db");
    let store = SledStore::open(&database, config.raft.cache_bytes).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => StartError::Locked { path: database.clone() },
        _ => StartError::at(&database)(e),
    })?;
    Ok(Arc::new(store))
}

/// Opens all groups, on as many threads as there are cores: every record of every log and snapshot is read.
fn open_all(
    shards: u32,
    open: impl Fn(GroupId) -> Result<Opened, StartError> + Sync,
) -> Result<Vec<Opened>, StartError> {
    let groups: Vec<GroupId> = GroupId::all(shards).collect();
    if simulation::is_on() {
        return groups.into_iter().map(open).collect();
    }
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(groups.len());
    let next = AtomicUsize::new(0);
    let opened: Vec<Mutex<Option<Result<Opened, StartError>>>> = groups.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(at) = Some(next.fetch_add(1, Relaxed)).filter(|at| *at < groups.len()) {
                    *opened[at].lock() = Some(open(groups[at]));
                }
            });
        }
    });
    opened.into_iter().map(|o| o.into_inner().expect("every group was opened")).collect()
}

/// Where peers come in.
enum Door {
    Plain(TcpIncoming),
    Tls(TcpIncoming, Certificates),
    Simulated(BoxStream<'static, io::Result<Connection>>),
}

fn serve(node: &Arc<Node>, door: Door, extra: Routes) {
    let groups: Groups = node.registered.clone();
    let service = PeerService {
        cluster: node.config.cluster.as_str().into(),
        node: node.id,
        peers: node.peers.clone(),
        groups,
        pulses: node.pulses.clone(),
        control: node.view.subscribe(),
        tls: node.config.peer.tls.is_some(),
        disk: node.disk.clone(),
    };
    let mut server = Server::builder()
        .max_concurrent_streams(PEER_STREAMS_MAX)
        .initial_stream_window_size(2 << 20)
        .initial_connection_window_size(16 << 20)
        .http2_keepalive_interval(Some(Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)));
    let routes = extra.add_service(service.into_server()).add_service(AdminService::server(node));
    node.spawn(async move {
        let served = match door {
            Door::Plain(incoming) => server.add_routes(routes).serve_with_incoming(incoming).await,
            Door::Tls(incoming, certificates) => {
                server.add_routes(routes).serve_with_incoming(accepted(incoming, certificates)).await
            }
            Door::Simulated(incoming) => {
                server.layer(simulation::undated()).add_routes(routes).serve_with_incoming(incoming).await
            }
        };
        if let Err(e) = served {
            tracing::error!(error = reason_chain(&e), "the peer server has stopped");
        }
    });
}

fn run_tasks(node: &Arc<Node>, seen: Option<Seen>, suspects: Suspects) {
    if let Some((certificates, seen)) = node.certificates.clone().zip(seen) {
        node.spawn(certificates.follow(seen));
    }
    node.all_groups().iter().for_each(|group| node.attend(group));
    let weak = Arc::downgrade(node);
    let heartbeat = Duration::from_millis(node.config.raft.heartbeat_ms);
    node.spawn(pulse::send_to_all(node.peers.clone(), weak.clone()));
    let lease = Duration::from_millis(node.config.raft.election_timeout_ms_max);
    node.spawn(pulse::run(weak.clone(), heartbeat, lease));
    node.spawn(view::follow(weak.clone()));
    node.spawn(bootstrap::run(weak.clone()));
    node.spawn(upkeep::run(weak.clone()));
    node.spawn(reconcile::run(weak.clone()));
    node.spawn(retire::run(weak.clone()));
    node.spawn(balance::run(weak.clone()));
    node.spawn(snapshots::run(weak.clone()));
    node.spawn(room::run(weak.clone()));
    node.spawn(late::run(weak.clone(), suspects));
    node.spawn(damage::run(weak.clone(), node.shared.damage.clone()));
    node.spawn(unwritable::run(weak, node.writer.clone()));
}

impl Node {
    /// Starts what watches a replica for as long as it lives.
    pub(super) fn attend(&self, group: &Arc<Group>) {
        let (owner, recovery, back, me) = (group.clone(), group.clone(), group.clone(), self.id);
        let (pulses, leads) = (self.pulses.clone(), self.leads_changed.clone());
        let tasks = [
            tokio::spawn(async move { owner.watch_owner(me, pulses, leads).await }),
            tokio::spawn(async move { recovery.watch_recovery().await }),
            tokio::spawn(async move { back.watch_return().await }),
        ];
        group.tasks.lock().extend(tasks);
    }
}
