//! What an operator does with a stopped node's folder, and what is done to it in between.

use super::*;
use crate::{
    codec::{self, Command},
    machine::{GroupState, SnapshotPlace, StateMachine},
    node::identity::{self, Identity},
    store::{LogStore, SledStore, Store, Writer, keys, scan_group},
    types::{Entry, GroupId, LeaderId, LogId, Membership, Proposal, Vote},
};
use dialogue::{
    CommitTurn, IdempotencyKey, ScoredIntent, SessionId, TimestampMs, TurnRecord,
    ports::{Consistency, Journal},
};
use openraft::{
    EntryPayload, RaftSnapshotBuilder,
    storage::{IOFlushed, RaftLogStorage, RaftStateMachine},
    type_config::TypeConfigExt,
};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

fn quiet() -> impl FnMut(&str, u64, Option<u64>) {
    |_, _, _| {}
}

fn turn(index: u64) -> CommitTurn {
    let (session, seq) = (index % 7, index / 7 + 1);
    CommitTurn {
        session: SessionId::new(format!("s{session}")).unwrap(),
        expected_seq: seq - 1,
        turn: TurnRecord {
            seq,
            key: IdempotencyKey::new(format!("k{seq}")).unwrap(),
            at: TimestampMs(index),
            release: None,
            text: "x".repeat(2_000),
            intent: ScoredIntent::default(),
            entities: vec![],
            events: vec![],
            replies: vec![],
        },
    }
}

/// The first one says who votes.
fn entry(index: u64) -> Entry {
    let log_id = LogId::new(LeaderId { term: 1, node_id: 1 }, index);
    if index == 0 {
        let nodes = BTreeMap::from([(1, openraft::BasicNode { addr: "127.0.0.1:1".into() })]);
        let alone = Membership::new(vec![[1].into()], nodes).unwrap();
        return Entry { log_id, payload: EntryPayload::Membership(alone) };
    }
    let command = codec::encode(&Command::Turn(Box::new(turn(index - 1))));
    Entry { log_id, payload: EntryPayload::Normal(Proposal(command.into())) }
}

/// A folder as a node of one shard leaves it: entries applied, the log purged behind a snapshot again and again.
async fn fill(folder: &Path, entries: u64) {
    fill_as(folder, entries, false).await;
}

async fn fill_as(folder: &Path, entries: u64, turns_share_records: bool) {
    fs::create_dir_all(folder.join("snapshots")).unwrap();
    let identity = Identity {
        format: 1,
        cluster: "c".into(),
        node: 1,
        zone: "a".into(),
        shards: 1,
        configured_node: None,
        unfinished_rejoin_of: None,
    };
    identity::write(folder, &identity).unwrap();
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&folder.join("db"), 16 << 20).unwrap());
    let (writer, thread) = Writer::start(store.clone()).unwrap();
    let group = GroupId(0);
    let place = SnapshotPlace { cluster: "c".into(), folder: folder.join("snapshots"), group };
    let state = Arc::new(GroupState::open(place, store.clone(), writer.clone()).unwrap());
    if turns_share_records {
        state.pack_turns();
    }
    let mut log = LogStore::new(group, store.clone(), writer.clone(), scan_group(&*store, group).unwrap());
    let mut machine = StateMachine::new(state, writer.clone());
    log.save_vote(&Vote::new(1, 1)).await.unwrap();
    for piece in 0..entries / 50 {
        let piece: Vec<Entry> = (piece * 50..piece * 50 + 50).map(entry).collect();
        let last = piece.last().unwrap().log_id;
        let (tx, rx) = crate::TypeConfig::oneshot();
        log.append(piece.clone(), IOFlushed::signal(tx)).await.unwrap();
        rx.await.unwrap().unwrap();
        log.save_committed(Some(last)).await.unwrap();
        machine.apply(futures::stream::iter(piece.into_iter().map(|e| Ok((e, None))))).await.unwrap();
        if last.index % 200 == 199 {
            machine.build_snapshot().await.unwrap();
            log.purge(LogId::new(last.leader_id, last.index - 20)).await.unwrap();
        }
    }
    machine.flush().await.unwrap();
    writer.close();
    tokio::task::spawn_blocking(move || thread.wait()).await.unwrap();
    store.close();
}

/// What a node that starts on the folder says of a session.
async fn served(folder: &Path, session: &str) -> Vec<TurnRecord> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let config = serde_json::json!({
        "cluster": "c", "node": 1, "zone": "a", "shards": 1, "data_dir": folder, "release": "unused",
        "peer": { "listen": address }, "raft": { "free_disk_bytes_min": 0 },
        "members": [{ "node": 1, "zone": "a", "peer": address, "http": "http://x" }],
    });
    let config = serde_json::from_value::<cluster_config::NodeConfig>(config).unwrap().validate().unwrap();
    let node = crate::Node::start(&config, tonic::service::Routes::default()).await.unwrap();
    let ready = async {
        while !node.is_ready() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ready).await.expect("it leads alone");
    let turns = node.turns(SessionId::new(session).unwrap(), 0, 10_000, Consistency::Local).await.unwrap();
    node.shutdown().await;
    turns
}

fn put(folder: &Path, key: &[u8], value: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let store = SledStore::open(&folder.join("db"), 16 << 20).unwrap();
    let before = store.get(key).unwrap().map(|v| v.to_vec());
    store.apply(vec![(key.to_vec(), value.map(Into::into))]).unwrap();
    store.barrier().unwrap();
    store.close();
    before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_checked_record_by_record() {
    let outer = TempDir::new().unwrap();
    let path = outer.path().join("a");
    assert!(matches!(DataFolder::lock(&path), Err(DataError::NoDataFolder { .. })));
    fill(&path, 300).await;
    let folder = DataFolder::lock(&path).unwrap();
    assert!(matches!(DataFolder::lock(&path), Err(DataError::Locked { .. })));
    let report = verify(&folder, &mut quiet()).unwrap();
    let shard = &report.groups[0];
    assert_eq!(report.damage, None);
    assert_eq!((shard.sessions, shard.turns, shard.last, shard.applied), (7, 299, Some(299), Some(299)));
    assert_eq!((shard.purged, shard.entries), (Some(179), 120));
    assert!(report.payload_bytes > 800_000 && report.disk_bytes > report.payload_bytes, "{report:?}");

    // Every kind of damage, one at a time.
    let (group, s) = (GroupId(0), SessionId::new("s3").unwrap());
    let damage = |key: &[u8], change: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>| {
        let before = put(&path, key, None).unwrap();
        put(&path, key, change(before.clone()));
        let found = verify(&folder, &mut quiet()).unwrap().damage.expect("it must be found");
        put(&path, key, Some(before));
        found
    };
    let flipped = |mut bytes: Vec<u8>| {
        bytes[30] ^= 1;
        Some(bytes)
    };
    let found = damage(&keys::turn(group, &s, 9), &flipped);
    assert!(found.starts_with("shard-0, key shard-0/state/"), "{found}");
    let found = damage(&keys::turn(group, &s, 43), &|_| None);
    assert_eq!(found, "shard-0, key shard-0/state/header/s3: a header of 43 turns, expected 42, which are there");
    let found = damage(&keys::header(group, &s), &|_| None);
    assert_eq!(found, "shard-0, key shard-0/state/header/s3: a header of 0 turns, expected 43, which are there");
    let key = IdempotencyKey::new("k9").unwrap();
    let other = codec::encode(&codec::KeyRecord { seq: 8 });
    // Earlier versions left records of keys.
    let key = keys::idempotency(group, &s, &key);
    assert_eq!(put(&path, &key, Some(other)), None);
    let found = verify(&folder, &mut quiet()).unwrap().damage.unwrap();
    assert_eq!(found, "shard-0, key shard-0/state/key/s3/k9: turn 8 has key k8");
    put(&path, &key, None);
    let found = damage(&keys::entry(group, 250), &flipped);
    assert!(found.starts_with("shard-0, log index 250, key shard-0/log/250: checksum "), "{found}");
    let found = damage(&keys::applied(group), &|_| None);
    assert!(found.contains("nothing applied, expected at least T1-N1.179"), "{found}");
    assert_eq!(put(&path, b"zzzzz", Some(vec![1])), None);
    let found = verify(&folder, &mut quiet()).unwrap().damage.unwrap();
    assert!(found.contains("a key of no group of this folder"), "{found}");
    put(&path, b"zzzzz", None);
    let install = codec::InstallRecord { file: "shard-0-1-1-400.snap".into() };
    assert_eq!(put(&path, &keys::install(group), Some(codec::encode(&install))), None);
    let found = verify(&folder, &mut quiet()).unwrap().damage.unwrap();
    assert!(found.contains("shard-0-1-1-400.snap: No such file"), "{found}");
    fs::write(path.join("snapshots").join(&install.file), [7; 99]).unwrap();
    let found = verify(&folder, &mut quiet()).unwrap().damage.unwrap();
    assert!(found.contains("shard-0-1-1-400.snap: "), "{found}");
    let refused = export(&folder, &outer.path().join("file"), &mut quiet()).unwrap_err();
    assert!(matches!(refused, DataError::Damaged { .. }) && !outer.path().join("file").exists(), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_becomes_the_same_folder_elsewhere_or_nothing() {
    let outer = TempDir::new().unwrap();
    let (path, file) = (outer.path().join("a"), outer.path().join("a.export"));
    fill(&path, 300).await;
    let folder = DataFolder::lock(&path).unwrap();
    let exported = export(&folder, &file, &mut quiet()).unwrap();
    assert_eq!(exported.bytes, fs::metadata(&file).unwrap().len());
    assert!(matches!(export(&folder, &file, &mut quiet()), Err(DataError::InTheWay { .. })));
    drop(folder);

    // Cut off, flipped, with something behind it: nothing is left behind.
    let whole = fs::read(&file).unwrap();
    let target = outer.path().join("b");
    let bad = outer.path().join("bad.export");
    let refuse = |bytes: &[u8]| {
        fs::write(&bad, bytes).unwrap();
        let refused = import(&bad, &target, &mut quiet()).unwrap_err();
        assert!(!target.exists() && !outer.path().join("b.importing").exists());
        refused.to_string()
    };
    for cut in [0, 3, 40, whole.len() / 2, whole.len() - 1] {
        let said = refuse(&whole[..cut]);
        assert!(said.contains("the end of the file"), "{cut}: {said}");
    }
    for flip in [20, whole.len() / 2, whole.len() - 8] {
        let mut bytes = whole.clone();
        bytes[flip] ^= 4;
        let said = refuse(&bytes);
        assert!(said.contains("bad.export: "), "{flip}: {said}");
    }
    assert!(refuse(&[&whole[..], b"more"].concat()).contains("where its foot ends"));

    // Only into an empty folder.
    fs::create_dir(&target).unwrap();
    fs::write(target.join("mine"), "").unwrap();
    assert!(matches!(import(&file, &target, &mut quiet()), Err(DataError::InTheWay { .. })));
    assert!(target.join("mine").exists());
    fs::remove_file(target.join("mine")).unwrap();
    let report = import(&file, &target, &mut quiet()).unwrap();
    assert_eq!((report.keys, report.groups[0].turns, report.damage), (exported.records, 299, None));

    // A node serves the same from it.
    let turns = served(&target, "s3").await;
    assert_eq!(turns.len(), 43);
    assert_eq!(turns, served(&path, "s3").await);

    // And the sessions alone, for other programs.
    let lines = outer.path().join("sessions.jsonl");
    let folder = DataFolder::lock(&target).unwrap();
    assert_eq!(export_sessions(&folder, &lines, &mut quiet()).unwrap().records, 7);
    let text = fs::read_to_string(&lines).unwrap();
    let sessions: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(sessions.len(), 7);
    assert_eq!(sessions.iter().map(|s| s["turns"].as_array().unwrap().len()).sum::<usize>(), 299);
    assert_eq!((&sessions[3]["session"], &sessions[3]["shard"]), (&"s3".into(), &0.into()));
    assert_eq!(sessions[3]["turns"][0], serde_json::to_value(&turns[0]).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_folder_is_smaller_and_holds_the_same() {
    let outer = TempDir::new().unwrap();
    let path = outer.path().join("a");
    fill(&path, 2_000).await;
    let folder = DataFolder::lock(&path).unwrap();
    let before = verify(&folder, &mut quiet()).unwrap();
    let compaction = compact(&folder, &mut quiet()).unwrap();
    let after = verify(&folder, &mut quiet()).unwrap();
    println!("{compaction:?}, payload {}", before.payload_bytes);
    assert!(compaction.bytes_after < compaction.bytes_before * 2 / 3, "{compaction:?}");
    assert_eq!((after.keys, after.payload_bytes, after.damage), (before.keys, before.payload_bytes, None));
    assert_eq!(compaction.keys, before.keys);
    let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|f| f.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["LOCK", "db", "node.json", "snapshots"], "nothing is left over");
    drop(folder);

    // Cut off at every moment of the swap: the next one who opens the folder finds a whole database.
    let holds = |path: &Path| {
        let folder = DataFolder::lock(path).unwrap();
        let report = verify(&folder, &mut quiet()).unwrap();
        let names = fs::read_dir(path).unwrap().count();
        assert_eq!((report.damage, report.keys, names), (None, before.keys, 4));
    };
    let at = |name: &str| path.join(name);
    let copy_to = |name: &str| {
        fs::create_dir(at(name)).unwrap();
        for file in fs::read_dir(at("db")).unwrap().map(|f| f.unwrap().path()).filter(|f| f.is_file()) {
            fs::copy(&file, at(name).join(file.file_name().unwrap())).unwrap();
        }
    };
    fs::create_dir(at("db.copying")).unwrap();
    fs::write(at("db.copying/db"), "half").unwrap();
    holds(&path);
    copy_to("db.checked");
    holds(&path);
    copy_to("db.checked");
    fs::rename(at("db"), at("db.old")).unwrap();
    holds(&path);
    copy_to("db.old");
    holds(&path);
    fs::rename(at("db"), at("db.old")).unwrap();
    holds(&path);
    assert_eq!(served(&path, "s3").await.len(), 286);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_that_share_records_are_checked_one_by_one() {
    let outer = TempDir::new().unwrap();
    let path = outer.path().join("a");
    fill_as(&path, 300, true).await;
    let folder = DataFolder::lock(&path).unwrap();
    let report = verify(&folder, &mut quiet()).unwrap();
    assert_eq!((report.damage, report.groups[0].sessions, report.groups[0].turns), (None, 7, 299));

    let (group, s) = (GroupId(0), SessionId::new("s3").unwrap());
    let last = keys::turn(group, &s, 43);
    let record = put(&path, &last, None).expect("the last turn names its record");
    let damage = |key: &[u8], value: Vec<u8>| {
        put(&path, key, Some(value));
        let found = verify(&folder, &mut quiet()).unwrap().damage.expect("it must be found");
        put(&path, key, None);
        found
    };
    let mut flipped = record.clone();
    flipped[40] ^= 1;
    assert!(damage(&last, flipped).contains("key shard-0/state/turn/s3/43: checksum "));
    let named = damage(&keys::turn(group, &s, 44), record.clone());
    assert_eq!(named, "shard-0, key shard-0/state/turn/s3/44: a turn of number 43, expected the number in its key");
    let mut turns = codec::decode::<codec::TurnsRecord>(&record).unwrap().turns;
    turns.remove(0);
    let gap = damage(&last, codec::encode(&codec::TurnsRecord { turns }));
    assert!(gap.contains("expected turn "), "{gap}");
}
