//! `tertulia cluster` and `tertulia node` as an operator uses them, against nodes that run here.

mod common;

use cluster_config::NodeConfig;
use common::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Writes a configuration as an operator would and reads it as the binary does.
fn configure(dir: &Path, name: &str, who: &str, port: u16) -> (PathBuf, NodeConfig) {
    let file = dir.join(format!("{name}.yml"));
    let data = dir.join(name);
    let text = format!(
        "{who}data_dir: {}\nrelease: unused\nraft:\n  free_disk_bytes_min: 0\n  cache_bytes: 16777216\n\
         peer:\n  listen: \"127.0.0.1:{port}\"\n",
        data.display()
    );
    std::fs::write(&file, text).expect("a file");
    let config = NodeConfig::load(&file).expect("a configuration");
    (file, config)
}

async fn start(config: &NodeConfig) -> Arc<raft::Node> {
    let node = raft::Node::start(config, tonic::service::Routes::default()).await.expect("a node");
    let begun = Instant::now();
    while !node.is_ready() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the node is not ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_grows_a_cluster_moves_shards_and_lets_a_node_go() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let member = format!("{{node: 1, zone: a, peer: \"127.0.0.1:{port}\", http: \"http://127.0.0.1:1\"}}");
    let who = format!("cluster: shop\nnode: 1\nzone: a\nshards: 4\nmembers:\n  - {member}\n");
    let (file, config) = configure(dir.path(), "one", &who, port);
    let first = start(&config).await;
    let cluster = |args: &[&str]| succeed(&[&["cluster", "--config", path(&file)], args].concat());
    let refused = |args: &[&str]| fail(2, &[&["cluster", "--config", path(&file)], args].concat());

    assert!(cluster(&["status"]).contains("all 4 shards are where they belong"));
    assert!(refused(&["drain", "1"]).contains("node 1 is the only one in zone \"a\""));
    assert!(refused(&["add", "--zone", "b", "--peer", "h:1", "--http", "h"]).contains("there is no zone \"b\""));

    // What is printed is what the new node needs.
    let new_port = free_port();
    let peer = format!("127.0.0.1:{new_port}");
    let printed = cluster(&["add", "--zone", "a", "--peer", &peer, "--http", "http://127.0.0.1:2"]);
    let lines: String = printed.lines().take_while(|l| !l.starts_with("peer:")).map(|l| format!("{l}\n")).collect();
    assert!(lines.contains("node: 2") && lines.contains(&format!("127.0.0.1:{port}")), "{printed}");
    let (second_file, second) = configure(dir.path(), "two", &lines, new_port);
    let node = start(&second).await;
    assert_eq!(node.id().0, 2);

    // Moved one by one, and all at once.
    assert!(cluster(&["move", "2", "--from", "1", "--to", "2", "--wait"]).contains("all shards have arrived"));
    assert!(refused(&["move", "2", "--from", "1", "--to", "2"]).contains("node 1 does not hold it"));
    cluster(&["balance", "--wait"]);
    let status: serde_json::Value = serde_json::from_str(&cluster(&["status", "--json"])).unwrap();
    assert_eq!((&status["nodes"][0]["shards"], &status["nodes"][1]["shards"]), (&2.into(), &2.into()), "{status}");

    // Node 1 hands everything over, the control group too, and goes.
    assert!(refused(&["remove", "1"]).contains("drain it first"));
    assert!(cluster(&["drain", "1", "--wait"]).contains("node 1 hands 2 shards over"));
    assert!(refused(&["remove", "1", "--force"]).contains("node 1 is alive"));
    assert!(cluster(&["remove", "1"]).contains("its id is never used again"));
    first.shutdown().await;
    let alone = succeed(&["cluster", "--config", path(&second_file), "status"]);
    assert!(alone.contains("removed"), "{alone}");

    // A rejoin asks first, and not while the node runs.
    assert!(fail(2, &["node", "rejoin", "--config", path(&second_file)]).contains("--yes"));
    let running = fail(2, &["node", "rejoin", "--yes", "--config", path(&second_file)]);
    assert!(running.contains("in use by another process"), "{running}");
    node.shutdown().await;
}
