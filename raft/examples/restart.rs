//! How long a node takes from its process's start to ready: `cargo run --release -p tertulia-raft --example restart
//! [SESSIONS] [TURNS]`.
//!
//! Fills a single node with sessions (100,000 of 3 turns, each about 300 bytes), ends it by `kill -9` and then cleanly,
//! and starts it again five times each. The time counts from the spawn of the process to its readiness: sled's
//! recovery, the scan of all logs, the check of all snapshots, the state of all groups, an election and the tail of the
//! log. A last line says what the parts of opening the folder take alone.

use cluster_config::NodeConfig;
use dialogue::{
    CommitOutcome, CommitTurn, IdempotencyKey, ScoredIntent, SessionId, TimestampMs, TurnRecord, ports::Journal,
};
use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tertulia_raft::{
    GroupId, Node,
    machine::{GroupState, SnapshotPlace},
    store::{SledStore, Store, Writer, scan_group},
};

const SHARDS: u32 = 16;
const CLIENTS: u64 = 512;
const STARTS: usize = 5;

fn config(folder: &Path) -> NodeConfig {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let address = format!("127.0.0.1:{port}");
    let config = serde_json::json!({
        "cluster": "bench", "node": 1, "zone": "a", "shards": SHARDS, "data_dir": folder, "release": "unused",
        "peer": { "listen": address }, "members": [{ "node": 1, "zone": "a", "peer": address, "http": "http://x" }],
    });
    serde_json::from_value::<NodeConfig>(config).expect("the configuration is ours").validate().expect("and valid")
}

fn turn(session: u64, seq: u64) -> CommitTurn {
    CommitTurn {
        session: SessionId::new(format!("session-{session}")).expect("a good session id"),
        expected_seq: seq - 1,
        turn: TurnRecord {
            seq,
            key: IdempotencyKey::new(format!("{session}-{seq}")).expect("a good key"),
            at: TimestampMs(1_700_000_000_000),
            release: None,
            text: "x".repeat(160),
            intent: ScoredIntent { name: "greet".into(), confidence: 1.0 },
            entities: vec![],
            events: vec![],
            replies: vec![],
        },
    }
}

async fn start(folder: &Path) -> Arc<Node> {
    let node = Node::start(&config(folder), tonic::service::Routes::default()).await.expect("the node starts");
    while !node.is_ready() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    node
}

/// Fills the folder, says so, and ends as it is told.
async fn fill(folder: &Path, sessions: u64, turns: u64) {
    let node = start(folder).await;
    let next = Arc::new(AtomicU64::new(0));
    let clients = (0..CLIENTS).map(|_| {
        let (node, next) = (node.clone(), next.clone());
        tokio::spawn(async move {
            loop {
                let session = next.fetch_add(1, Relaxed);
                if session >= sessions {
                    return;
                }
                let mut seq = 1;
                while seq <= turns {
                    match node.commit(turn(session, seq)).await {
                        Ok(CommitOutcome::Committed { .. } | CommitOutcome::Replayed(_)) => seq += 1,
                        Ok(other) => panic!("{other:?}"),
                        Err(e) if e.is_retryable() => tokio::time::sleep(Duration::from_millis(5)).await,
                        Err(e) => panic!("{e}"),
                    }
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("the client ends well");
    }
    serve(node).await;
}

/// Says that it is ready and waits: for its death, or for the end of its input.
async fn serve(node: Arc<Node>) {
    println!("ready");
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
    node.shutdown().await;
}

/// A process of this program, once it is ready, and how long that took.
fn process(arguments: &[String]) -> (Child, Duration) {
    let begun = Instant::now();
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    (child, begun.elapsed())
}

fn end(mut child: Child, kill: bool) {
    if kill {
        child.kill().expect("it is killed");
    } else {
        drop(child.stdin.take());
    }
    child.wait().expect("it ends");
}

/// The parts of opening a folder, one after the other.
fn parts(folder: &Path) {
    let mut at = Instant::now();
    let mut ms = || std::mem::replace(&mut at, Instant::now()).elapsed().as_secs_f64() * 1e3;
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&folder.join("db"), 64 << 20).expect("it opens"));
    let sled = ms();
    for group in GroupId::all(SHARDS) {
        scan_group(&*store, group).expect("it is whole");
    }
    let scan = ms();
    let (writer, _thread) = Writer::start(store.clone()).expect("a thread");
    for group in GroupId::all(SHARDS) {
        let place = SnapshotPlace { cluster: "bench".into(), folder: folder.join("snapshots"), group };
        GroupState::open(place, store.clone(), writer.clone()).expect("it opens");
    }
    println!("sled's recovery {sled:.0} ms, logs {scan:.0} ms, states and snapshots {:.0} ms (one thread)", ms());
    writer.close();
    store.close();
}

fn bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).expect("a folder").map(|f| f.expect("a file").path());
    files.map(|f| if f.is_dir() { bytes(&f) } else { f.metadata().expect("a file").len() }).sum()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    match &arguments[..] {
        [role, folder] if role == "serve" => {
            return runtime().block_on(async { serve(start(Path::new(folder)).await).await });
        }
        [role, folder, sessions, turns] if role == "fill" => {
            let number = |text: &String| text.parse().expect("a number");
            return runtime().block_on(fill(Path::new(folder), number(sessions), number(turns)));
        }
        _ => {}
    }
    let number = |at: usize, default: u64| arguments.get(at).map_or(default, |a| a.parse().expect("a number"));
    let (sessions, turns) = (number(0, 100_000), number(1, 3));
    let outer = tempfile::tempdir_in(std::env::var_os("BENCH_DIR").unwrap_or_else(|| ".".into())).expect("a folder");
    let folder = outer.path().join("data");
    let path = folder.display().to_string();
    let (filled, took) = process(&["fill".into(), path.clone(), sessions.to_string(), turns.to_string()]);
    println!("{sessions} sessions of {turns} turns filled in {:.0} s", took.as_secs_f64());
    end(filled, true);
    println!(
        "database {} MiB, snapshots {} MiB",
        bytes(&folder.join("db")) >> 20,
        bytes(&folder.join("snapshots")) >> 20
    );
    println!("| started after | median ms | fastest | slowest |");
    println!("|---|---:|---:|---:|");
    for kill in [true, false] {
        if !kill {
            // The first clean end.
            end(process(&["serve".into(), path.clone()]).0, false);
        }
        let mut times = Vec::new();
        for _ in 0..STARTS {
            let (child, took) = process(&["serve".into(), path.clone()]);
            times.push(took.as_secs_f64() * 1e3);
            end(child, kill);
        }
        times.sort_by(f64::total_cmp);
        let after = if kill { "kill -9" } else { "a clean stop" };
        println!("| {after} | {:.0} | {:.0} | {:.0} |", times[STARTS / 2], times[0], times[STARTS - 1]);
    }
    parts(&folder);
}
