//! `tertulia data` and `tertulia certs` as an operator uses them.

mod common;

use common::*;
use dialogue::{
    CommitTurn, IdempotencyKey, ScoredIntent, SessionId, TimestampMs, TurnRecord,
    ports::{Consistency, Journal},
};
use std::{path::Path, sync::Arc};

async fn start(dir: &Path, data: &Path) -> Arc<raft::Node> {
    let port = free_port();
    let file = dir.join("node.yml");
    let member = format!("{{node: 1, zone: a, peer: \"127.0.0.1:{port}\", http: \"http://127.0.0.1:1\"}}");
    let text = format!(
        "cluster: shop\nnode: 1\nzone: a\nshards: 2\nmembers:\n  - {member}\ndata_dir: {}\nrelease: unused\n\
         raft:\n  free_disk_bytes_min: 0\n  cache_bytes: 16777216\npeer:\n  listen: \"127.0.0.1:{port}\"\n",
        data.display()
    );
    std::fs::write(&file, text).expect("a file");
    let config = cluster_config::NodeConfig::load(&file).expect("a configuration");
    let node = raft::Node::start(&config, tonic::service::Routes::default()).await.expect("a node");
    while !node.is_ready() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    node
}

fn turn(session: &str, seq: u64) -> CommitTurn {
    let turn = TurnRecord {
        seq,
        key: IdempotencyKey::new(format!("k{seq}")).expect("a key"),
        at: TimestampMs(seq),
        release: None,
        text: format!("turn {seq}"),
        intent: ScoredIntent::default(),
        entities: vec![],
        events: vec![],
        replies: vec![],
    };
    CommitTurn { session: SessionId::new(session).expect("a session id"), expected_seq: seq - 1, turn }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_nodes_folder_is_checked_carried_elsewhere_and_made_small() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let node = start(dir.path(), &data).await;
    for seq in 1..=30 {
        node.commit(turn("alice", seq)).await.unwrap();
        node.commit(turn("bob", seq)).await.unwrap();
    }
    let locked = fail(2, &["data", "verify", "--data-dir", path(&data)]);
    assert!(locked.contains("in use by another process"), "{locked}");
    node.shutdown().await;
    drop(node);

    let verified = |folder: &Path| -> serde_json::Value {
        let report = succeed(&["data", "verify", "--json", "--data-dir", path(folder)]);
        serde_json::from_str(&report).unwrap()
    };
    let counts = |folder: &Path| {
        let report = verified(folder);
        let groups = report["groups"].as_array().unwrap().clone();
        let sum = |what: &str| groups.iter().map(|g| g[what].as_u64().unwrap()).sum::<u64>();
        (sum("sessions"), sum("turns"), report["damage"].clone())
    };
    assert_eq!(counts(&data), (2, 60, serde_json::Value::Null));
    succeed(&["data", "compact", "--data-dir", path(&data)]);
    assert_eq!(counts(&data), (2, 60, serde_json::Value::Null));

    let (file, lines, other) = (dir.path().join("node.export"), dir.path().join("sessions"), dir.path().join("other"));
    succeed(&["data", "export", "--data-dir", path(&data), "--out", path(&file)]);
    let again = fail(2, &["data", "export", "--data-dir", path(&data), "--out", path(&file)]);
    assert!(again.contains("node.export"), "{again}");
    succeed(&["data", "export", "--sessions", "--data-dir", path(&data), "--out", path(&lines)]);
    assert_eq!(std::fs::read_to_string(&lines).unwrap().lines().count(), 2);
    succeed(&["data", "import", "--data-dir", path(&other), "--from", path(&file)]);
    assert_eq!(counts(&other), (2, 60, serde_json::Value::Null));

    // It serves where it was carried to.
    let node = start(dir.path(), &other).await;
    let turns = node.turns(SessionId::new("bob").unwrap(), 0, 100, Consistency::Local).await.unwrap();
    assert_eq!(turns.iter().map(|t| t.text.clone()).collect::<Vec<_>>()[28..], ["turn 29", "turn 30"]);
    node.shutdown().await;
    drop(node);

    // A flipped bit has an exit code of its own and a place.
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let third = dir.path().join("third");
    let refused = fail(2, &["data", "import", "--data-dir", path(&third), "--from", path(&file)]);
    assert!(refused.contains("node.export"), "{refused}");
}

#[test]
fn development_certificates_are_made_kept_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("certs");
    succeed(&["certs", "dev", "--cluster", "shop", "--keep-ca-key", "--out", path(&out), "a", "b"]);
    let names = |folder: &Path| {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&out), ["a.key", "a.pem", "b.key", "b.pem", "ca.key", "ca.pem"]);
    let refused = fail(2, &["certs", "dev", "--cluster", "shop", "--out", path(&out), "a"]);
    assert!(refused.contains("a.key: is there already"), "{refused}");
    // A node that comes later.
    succeed(&["certs", "dev", "--cluster", "shop", "--ca", path(&out), "--out", path(&out), "c"]);
    assert!(names(&out).contains(&"c.pem".to_owned()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(out.join("c.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "a key is its owner's: {mode:o}");
    }
}
