//! Three nodes in one process, each with its own folder, port and runtime.
// Each test binary uses a part of it, and helpers of tests may unwrap as tests do.
#![allow(dead_code, clippy::unwrap_used)]

pub mod five;

use cluster_config::{Member, NodeConfig, TlsOptions};
use dialogue::{
    CommitOutcome, CommitTurn, IdempotencyKey, NodeId, ScoredIntent, SessionId, ShardId, TimestampMs, TurnRecord,
    ports::{Journal, JournalError, Owner},
};
use std::{
    net::TcpListener,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tertulia_raft::{
    GroupId, Node, StartError,
    store::{SledStore, Store, keys},
};
use tokio::runtime::Runtime;

/// Far more than anything here takes: it only ends a test that hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Running {
    pub node: Arc<Node>,
    runtime: Option<Runtime>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Threads of a node that wait for these to be dropped.
pub struct Frozen {
    _release: Vec<std::sync::mpsc::Sender<()>>,
}

pub struct Cluster {
    pub folder: TempDir,
    pub configs: Vec<NodeConfig>,
    pub nodes: Vec<Option<Running>>,
}

pub fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|l| l.local_addr().unwrap().port()).collect()
}

pub fn configs(folder: &Path, cluster: &str, shards: u32, count: usize) -> Vec<NodeConfig> {
    let ports = free_ports(count);
    let zones = ["a", "b", "c", "d", "e"];
    let members: Vec<Member> = (0..count)
        .map(|i| Member {
            node: i as u64 + 1,
            zone: zones[i].into(),
            peer: format!("127.0.0.1:{}", ports[i]),
            http: format!("http://127.0.0.1:1{}", ports[i]),
        })
        .collect();
    let config = |i: usize| {
        let text = serde_json::json!({
            "cluster": cluster, "node": i + 1, "zone": zones[i], "shards": shards, "members": members,
            "data_dir": folder.join(zones[i]), "release": "unused",
            "peer": { "listen": format!("127.0.0.1:{}", ports[i]) },
            "raft": {
                "heartbeat_ms": 100, "election_timeout_ms_min": 500, "election_timeout_ms_max": 900,
                "free_disk_bytes_min": 0, "commit_timeout_ms": 5000, "cache_bytes": 16 << 20,
            },
        });
        serde_json::from_value::<NodeConfig>(text).unwrap().validate().unwrap()
    };
    (0..count).map(config).collect()
}

impl Cluster {
    pub fn new(shards: u32) -> Self {
        Self::with(shards, |_| {})
    }

    pub fn with(shards: u32, adjust: impl Fn(&mut NodeConfig)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut configs = configs(folder.path(), "test-cluster", shards, 3);
        configs.iter_mut().for_each(adjust);
        let nodes = (0..3).map(|_| None).collect();
        let mut this = Self { folder, configs, nodes };
        (0..3).for_each(|i| this.start(i));
        this.wait_ready();
        this
    }

    /// Starts a node on a runtime of its own, so that it can be killed like a process.
    pub fn start(&mut self, i: usize) {
        let begun = Instant::now();
        loop {
            match try_start(&self.configs[i]) {
                Ok(running) => break self.nodes[i] = Some(running),
                // A killed node gives folder and port back when its last task is gone.
                Err(StartError::Locked { .. } | StartError::PortInUse { .. }) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(e) => panic!("node {} does not start: {e}", i + 1),
            }
        }
    }

    /// No goodbye: every task of the node is dropped where it stands.
    pub fn kill(&mut self, i: usize) {
        self.nodes[i] = None;
    }

    /// All of a node's tasks stand still until what is returned is dropped, as if its process were stopped.
    pub fn freeze(&self, i: usize) -> Frozen {
        let runtime = self.nodes[i].as_ref().and_then(|r| r.runtime.as_ref()).expect("the node runs");
        let threads = runtime.metrics().num_workers();
        let all = Arc::new(std::sync::Barrier::new(threads + 1));
        let release = (0..threads).map(|_| {
            let (release, released) = std::sync::mpsc::channel::<()>();
            let all = all.clone();
            runtime.spawn(async move {
                all.wait();
                let _ = released.recv();
            });
            release
        });
        let release = release.collect();
        all.wait();
        Frozen { _release: release }
    }

    pub fn node(&self, i: usize) -> &Arc<Node> {
        &self.nodes[i].as_ref().expect("the node runs").node
    }

    pub fn running(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.iter().flatten().map(|r| &r.node)
    }

    pub fn wait_ready(&self) {
        wait("all nodes are ready", || self.running().all(|n| n.is_ready()));
    }

    /// Waits until every shard is led by the member whose turn it is.
    pub fn wait_balanced(&self) {
        let shards = self.configs[0].shards;
        wait("every shard is led by its preferred member", || {
            (0..shards).all(|s| self.node(s as usize % 3).owner(ShardId(s)) == Owner::Local)
        });
    }

    /// The running node that leads a session's shard, when one does.
    pub fn leader_of(&self, session: &SessionId) -> Arc<Node> {
        let mut found = None;
        wait("the shard has a leader", || {
            found = self.running().find(|n| n.owner(n.shard_of(session)) == Owner::Local).cloned();
            found.is_some()
        });
        found.unwrap()
    }

    pub fn index_of(&self, node: &Arc<Node>) -> usize {
        usize::try_from(node.id().0).unwrap() - 1
    }

    /// Commits wherever the leader is, again and again under the same key until the outcome is known.
    pub fn commit(&self, command: &CommitTurn) -> CommitOutcome {
        let begun = Instant::now();
        loop {
            match block(self.leader_of(&command.session).commit(command.clone())) {
                Ok(outcome) => return outcome,
                Err(e) if e.is_retryable() && begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(e) => panic!("{} turn {}: {e}", command.session, command.turn.seq),
            }
        }
    }
}

pub fn try_start(config: &NodeConfig) -> Result<Running, StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = config.clone();
    match runtime.block_on(async move { Node::start(&config, tonic::service::Routes::default()).await }) {
        Ok(node) => Ok(Running { node, runtime: Some(runtime) }),
        Err(e) => {
            runtime.shutdown_background();
            Err(e)
        }
    }
}

/// Puts another record in place of a stopped node's vote for the first shard, nonsense if none is given; gives what was
/// there.
pub fn damage_vote(config: &NodeConfig, vote: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut store = None;
    wait("the folder is free", || {
        store = SledStore::open(&config.data_dir.join("db"), 8 << 20).ok();
        store.is_some()
    });
    let (store, key) = (store.unwrap(), keys::vote(GroupId(0)));
    let before = store.get(&key).unwrap().map(|v| v.to_vec());
    let vote = vote.unwrap_or_else(|| b"nonsense".to_vec());
    store.apply(vec![(key, Some(vote.into()))]).unwrap();
    store.barrier().unwrap();
    store.close();
    before
}

pub fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

pub fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

/// The `seq`th turn of a session, under a key.
pub fn turn(session: &SessionId, seq: u64, key: &str, text: &str) -> CommitTurn {
    CommitTurn {
        session: session.clone(),
        expected_seq: seq - 1,
        turn: TurnRecord {
            seq,
            key: IdempotencyKey::new(key).unwrap(),
            at: TimestampMs(1_700_000_000_000 + seq),
            release: None,
            text: text.into(),
            intent: ScoredIntent { name: "greet".into(), confidence: 1.0 },
            entities: vec![],
            events: vec![],
            replies: vec![],
        },
    }
}

pub fn tls(folder: &Path, name: &str) -> TlsOptions {
    TlsOptions {
        ca: folder.join("ca.pem"),
        cert: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
    }
}

pub fn not_leader_to(error: &JournalError) -> Option<NodeId> {
    match error {
        JournalError::NotLeader { leader, .. } => *leader,
        other => panic!("expected NotLeader, got {other}"),
    }
}
