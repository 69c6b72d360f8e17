//! Two nodes in one zone: every shard has one voter, and all of it moves from one node to the other and back.
// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod support;

use cluster_config::NodeConfig;
use dialogue::{
    CommitOutcome, CommitTurn, ShardId,
    ports::{Journal, Owner},
};
use std::{path::Path, sync::Arc, time::Instant};
use support::{PATIENCE, Running, block, free_ports, session, try_start, turn, wait};
use tempfile::TempDir;
use tertulia_raft::{
    Node,
    admin::{Ask, Client},
};

fn config(folder: &Path, node: u64, port: u16, who: serde_json::Value) -> NodeConfig {
    let mut text = serde_json::json!({
        "cluster": "test-cluster", "node": node, "zone": "a", "shards": 1, "release": "unused",
        "data_dir": folder.join(format!("node-{node}")), "peer": { "listen": format!("127.0.0.1:{port}") },
        "raft": { "free_disk_bytes_min": 0, "cache_bytes": 16 << 20 },
    });
    text.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
    serde_json::from_value::<NodeConfig>(text).unwrap().validate().unwrap()
}

fn commit(nodes: [&Arc<Node>; 2], command: &CommitTurn) -> CommitOutcome {
    let begun = Instant::now();
    loop {
        let leader = nodes.into_iter().find(|n| n.owner(ShardId(0)) == Owner::Local);
        match leader.map(|n| block(n.commit(command.clone()))) {
            Some(Ok(outcome)) => return outcome,
            Some(Err(e)) if !e.is_retryable() || begun.elapsed() > PATIENCE => panic!("{e}"),
            _ => assert!(begun.elapsed() < PATIENCE, "nobody leads"),
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_shard_that_comes_back_to_a_wiped_replica_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let ports = free_ports(2);
    let peer = |i: usize| format!("127.0.0.1:{}", ports[i]);
    let member = serde_json::json!({ "node": 1, "zone": "a", "peer": peer(0), "http": "http://127.0.0.1:1" });
    let first_config = config(folder.path(), 1, ports[0], serde_json::json!({ "members": [member] }));
    let first: Running = try_start(&first_config).unwrap();
    wait("the first node is ready", || first.node.is_ready());
    let client = Client::new(&first_config).unwrap();
    let ask = |ask: Ask| block(client.ask(&ask)).unwrap();
    ask(Ask::Add { zone: "a".into(), peer: peer(1), http: "http://127.0.0.1:2".into(), replaces: None });
    let second = try_start(&config(folder.path(), 2, ports[1], serde_json::json!({ "join": [peer(0)] }))).unwrap();
    wait("the second node is ready", || second.node.is_ready());

    // A replica that was wiped and returns reads its log from the beginning: half-way it was once the only voter.
    let nodes = [&first.node, &second.node];
    let name = session("traveller");
    let mut seq = 0;
    let mut say = || {
        seq += 1;
        assert_eq!(commit(nodes, &turn(&name, seq, &format!("k{seq}"), "hello")), CommitOutcome::Committed { seq });
    };
    for (from, to) in [(1, 2), (2, 1), (1, 2), (2, 1), (1, 2), (2, 1)] {
        (0..20).for_each(|_| say());
        ask(Ask::Move { shard: 0, from, to });
        let left = nodes[from as usize - 1];
        wait("the shard has arrived", || block(client.status()).is_ok_and(|s| s.placement[0].settled));
        wait("what it left is wiped", || left.status().shards[0].last_log.is_none());
    }
    say();
    assert_eq!(block(first.node.load(name)).unwrap().seq, seq);
}
