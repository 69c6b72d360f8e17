//! How many turns a second three nodes commit: `cargo run --release -p tertulia-raft --example commits [SECONDS]`.
//!
//! Three nodes in one process, each with its own folder, database and writer thread, over loopback gRPC. Every turn
//! is about 256 bytes; clients wait for each commit before the next, each in a session of its own. All three nodes
//! share the machine's cores and disk, so the figures are a floor, not what three machines do.

use cluster_config::NodeConfig;
use dialogue::{
    CommitOutcome, CommitTurn, IdempotencyKey, ScoredIntent, SessionId, TimestampMs, TurnRecord,
    ports::{Journal, Owner},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tertulia_raft::Node;

const NODES: usize = 3;
const SHARDS: u32 = 16;

fn config(i: usize, folder: &std::path::Path, ports: &[u16]) -> NodeConfig {
    let zones = ["a", "b", "c"];
    let member = |i: usize| serde_json::json!({ "node": i + 1, "zone": zones[i], "peer": format!("127.0.0.1:{}", ports[i]), "http": "http://x" });
    let config = serde_json::json!({
        "cluster": "bench", "node": i + 1, "zone": zones[i], "shards": SHARDS, "data_dir": folder.join(zones[i]),
        "release": "unused", "peer": { "listen": format!("127.0.0.1:{}", ports[i]) },
        "members": (0..NODES).map(member).collect::<Vec<_>>(),
    });
    serde_json::from_value::<NodeConfig>(config).expect("the configuration is ours").validate().expect("and valid")
}

fn turn(session: &SessionId, seq: u64) -> CommitTurn {
    CommitTurn {
        session: session.clone(),
        expected_seq: seq - 1,
        turn: TurnRecord {
            seq,
            key: IdempotencyKey::new(format!("{session}-{seq}")).expect("a good key"),
            at: TimestampMs(1_700_000_000_000),
            release: None,
            text: "x".repeat(80),
            intent: ScoredIntent { name: "greet".into(), confidence: 1.0 },
            entities: vec![],
            events: vec![],
            replies: vec![],
        },
    }
}

async fn client(nodes: Arc<Vec<Arc<Node>>>, name: String, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let session = SessionId::new(name).expect("a good session id");
    let shard = nodes[0].shard_of(&session);
    let mut latencies = Vec::new();
    let mut seq = 1;
    while !stop.load(Relaxed) {
        let Some(leader) = nodes.iter().find(|n| n.owner(shard) == Owner::Local) else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let start = Instant::now();
        match leader.commit(turn(&session, seq)).await {
            Ok(CommitOutcome::Committed { .. } | CommitOutcome::Replayed(_)) => {
                latencies.push(start.elapsed());
                seq += 1;
            }
            Ok(CommitOutcome::Fenced { actual_seq }) => panic!("{session} is fenced at {actual_seq}"),
            Err(e) if e.is_retryable() => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(e) => panic!("{session}: {e}"),
        }
    }
    latencies
}

#[tokio::main]
async fn main() {
    let seconds = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(5);
    let folder = tempfile::tempdir_in(std::env::var_os("BENCH_DIR").unwrap_or_else(|| ".".into())).expect("a folder");
    let held: Vec<_> = (0..NODES).map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    let ports: Vec<u16> = held.iter().map(|l| l.local_addr().expect("bound").port()).collect();
    drop(held);
    let mut nodes = Vec::new();
    for i in 0..NODES {
        let config = config(i, folder.path(), &ports);
        nodes.push(Node::start(&config, tonic::service::Routes::default()).await.expect("the node starts"));
    }
    let nodes = Arc::new(nodes);
    while !nodes.iter().all(|n| n.is_ready()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let example = serde_json::to_string(&turn(&SessionId::new("s").expect("good"), 1)).expect("JSON");
    println!("{NODES} nodes, {SHARDS} shards, {seconds} s a row; a turn is some {} bytes as JSON", example.len());
    println!("| clients | commits/s | P50 ms | P99 ms | max ms | barriers/commit, 3 nodes | barriers/s a node |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for (round, clients) in [1usize, 64, 256, 1, 64, 256].into_iter().enumerate() {
        let stop = Arc::new(AtomicBool::new(false));
        let barriers = || nodes.iter().map(|n| n.barriers()).sum::<u64>();
        let (before, start) = (barriers(), Instant::now());
        let tasks: Vec<_> =
            (0..clients).map(|c| tokio::spawn(client(nodes.clone(), format!("r{round}-{c}"), stop.clone()))).collect();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stop.store(true, Relaxed);
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await.expect("the client ends well"));
        }
        let (took, barriers) = (start.elapsed().as_secs_f64(), barriers() - before);
        latencies.sort();
        let ms = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
        println!(
            "| {clients} | {:.0} | {:.2} | {:.2} | {:.1} | {:.3} | {:.0} |",
            latencies.len() as f64 / took,
            ms(0.5),
            ms(0.99),
            ms(1.0),
            barriers as f64 / latencies.len() as f64,
            barriers as f64 / took / NODES as f64,
        );
    }
    for node in nodes.iter() {
        node.shutdown().await;
    }
    // sled itself never calls fdatasync: `strace -f -c -e trace=fdatasync` must count the same.
    println!("barriers in all: {}", nodes.iter().map(|n| n.barriers()).sum::<u64>());
}
