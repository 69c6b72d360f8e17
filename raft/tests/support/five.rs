//! Five nodes in three zones in one process, with a light load of turns.

use super::{PATIENCE, Running, block, free_ports, session, try_start, turn, wait};
use cluster_config::{Member, NodeConfig};
use dialogue::{
    CommitOutcome, SessionId, ShardId,
    ports::{Consistency, Journal, JournalError, Owner},
};
use parking_lot::RwLock;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tertulia_raft::{
    Node, StartError,
    admin::{AdminError, Answer, Ask, Client, ClusterStatus},
};

const ZONES: [&str; 5] = ["a", "a", "b", "b", "c"];
pub const SHARDS: u32 = 4;

/// The cluster, shared with its writers.
pub struct Cluster {
    pub folder: TempDir,
    pub configs: RwLock<BTreeMap<u64, NodeConfig>>,
    pub nodes: RwLock<BTreeMap<u64, Running>>,
}

fn config(folder: &Path, node: u64, zone: &str, port: u16, who: serde_json::Value) -> NodeConfig {
    let mut text = serde_json::json!({
        "cluster": "test-cluster", "node": node, "zone": zone, "shards": SHARDS,
        "data_dir": folder.join(format!("node-{node}")), "release": "unused",
        "peer": { "listen": format!("127.0.0.1:{port}") },
        "raft": {
            "heartbeat_ms": 100, "election_timeout_ms_min": 500, "election_timeout_ms_max": 900,
            "free_disk_bytes_min": 0, "commit_timeout_ms": 2000, "cache_bytes": 16 << 20, "idle_sleep_ms": 300,
            "snapshot_after_entries": 50, "log_entries_kept": 10,
        },
    });
    text.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
    serde_json::from_value::<NodeConfig>(text).unwrap().validate().unwrap()
}

impl Cluster {
    pub fn new() -> Arc<Self> {
        let folder = TempDir::new().unwrap();
        let ports = free_ports(ZONES.len());
        let member = |i: usize| Member {
            node: i as u64 + 1,
            zone: ZONES[i].into(),
            peer: format!("127.0.0.1:{}", ports[i]),
            http: format!("http://127.0.0.1:1{}", ports[i]),
        };
        let members: Vec<Member> = (0..ZONES.len()).map(member).collect();
        let who = serde_json::json!({ "members": members });
        let configs = members.iter().zip(&ports);
        let configs = configs.map(|(m, p)| (m.node, config(folder.path(), m.node, &m.zone, *p, who.clone()))).collect();
        let this = Arc::new(Self { folder, configs: RwLock::new(configs), nodes: RwLock::default() });
        (1..=5).for_each(|node| this.start(node));
        wait("all nodes are ready", || this.running().iter().all(|n| n.is_ready()));
        this
    }

    pub fn start(&self, node: u64) {
        let config = self.configs.read()[&node].clone();
        let begun = Instant::now();
        loop {
            match try_start(&config) {
                Ok(running) => break drop(self.nodes.write().insert(node, running)),
                Err(StartError::Locked { .. } | StartError::PortInUse { .. }) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(e) => panic!("node {node} does not start: {e}"),
            }
        }
    }

    /// No goodbye: every task of the node is dropped where it stands.
    pub fn kill(&self, node: u64) {
        let gone = self.nodes.write().remove(&node);
        drop(gone);
    }

    pub fn running(&self) -> Vec<Arc<Node>> {
        self.nodes.read().values().map(|r| r.node.clone()).collect()
    }

    pub fn node(&self, node: u64) -> Arc<Node> {
        self.nodes.read()[&node].node.clone()
    }

    pub fn leader_of(&self, shard: ShardId) -> Arc<Node> {
        let mut found = None;
        wait("the shard has a leader", || {
            found = self.running().into_iter().find(|n| n.owner(shard) == Owner::Local);
            found.is_some()
        });
        found.unwrap()
    }

    pub fn ask(&self, ask: &Ask) -> Result<Answer, AdminError> {
        let config = self.configs.read()[&1].clone();
        block(async { Client::new(&config)?.ask(ask).await })
    }

    pub fn status(&self) -> ClusterStatus {
        match self.ask(&Ask::Status).unwrap() {
            Answer::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    /// Gives a new node its id and its configuration.
    pub fn add(&self, zone: &str, replaces: Option<u64>) -> u64 {
        let port = free_ports(1)[0];
        let peer = format!("127.0.0.1:{port}");
        let http = format!("http://127.0.0.1:1{port}");
        let ask = Ask::Add { zone: zone.into(), peer, http, replaces };
        let Answer::Added(node) = self.ask(&ask).unwrap() else { panic!("no id") };
        let seeds: Vec<String> = self.configs.read()[&1].members.iter().map(|m| m.peer.clone()).collect();
        let who = serde_json::json!({ "join": seeds });
        self.configs.write().insert(node, config(self.folder.path(), node, zone, port, who));
        node
    }

    /// Waits until every shard has arrived where the control state wants it, by what its leader's log says.
    pub fn wait_settled(&self) {
        wait("all shards have arrived", || self.status().moving() == 0);
        for entry in self.status().placement {
            wait("the leader's membership is the placement", || {
                let leader = self.leader_of(ShardId(entry.shard));
                let group = leader.status().shards[entry.shard as usize].clone();
                group.voters == entry.voters && group.learners.is_empty()
            });
        }
    }

    pub fn commit(&self, command: &dialogue::CommitTurn, patience: Duration) -> CommitOutcome {
        let begun = Instant::now();
        loop {
            let shard = self.running()[0].shard_of(&command.session);
            let leader = self.running().into_iter().find(|n| n.owner(shard) == Owner::Local);
            let outcome = leader.map(|n| block(n.commit(command.clone())));
            match outcome {
                Some(Ok(outcome)) => return outcome,
                Some(Err(e)) if !e.is_retryable() && !matches!(e, JournalError::ShuttingDown) => {
                    panic!("{} turn {}: {e}", command.session, command.turn.seq)
                }
                _ if begun.elapsed() > patience => panic!("{} turn {} is stuck", command.session, command.turn.seq),
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

/// Commits turns of some sessions while the cluster changes.
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Vec<(SessionId, Arc<AtomicU64>)>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Load {
    pub fn start(cluster: &Arc<Cluster>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut this = Self { stop: stop.clone(), acknowledged: Vec::new(), threads: Vec::new() };
        for i in 0..4 {
            let (name, count) = (session(&format!("load-{i}")), Arc::new(AtomicU64::new(0)));
            this.acknowledged.push((name.clone(), count.clone()));
            let (cluster, stop) = (cluster.clone(), stop.clone());
            this.threads.push(std::thread::spawn(move || {
                let mut seq = 0;
                while !stop.load(SeqCst) {
                    seq += 1;
                    let known = match cluster.commit(&turn(&name, seq, &format!("key-{seq}"), "hello"), PATIENCE) {
                        CommitOutcome::Committed { seq } => seq,
                        CommitOutcome::Replayed(turn) => turn.seq,
                        CommitOutcome::Fenced { actual_seq } => panic!("{name} is fenced at {actual_seq}, not {seq}"),
                    };
                    assert_eq!(known, seq);
                    count.store(seq, SeqCst);
                    std::thread::sleep(Duration::from_millis(15));
                }
            }));
        }
        this
    }

    /// Waits until every session has had some more turns.
    pub fn go_on(&self) {
        let goals: Vec<u64> = self.acknowledged.iter().map(|(_, n)| n.load(SeqCst) + 3).collect();
        wait("turns are committed", || {
            self.acknowledged.iter().zip(&goals).all(|((_, n), goal)| n.load(SeqCst) >= *goal)
        });
    }

    /// Stops; every acknowledged turn is there once, and nothing else.
    pub fn finish(mut self, cluster: &Cluster) {
        self.stop.store(true, SeqCst);
        self.threads.drain(..).for_each(|t| t.join().expect("a writer failed"));
        for (name, acknowledged) in &self.acknowledged {
            let shard = cluster.running()[0].shard_of(name);
            let read = || block(cluster.leader_of(shard).turns(name.clone(), 0, 10_000, Consistency::Linearizable));
            let mut turns = Vec::new();
            wait("the session is read", || {
                read().is_ok_and(|found| {
                    turns = found;
                    true
                })
            });
            assert_eq!(turns.len() as u64, acknowledged.load(SeqCst), "{name}: acknowledged and stored");
            let in_order =
                |(t, seq): (&dialogue::TurnRecord, u64)| t.seq == seq && t.key.as_str() == format!("key-{seq}");
            assert!(turns.iter().zip(1..).all(in_order), "{name}: a turn is lost or doubled");
        }
    }
}
