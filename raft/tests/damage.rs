//! A record of a session that is damaged behind a running cluster's back.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod support;

use dialogue::ports::{Journal, JournalError, Owner};
use support::{Cluster, block, session, turn, wait};
use tertulia_raft::{
    GroupId,
    store::{SledStore, Store, keys},
};

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

    // A bit of one turn is another, on this node only.
    let store = SledStore::open(&cluster.configs[damaged].data_dir.join("db"), 8 << 20).unwrap();
    let (first, behind) = (keys::turn(GroupId(0), &s, 0), keys::behind_turns(GroupId(0), &s));
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
