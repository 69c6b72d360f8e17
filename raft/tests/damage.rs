//! A record of a session that is damaged behind a running cluster's back.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod support;

use dialogue::{
    SessionId,
    ports::{Consistency, Journal, JournalError, Owner},
};
use support::{Cluster, block, session, turn, wait};
use tertulia_raft::{
    GroupId,
    store::{SledStore, Store, keys},
};

/// A bit of one turn is another, on this stopped node only.
fn flip_a_bit_of(cluster: &Cluster, node: usize, s: &SessionId) {
    let store = SledStore::open(&cluster.configs[node].data_dir.join("db"), 8 << 20).unwrap();
    let (first, behind) = (keys::turn(GroupId(0), s, 0), keys::behind_turns(GroupId(0), s));
    let mut record = None;
    let mut take_first = |key: &[u8], value: &[u8]| {
        record = Some((key.to_vec(), value.to_vec()));
        Ok(false)
    };
    store.scan(&first, &behind, &mut take_first).unwrap();
    let (key, mut value) = record.expect("the session has turns");
    *value.last_mut().unwrap() ^= 1;
    store.apply(vec![(key, Some(value.into()))]).unwrap();
    store.barrier().unwrap();
    store.close();
}

/// The simulator has found (seed 1201) that the leader went on to lead, and the session's turns were refused for ever.
#[test]
fn a_leader_that_cannot_read_a_session_makes_room_for_one_that_can() {
    let mut cluster = Cluster::new(1);
    let s = session("damaged");
    for seq in 1..=3 {
        cluster.commit(&turn(&s, seq, &format!("k{seq}"), "hello"));
    }
    let damaged = cluster.index_of(&cluster.leader_of(&s));
    block(cluster.node(damaged).shutdown());
    cluster.kill(damaged);

    flip_a_bit_of(&cluster, damaged, &s);
    cluster.start(damaged);
    cluster.wait_ready();
    let node = cluster.node(damaged).clone();
    wait("the shard goes back to its preferred member", || node.owner(node.shard_of(&s)) == Owner::Local);
    let read = block(node.load(s.clone()));
    assert!(matches!(&read, Err(JournalError::Store { detail }) if detail.contains("checksum")), "{read:?}");
    assert!(!node.is_ready());
    wait("it leads nothing any more", || node.owner(node.shard_of(&s)) != Owner::Local);
    // The others have all of it, while it runs.
    assert_eq!(block(cluster.leader_of(&s).load(s.clone())).unwrap().turns.len(), 3);
    cluster.commit(&turn(&s, 4, "k4", "on"));
}

/// The simulator has found that a leader whose record of a turn was damaged sent it on, in the snapshot for a follower.
#[test]
fn damage_does_not_travel_in_a_snapshot() {
    let mut cluster = Cluster::with(1, |c| {
        c.raft.snapshot_after_entries = 20;
        c.raft.log_entries_kept = 5;
    });
    cluster.wait_balanced();
    let (s, other) = (session("damaged"), session("talkative"));
    for seq in 1..=3 {
        cluster.commit(&turn(&s, seq, &format!("k{seq}"), "hello"));
    }
    let damaged = cluster.index_of(&cluster.leader_of(&s));
    let lagging = (damaged + 1) % 3;
    block(cluster.node(damaged).shutdown());
    cluster.kill(damaged);
    flip_a_bit_of(&cluster, damaged, &s);
    cluster.start(damaged);
    cluster.wait_ready();
    let leader = cluster.node(damaged).clone();
    wait("the shard goes back to its preferred member", || leader.owner(leader.shard_of(&s)) == Owner::Local);

    // The log that a follower lacks is gone. Nobody has read the damaged turn by then.
    cluster.kill(lagging);
    // It may begin to copy before the follower is back, and then serves nothing any more.
    let mut last = 0;
    while last < 120 {
        match block(leader.commit(turn(&other, last + 1, &format!("k{}", last + 1), "hello"))) {
            Ok(_) => last += 1,
            Err(JournalError::Store { .. }) => break,
            Err(e) => assert!(e.is_retryable(), "{e}"),
        }
    }
    let purged = || leader.status().shards[0].purged.is_some_and(|p| p > 60);
    wait("the leader has purged what it lacks", || !leader.is_ready() || purged());
    cluster.start(lagging);
    let node = cluster.node(lagging).clone();
    let held = |s: &SessionId| block(node.turns(s.clone(), 0, 500, Consistency::Local)).map(|turns| turns.len());
    wait("it has a snapshot, of one whose data is whole", || held(&other).is_ok_and(|n| n as u64 >= last));
    assert_eq!(held(&s), Ok(3));
    assert!(!leader.is_ready());
    wait("the damaged node leads nothing", || leader.owner(leader.shard_of(&s)) != Owner::Local);
}
