//! From a configuration to a running node.

use super::{Node, StartError, balance, bootstrap, disk::DiskGuard, group::Group, identity, options::raft_config};
use crate::{
    limits::PEER_STREAMS_MAX,
    machine::{GroupState, SnapshotPlace, StateMachine},
    net::{Groups, NetworkFactory, PeerService, Peers, PeersError, Registered, TlsError, reason_chain, server_tls},
    store::{Damage, LogStore, SledStore, Store, Writer, scan_group},
    types::{GroupId, Raft},
};
use cluster_config::NodeConfig;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, watch};
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

/// How often the free space is looked at.
const DISK_EVERY: Duration = Duration::from_millis(500);

impl From<TlsError> for StartError {
    fn from(e: TlsError) -> Self {
        Self::Tls { field: e.field, path: e.path, reason: e.reason }
    }
}

impl From<PeersError> for StartError {
    fn from(e: PeersError) -> Self {
        match e {
            PeersError::Tls(e) => e.into(),
            PeersError::Address { .. } => Self::Config { field: "members".into(), reason: e.to_string() },
        }
    }
}

pub(super) async fn start(config: &NodeConfig, extra: Routes) -> Result<Arc<Node>, StartError> {
    let raft_config = raft_config(config)?;
    let peers = Peers::new(config)?;
    let server = server(config)?;
    let listener = listen(config)?;
    let owned = config.clone();
    let (lock, (store, writer, writer_thread), opened) = tokio::task::spawn_blocking(move || open(&owned))
        .await
        .map_err(|e| StartError::at(&config.data_dir)(io::Error::other(e)))??;

    let cluster: Arc<str> = config.cluster.as_str().into();
    let mut groups = BTreeMap::new();
    let mut registered: BTreeMap<GroupId, Registered> = BTreeMap::new();
    for (id, ends, state) in opened {
        let log = LogStore::new(id, store.clone(), writer.clone(), ends);
        let network = NetworkFactory {
            peers: peers.clone(),
            cluster: cluster.clone(),
            node: config.node,
            group: id,
            stall: Duration::from_millis(config.raft.election_timeout_ms_max) * 4,
        };
        let machine = StateMachine::new(state.clone(), writer.clone());
        let raft = match Raft::new(config.node, raft_config.clone(), network, log.clone(), machine).await {
            Ok(raft) => raft,
            Err(e) => {
                // The groups that run already would keep the folder.
                futures::future::join_all(registered.values().map(|g| g.raft.shutdown())).await;
                return Err(StartError::Group { group: id, reason: e.to_string() });
            }
        };
        registered.insert(id, Registered { raft: raft.clone(), state: state.clone() });
        groups.insert(id, Arc::new(Group::new(id, raft, state, &log)));
    }

    let node = Arc::new(Node {
        config: config.clone(),
        groups,
        peers,
        store,
        writer,
        writer_thread: Mutex::new(Some(writer_thread)),
        disk: DiskGuard::new(config.raft.free_disk_bytes_min),
        proposals: Arc::new(Semaphore::new(config.raft.proposals_in_flight_max)),
        stopping: watch::Sender::new(false),
        tasks: Mutex::new(Vec::new()),
        started: Instant::now(),
        lock: Mutex::new(Some(lock)),
    });
    node.disk.look(&config.data_dir).map_err(StartError::at(&config.data_dir))?;
    serve(&node, server, listener, extra, cluster, Arc::new(registered));
    run_tasks(&node);
    Ok(node)
}

fn server(config: &NodeConfig) -> Result<Server, StartError> {
    let server = Server::builder()
        .max_concurrent_streams(PEER_STREAMS_MAX)
        .initial_stream_window_size(2 << 20)
        .initial_connection_window_size(16 << 20)
        .http2_keepalive_interval(Some(Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)));
    let Some(tls) = &config.peer.tls else { return Ok(server) };
    let path = tls.cert.clone();
    let wrong = |e: tonic::transport::Error| StartError::Tls { field: "peer.tls", path, reason: reason_chain(&e) };
    server.tls_config(server_tls(tls)?).map_err(wrong)
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

type Storage = (Arc<dyn Store>, Writer, std::thread::JoinHandle<()>);
type Opened = Vec<(GroupId, crate::store::LogScan, Arc<GroupState>)>;

/// Claims and opens the data folder and checks all of it.
fn open(config: &NodeConfig) -> Result<(std::fs::File, Storage, Opened), StartError> {
    let lock = identity::claim(config)?;
    let (database, snapshots) = (config.data_dir.join("db"), config.data_dir.join("snapshots"));
    std::fs::create_dir_all(&snapshots).map_err(StartError::at(&snapshots))?;
    let store = SledStore::open(&database, config.raft.cache_bytes).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => StartError::Locked { path: database.clone() },
        _ => StartError::at(&database)(e),
    })?;
    let store: Arc<dyn Store> = Arc::new(store);
    let (writer, thread) = Writer::start(store.clone()).map_err(StartError::at(&config.data_dir))?;
    let mut opened = Vec::new();
    for id in GroupId::all(config.shards) {
        let damaged = |source| StartError::Damaged { path: config.data_dir.clone(), source };
        let ends = scan_group(&*store, id).map_err(damaged)?;
        let place = SnapshotPlace { cluster: config.cluster.clone(), folder: snapshots.clone(), group: id };
        let state = GroupState::open(place, store.clone(), writer.clone()).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => damaged(Damage::new(id, None, e)),
            _ => StartError::at(&config.data_dir)(e),
        })?;
        opened.push((id, ends, Arc::new(state)));
    }
    Ok((lock, (store, writer, thread), opened))
}

fn serve(node: &Node, mut server: Server, incoming: TcpIncoming, extra: Routes, cluster: Arc<str>, groups: Groups) {
    let service = PeerService {
        cluster,
        node: node.config.node,
        members: Arc::new(node.config.members.iter().map(|m| m.node).collect()),
        groups,
        tls: node.config.peer.tls.is_some(),
    };
    let router = server.add_routes(extra.add_service(service.into_server()));
    node.spawn(async move {
        if let Err(e) = router.serve_with_incoming(incoming).await {
            tracing::error!(error = reason_chain(&e), "the peer server has stopped");
        }
    });
}

fn run_tasks(node: &Arc<Node>) {
    for group in node.groups.values() {
        let (owner, recovery, me) = (group.clone(), group.clone(), node.config.node);
        node.spawn(async move { owner.watch_owner(me).await });
        node.spawn(async move { recovery.watch_recovery().await });
    }
    for group in node.groups.values() {
        node.spawn(bootstrap::initialize(group.clone(), node.config.clone()));
    }
    let weak = Arc::downgrade(node);
    node.spawn(bootstrap::record_members(weak.clone()));
    node.spawn(balance::run(weak.clone()));
    node.spawn(async move {
        let mut every = tokio::time::interval(DISK_EVERY);
        loop {
            every.tick().await;
            // A statvfs reads no disk.
            let Some(node) = weak.upgrade() else { break };
            if let Err(e) = node.disk.look(&node.config.data_dir) {
                tracing::warn!(error = %e, "the free space of the data folder cannot be read");
            }
        }
    });
}
