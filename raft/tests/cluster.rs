//! Three nodes in one process: what a journal promises, with and without trouble.

mod support;

use dialogue::{
    CommitOutcome,
    limits::COMMIT_BYTES_MAX,
    ports::{Consistency, Journal, JournalError, Owner},
};
use support::{Cluster, block, not_leader_to, session, turn, wait};

#[test]
fn a_turn_is_committed_once_fenced_and_visible_everywhere() {
    let cluster = Cluster::new(4);
    cluster.wait_balanced();
    let alice = session("alice");
    let leader = cluster.leader_of(&alice);

    // The first turn is taken; every replica has it soon.
    let first = turn(&alice, 1, "k1", "hi");
    assert_eq!(block(leader.commit(first.clone())), Ok(CommitOutcome::Committed { seq: 1 }));
    for node in cluster.running() {
        wait("the turn is on every node", || {
            block(node.turns(alice.clone(), 0, 10, Consistency::Local)).unwrap() == [first.turn.clone()]
        });
    }

    // A retry under the same key appends nothing, whatever sequence number it thinks of.
    let mut retry = turn(&alice, 2, "k1", "hi, again?");
    assert_eq!(block(leader.commit(retry.clone())), Ok(CommitOutcome::Replayed(Box::new(first.turn.clone()))));
    retry.expected_seq = 7;
    assert_eq!(block(leader.commit(retry)), Ok(CommitOutcome::Replayed(Box::new(first.turn.clone()))));

    // Who is behind the session, or ahead of it, is fenced.
    assert_eq!(block(leader.commit(turn(&alice, 1, "k2", "late"))), Ok(CommitOutcome::Fenced { actual_seq: 1 }));
    assert_eq!(block(leader.commit(turn(&alice, 5, "k2", "early"))), Ok(CommitOutcome::Fenced { actual_seq: 1 }));
    assert_eq!(block(leader.commit(turn(&alice, 2, "k2", "on"))), Ok(CommitOutcome::Committed { seq: 2 }));

    // Reads: linearizable on the leader, elsewhere it is named.
    let loaded = block(leader.load(alice.clone())).unwrap();
    assert_eq!((loaded.seq, loaded.turns.len()), (2, 2));
    let recorded = block(leader.recorded(alice.clone(), first.turn.key.clone())).unwrap();
    assert_eq!(recorded.as_ref(), Some(&first.turn));
    let follower = cluster.running().find(|n| n.id() != leader.id()).unwrap();
    assert_eq!(follower.owner(follower.shard_of(&alice)), Owner::Remote(leader.id()));
    assert_eq!(not_leader_to(&block(follower.load(alice.clone())).unwrap_err()), Some(leader.id()));
    let refused = block(follower.commit(turn(&alice, 3, "k3", "no"))).unwrap_err();
    assert_eq!(not_leader_to(&refused), Some(leader.id()));
    let nobody = session("nobody");
    assert_eq!(block(cluster.leader_of(&nobody).load(nobody)).unwrap().seq, 0);

    // What is too large is refused before it is proposed.
    let large = turn(&alice, 3, "k3", &"x".repeat(COMMIT_BYTES_MAX));
    assert!(matches!(block(leader.commit(large)), Err(JournalError::TooLarge { limit: COMMIT_BYTES_MAX, .. })));

    assert_eq!(block(leader.commit(turn(&alice, 3, "k3", "x"))), Ok(CommitOutcome::Committed { seq: 3 }));

    // The control group has recorded who is there, and leaders are spread.
    wait("the members are recorded", || {
        let state = block(cluster.node(2).control()).unwrap();
        state.members.len() == 3 && state.feature_level == tertulia_raft::FEATURE_LEVEL
    });
    let status = cluster.node(0).status();
    assert_eq!((status.shards.len(), status.control.shard), (4, None));
    assert!(status.ready && status.barriers > 0);
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<tertulia_raft::NodeStatus>(&text).unwrap(), status);
}

#[test]
fn nothing_acknowledged_is_lost_when_leaders_are_killed_and_come_back() {
    let mut cluster = Cluster::new(3);
    let sessions: Vec<_> = (0..6).map(|i| session(&format!("s{i}"))).collect();
    let mut seq = 0;
    let mut acknowledge_one_more = |cluster: &Cluster| {
        seq += 1;
        for s in &sessions {
            let outcome = cluster.commit(&turn(s, seq, &format!("key-{seq}"), "hello"));
            let known = match &outcome {
                CommitOutcome::Committed { seq } => *seq,
                CommitOutcome::Replayed(turn) => turn.seq,
                CommitOutcome::Fenced { actual_seq } => panic!("{s} is fenced at {actual_seq}"),
            };
            assert_eq!(known, seq);
        }
        seq
    };
    acknowledge_one_more(&cluster);

    // Each node in turn leads, is killed without a word, misses turns and comes back.
    let mut last = 0;
    for led in &sessions[..3] {
        let victim = cluster.index_of(&cluster.leader_of(led));
        cluster.kill(victim);
        acknowledge_one_more(&cluster);
        last = acknowledge_one_more(&cluster);
        cluster.start(victim);
        cluster.wait_ready();
    }

    // All of it is on all nodes, once and in order.
    for node in cluster.running() {
        for s in &sessions {
            let read = || block(node.turns(s.clone(), 0, 100, Consistency::Local)).unwrap();
            wait("the node has caught up", || read().len() as u64 == last);
            let turns = read();
            assert!(turns.iter().zip(1..).all(|(t, seq)| t.seq == seq && t.key.as_str() == format!("key-{seq}")));
        }
    }

    // The whole cluster at once, then everything from the disks.
    (0..3).for_each(|i| cluster.kill(i));
    (0..3).for_each(|i| cluster.start(i));
    cluster.wait_ready();
    for s in &sessions {
        assert_eq!(block(cluster.leader_of(s).load(s.clone())).unwrap().seq, last);
    }
}

#[test]
fn a_follower_that_lags_behind_the_log_gets_a_snapshot() {
    let mut cluster = Cluster::with(1, |c| {
        c.raft.snapshot_after_entries = 20;
        c.raft.log_entries_kept = 5;
    });
    let s = session("talkative");
    cluster.commit(&turn(&s, 1, "k1", "hello"));
    let lagging = (cluster.index_of(&cluster.leader_of(&s)) + 1) % 3;
    cluster.kill(lagging);
    for seq in 2..=120 {
        cluster.commit(&turn(&s, seq, &format!("k{seq}"), &"x".repeat(5_000)));
    }
    let leader = cluster.leader_of(&s);
    wait("the log is purged", || leader.status().shards[0].purged.is_some_and(|p| p > 60));

    cluster.start(lagging);
    cluster.wait_ready();
    let node = cluster.node(lagging);
    wait("the snapshot and the tail are there", || {
        block(node.turns(s.clone(), 0, 500, Consistency::Local)).is_ok_and(|turns| turns.len() == 120)
    });
    // What the node says of itself follows its state at a distance.
    wait("the node says that it came by snapshot", || node.status().shards[0].purged > Some(60));

    // It is as good as any other: it remembers keys, and a restart finds what it was sent.
    cluster.kill(lagging);
    cluster.start(lagging);
    cluster.wait_ready();
    let node = cluster.node(lagging);
    let key = turn(&s, 7, "k7", "").turn.key;
    assert_eq!(block(node.recorded(s.clone(), key)).unwrap().unwrap().seq, 7);
    assert_eq!(block(node.turns(s, 0, 500, Consistency::Local)).unwrap().len(), 120);
}

#[test]
fn a_node_that_shuts_down_hands_its_shards_over_first() {
    let mut cluster = Cluster::new(3);
    let s = session("planned");
    cluster.commit(&turn(&s, 1, "k1", "hello"));
    let leaving = cluster.index_of(&cluster.leader_of(&s));
    let node = cluster.node(leaving).clone();
    let begun = std::time::Instant::now();
    block(node.shutdown());
    assert!(begun.elapsed() < support::PATIENCE);
    assert!(matches!(block(node.commit(turn(&s, 2, "k2", "x"))), Err(JournalError::ShuttingDown)));
    assert!(!node.is_ready());
    // Its folder and port are free although the handle lives.
    cluster.kill(leaving);
    cluster.commit(&turn(&s, 2, "k2", "on"));
    cluster.start(leaving);
    cluster.wait_ready();
    cluster.commit(&turn(&s, 3, "k3", "on"));
}

#[test]
fn who_writes_to_a_node_that_shuts_down_is_sent_once_to_who_leads_already() {
    let cluster = Cluster::new(4);
    cluster.wait_balanced();
    let leaving = cluster.node(0).clone();
    let led = (0..).map(|i| session(&format!("s{i}")));
    let led = led.filter(|s| leaving.owner(leaving.shard_of(s)) == Owner::Local);
    let sessions: Vec<_> = led.take(8).collect();
    std::thread::scope(|scope| {
        let clients: Vec<_> = sessions
            .iter()
            .map(|s| {
                let (cluster, leaving) = (&cluster, &leaving);
                scope.spawn(move || {
                    for seq in 1.. {
                        // No attempt is repeated: each answer must be the last word.
                        match block(leaving.commit(turn(s, seq, &format!("k{seq}"), "hello"))) {
                            Ok(outcome) => assert_eq!(outcome, CommitOutcome::Committed { seq }),
                            Err(e) => {
                                let next = not_leader_to(&e).unwrap_or_else(|| panic!("{s} turn {seq}: {e}"));
                                let next = cluster.running().find(|n| n.id() == next).expect("it runs");
                                let there = block(next.commit(turn(s, seq, &format!("k{seq}"), "hello")));
                                assert_eq!(there, Ok(CommitOutcome::Committed { seq }), "{s} at {}", next.id().0);
                                return seq;
                            }
                        }
                    }
                    unreachable!("numbers do not end")
                })
            })
            .collect();
        wait("turns are committed", || {
            sessions.iter().all(|s| block(leaving.turns(s.clone(), 0, 9, Consistency::Local)).unwrap().len() > 3)
        });
        block(leaving.shutdown());
        for client in clients {
            assert!(client.join().expect("a client was refused, or left without an answer") > 3);
        }
    });
    assert!(matches!(block(leaving.commit(turn(&sessions[0], 1, "k1", "x"))), Err(JournalError::ShuttingDown)));
}

#[test]
fn many_sessions_share_barriers() {
    let cluster = Cluster::new(4);
    let before: u64 = cluster.running().map(|n| n.barriers()).sum();
    let commits = 400;
    std::thread::scope(|scope| {
        for worker in 0..20 {
            let cluster = &cluster;
            scope.spawn(move || {
                let s = session(&format!("w{worker}"));
                (1..=commits / 20).for_each(|seq| {
                    cluster.commit(&turn(&s, seq, &format!("k{seq}"), "hello"));
                });
            });
        }
    });
    let barriers = cluster.running().map(|n| n.barriers()).sum::<u64>() - before;
    // Alone, every commit costs a barrier on each of three nodes.
    assert!(barriers < 3 * commits, "{barriers} barriers for {commits} commits on three nodes");
}
