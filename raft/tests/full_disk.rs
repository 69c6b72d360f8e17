//! What large entries and a full disk do to a cluster.

mod support;

use dialogue::{
    CommitOutcome, ShardId,
    ports::{Consistency, Journal, JournalError, Owner},
};
use std::time::Duration;
use support::{Cluster, block, session, turn, wait};

#[test]
fn a_log_of_large_entries_gets_its_snapshot_by_size() {
    let cluster = Cluster::with(1, |c| {
        c.raft.snapshot_after_entries = 1_000_000;
        c.raft.snapshot_after_bytes = 200_000;
        c.raft.log_entries_kept = 5;
    });
    let s = session("wordy");
    // openraft purges 64 entries at once, at least.
    for seq in 1..=200 {
        cluster.commit(&turn(&s, seq, &format!("k{seq}"), &"x".repeat(3_000)));
    }
    for node in cluster.running() {
        wait("every replica has built a snapshot and purged its log", || {
            node.status().shards[0].purged.is_some_and(|p| p > 5)
        });
    }
    // It does not go on building them: nothing is written any more.
    std::thread::sleep(Duration::from_millis(1_200));
    let before = cluster.node(0).status().shards[0].snapshot;
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(cluster.node(0).status().shards[0].snapshot, before);
}

#[test]
fn a_follower_with_a_full_disk_takes_nothing_and_catches_up_when_there_is_room() {
    let cluster = Cluster::with(1, |c| {
        c.raft.snapshot_after_entries = 40;
        c.raft.log_entries_kept = 5;
    });
    let s = session("talkative");
    let mut seq = 0;
    let mut commit = |count: u64| {
        for _ in 0..count {
            seq += 1;
            cluster.commit(&turn(&s, seq, &format!("k{seq}"), "hello"));
        }
        seq
    };
    commit(3);
    let full = (cluster.index_of(&cluster.leader_of(&s)) + 1) % 3;
    let node = cluster.node(full);
    let read = || block(node.turns(s.clone(), 0, 500, Consistency::Local)).map_or(0, |turns| turns.len() as u64);
    wait("it has what there is", || read() == 3);

    // No room: the others go on without it, and it stays in its place as a follower.
    node.set_free_disk_bytes_min(u64::MAX);
    let term = node.status().shards[0].term;
    commit(10);
    std::thread::sleep(Duration::from_millis(500));
    let held = node.status().shards[0].last_log;
    assert!(read() <= 4, "what was on its way came through, no more: {}", read());
    commit(10);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((node.status().shards[0].last_log, node.status().shards[0].term), (held, term));

    // Room again: the log, without a restart.
    node.set_free_disk_bytes_min(0);
    wait("it has caught up by log", || read() == 23);

    // No room until the log is gone: then no snapshot either.
    node.set_free_disk_bytes_min(u64::MAX);
    let last = commit(100);
    let leader = cluster.leader_of(&s);
    wait("the leader has purged what it lacks", || leader.status().shards[0].purged.is_some_and(|p| p > 60));
    std::thread::sleep(Duration::from_millis(1_000));
    assert!(read() <= 24, "{}", read());
    node.set_free_disk_bytes_min(0);
    wait("it has caught up by snapshot", || read() == last);
}

/// The drill full-disk has found that the node kept its leaderships, and refused the turns of its shards.
#[test]
fn a_leader_without_room_makes_way_and_takes_nothing_back_until_there_is_some() {
    let cluster = Cluster::new(3);
    cluster.wait_balanced();
    let s = session("leaving");
    let full = cluster.leader_of(&s);
    let shard = full.shard_of(&s);
    full.set_free_disk_bytes_min(u64::MAX);
    // Asked before it has looked at its disk, it may refuse; from then on it names who leads.
    wait("another takes the turn", || match block(full.commit(turn(&s, 1, "k1", "hello"))) {
        Err(JournalError::NotLeader { leader: Some(leader), .. }) => leader != full.id(),
        Err(JournalError::NotLeader { leader: None, .. } | JournalError::StorageFull { .. }) => false,
        other => panic!("{other:?}"),
    });
    cluster.commit(&turn(&s, 1, "k1", "hello"));
    let leads = || (0..3).any(|shard| full.owner(ShardId(shard)) == Owner::Local);
    wait("it leads nothing", || !leads());

    // Longer than a well member waits for what belongs to it.
    std::thread::sleep(Duration::from_secs(6));
    assert!(!leads());
    full.set_free_disk_bytes_min(0);
    wait("its shard comes back", || full.owner(shard) == Owner::Local);
    assert_eq!(block(full.commit(turn(&s, 2, "k2", "hello"))), Ok(CommitOutcome::Committed { seq: 2 }));
}

#[test]
fn without_room_anywhere_writes_are_refused_and_reads_are_not() {
    let cluster = Cluster::new(1);
    let s = session("full");
    cluster.commit(&turn(&s, 1, "k1", "hello"));
    // Too little for whoever proposes, and enough for followers, which hold out to half of it.
    let free_bytes = cluster.node(0).status().disk_free_bytes;
    cluster.running().for_each(|node| node.set_free_disk_bytes_min(free_bytes + free_bytes / 2));
    // While some do not know yet that others are full, the leadership may wander.
    let mut leader = cluster.leader_of(&s);
    wait("writes are refused", || {
        leader = cluster.leader_of(&s);
        matches!(block(leader.commit(turn(&s, 2, "k2", "hello"))), Err(JournalError::StorageFull { .. }))
    });
    std::thread::sleep(Duration::from_millis(300));
    leader = cluster.leader_of(&s);
    let refused = block(leader.commit(turn(&s, 2, "k2", "hello")));
    assert!(matches!(&refused, Err(JournalError::StorageFull { .. })), "{refused:?}");
    assert_eq!(block(leader.load(s.clone())).unwrap().seq, 1);
    cluster.running().for_each(|node| node.set_free_disk_bytes_min(0));
    wait("writes are taken again", || block(leader.commit(turn(&s, 2, "k2", "hello"))).is_ok());
}
