//! A data folder of the first version, in which nothing was placed, becomes one of today by starting on it.

use super::Node;
use crate::{
    FEATURE_LEVEL, MemberRecord, Role,
    codec::{self, Record},
    control::ControlStateV1,
    store::{SledStore, Store, keys},
    types::GroupId,
};
use cluster_config::NodeConfig;
use dialogue::{
    CommitOutcome, CommitTurn, IdempotencyKey, ScoredIntent, SessionId, TimestampMs, TurnRecord, ports::Journal,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

impl Record for ControlStateV1 {
    const KIND: u8 = 13;
}

async fn start(config: &NodeConfig) -> Arc<Node> {
    let node = Node::start(config, tonic::service::Routes::default()).await.unwrap();
    let begun = Instant::now();
    while !node.is_ready() || !node.view().is_founded() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the node is not ready: {:?}", node.view());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    node
}

fn turn(session: &SessionId, seq: u64) -> CommitTurn {
    let turn = TurnRecord {
        seq,
        key: IdempotencyKey::new(format!("k{seq}")).unwrap(),
        at: TimestampMs(seq),
        release: None,
        text: "hi".into(),
        intent: ScoredIntent::default(),
        entities: vec![],
        events: vec![],
        replies: vec![],
    };
    CommitTurn { session: session.clone(), expected_seq: seq - 1, turn }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_the_first_version_is_founded_at_its_next_start() {
    let folder = tempfile::TempDir::new().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let peer = format!("127.0.0.1:{port}");
    let config: NodeConfig = serde_json::from_value(serde_json::json!({
        "cluster": "old", "node": 1, "zone": "a", "shards": 2, "data_dir": folder.path().join("data"), "release": "r",
        "members": [{ "node": 1, "zone": "a", "peer": peer, "http": "h" }],
        "peer": { "listen": peer }, "raft": { "free_disk_bytes_min": 0, "cache_bytes": 16 << 20 },
    }))
    .unwrap();
    let config = config.validate().unwrap();
    let session = SessionId::new("s").unwrap();
    let node = start(&config).await;
    assert_eq!(node.commit(turn(&session, 1)).await, Ok(CommitOutcome::Committed { seq: 1 }));
    node.shutdown().await;
    drop(node);

    // What the first version left: members and a level, no shards, no ids, no placement.
    let member = MemberRecord { node: 1, zone: "a".into(), peer: peer.clone(), http: "h".into() };
    let old = codec::encode(&ControlStateV1 { members: vec![member], feature_level: 1 });
    let store = SledStore::open(&config.data_dir.join("db"), 16 << 20).unwrap();
    store.apply(vec![(keys::control(GroupId::CONTROL), Some(old.into()))]).unwrap();
    store.barrier().unwrap();
    store.close();

    let node = start(&config).await;
    let state = node.view();
    assert_eq!((state.feature_level, state.shards, state.next_node), (FEATURE_LEVEL, 2, 2));
    assert!(state.placement.iter().all(|p| p.voters == [1]));
    assert!(node.status().shards.iter().all(|g| g.role == Role::Leader));
    assert_eq!(node.commit(turn(&session, 2)).await, Ok(CommitOutcome::Committed { seq: 2 }));
    assert_eq!(node.load(session).await.unwrap().turns.len(), 2);
    node.shutdown().await;
}
