//! The benches of the bare log, once and small: that they run, and that nothing is lost on the way.

use std::{path::PathBuf, time::Duration};
use tertulia_chaos_tests::bench::{failover, idle, replication, snapshot};

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_tertulia-replica"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_measures_every_number_of_clients() {
    let place = tempfile::tempdir().unwrap();
    let options = replication::ReplicationOptions {
        clients: vec![1, 8],
        shards: 3,
        rounds: 1,
        load: Duration::from_millis(500),
        etcd: false,
        program: program(),
        place: place.path().to_owned(),
    };
    let results = replication::run(&options).await.unwrap();
    assert_eq!(results.rows.len(), 8, "four figures for each number of clients");
    assert!(results.rows.iter().all(|row| row.ours > 0.0 && row.peer.is_none()), "{:?}", results.rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failover_serves_the_clients_of_a_killed_and_of_a_stopped_leader_again() {
    let place = tempfile::tempdir().unwrap();
    let options = failover::FailoverOptions {
        clients: 4,
        rounds: 1,
        planned: 1,
        moves: 1,
        etcd: None,
        program: program(),
        place: place.path().to_owned(),
    };
    // A write that is lost or doubled is an error: every client numbers its own.
    let results = failover::run(&options).await.unwrap();
    assert_eq!(results.rows.len(), 10, "{:?}", results.rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_gets_a_snapshot_under_load() {
    let place = tempfile::tempdir().unwrap();
    let options = snapshot::SnapshotOptions {
        sessions: 300,
        clients: 8,
        rounds: 1,
        load: Duration::from_secs(4),
        program: program(),
        place: place.path().to_owned(),
    };
    let results = snapshot::run(&options).await.unwrap();
    assert_eq!(results.rows.len(), 7, "{:?}", results.rows);
    assert!(results.rows.iter().all(|row| row.ours > 0.0), "{:?}", results.rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_shards_are_measured_asleep_and_awake() {
    let place = tempfile::tempdir().unwrap();
    let options = idle::IdleOptions::new(program(), place.path().to_owned(), true);
    let results = idle::run(&options).await.unwrap();
    assert!(results.rows[0].ours >= 0.0 && results.rows[0].peer > Some(0.0), "{:?}", results.rows);
}
