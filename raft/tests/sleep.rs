//! Idle groups sleep, and nobody notices but the processor.
// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod support;

use dialogue::{
    CommitOutcome, ShardId,
    ports::{Consistency, Journal, Owner},
};
use std::{sync::Arc, time::Duration};
use support::{Cluster, block, five, not_leader_to, session, turn, wait};
use tertulia_raft::{GroupStatus, Node, Role, admin::Ask};

/// How long a group is idle before it sleeps, in milliseconds.
const IDLE_MS: u64 = 300;

fn cluster(shards: u32) -> Cluster {
    Cluster::with(shards, |c| c.raft.idle_sleep_ms = IDLE_MS)
}

fn groups(node: &Node) -> Vec<GroupStatus> {
    let status = node.status();
    status.shards.into_iter().chain([status.control]).collect()
}

fn wait_asleep(cluster: &Cluster) {
    wait("all groups sleep", || cluster.running().all(|n| groups(n).iter().all(|g| g.asleep)));
}

fn terms(cluster: &Cluster) -> Vec<u64> {
    let nodes = cluster.running().collect::<Vec<_>>();
    groups(nodes[0]).iter().map(|g| g.term).collect()
}

fn all_on(node: &Arc<Node>, s: &dialogue::SessionId, turns: usize) {
    wait("the node has caught up", || {
        block(node.turns(s.clone(), 0, 100, Consistency::Local)).is_ok_and(|found| found.len() == turns)
    });
}

#[test]
fn idle_groups_sleep_until_they_are_used() {
    let cluster = cluster(4);
    let s = session("sleeper");
    assert_eq!(cluster.commit(&turn(&s, 1, "k1", "good night")), CommitOutcome::Committed { seq: 1 });
    cluster.wait_balanced();
    wait_asleep(&cluster);

    // Asleep for many election timeouts: nobody is missed, nobody is elected, and all are well.
    let before = terms(&cluster);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(terms(&cluster), before, "somebody was elected although the leaders are there");
    for node in cluster.running() {
        assert!(node.is_ready() && groups(node).iter().all(|g| g.asleep));
        let heard = groups(node).into_iter().flat_map(|g| g.followers).map(|f| f.heard_ms_ago);
        assert!(heard.flatten().all(|ms| ms < 900), "the pulse says who is alive");
    }

    // A read wakes the group that it is of, and is answered.
    let (leader, shard) = (cluster.leader_of(&s), cluster.node(0).shard_of(&s).0 as usize);
    let barriers: u64 = cluster.running().map(|n| n.barriers()).sum();
    assert_eq!(block(leader.load(s.clone())).unwrap().seq, 1);
    assert!(!leader.status().shards[shard].asleep);
    assert_eq!(groups(&leader).iter().filter(|g| !g.asleep).count(), 1, "the others sleep on");
    assert_eq!(barriers, cluster.running().map(|n| n.barriers()).sum::<u64>(), "nothing was written to wake it");
    wait_asleep(&cluster);

    // So does a write.
    assert_eq!(block(leader.commit(turn(&s, 2, "k2", "who is there?"))), Ok(CommitOutcome::Committed { seq: 2 }));
    assert!(!leader.status().shards[shard].asleep);
    cluster.running().for_each(|node| all_on(node, &s, 2));
    wait_asleep(&cluster);
    assert_eq!(terms(&cluster), before);
}

#[test]
fn a_group_sleeps_only_if_all_its_members_do() {
    let cluster = Cluster::with(1, |c| c.raft.idle_sleep_ms = if c.node == 2 { 0 } else { 200 });
    let s = session("light");
    cluster.commit(&turn(&s, 1, "k1", "hello"));
    std::thread::sleep(Duration::from_secs(2));
    for node in cluster.running() {
        let awake = |g: &GroupStatus| !g.asleep || g.role == Role::Follower;
        assert!(groups(node).iter().all(awake), "a leader has left a follower whose election timer runs");
        assert!(node.id().0 != 2 || groups(node).iter().all(|g| !g.asleep));
    }
}

#[test]
fn a_leader_that_dies_while_its_groups_sleep_is_replaced() {
    let mut cluster = cluster(3);
    let s = session("widow");
    cluster.commit(&turn(&s, 1, "k1", "hello"));
    wait_asleep(&cluster);
    let dead = cluster.index_of(&cluster.leader_of(&s));
    cluster.kill(dead);
    // Nobody uses the group: silence alone is enough.
    wait("every shard has another leader", || {
        (0..3).all(|shard| cluster.running().any(|n| n.owner(ShardId(shard)) == Owner::Local))
    });
    assert_eq!(cluster.commit(&turn(&s, 2, "k2", "hello")), CommitOutcome::Committed { seq: 2 });
    assert_eq!(block(cluster.leader_of(&s).load(s.clone())).unwrap().seq, 2);

    // It comes back as one of them, and all sleep again.
    cluster.start(dead);
    cluster.wait_ready();
    all_on(cluster.node(dead), &s, 2);
    wait_asleep(&cluster);
    cluster.commit(&turn(&s, 3, "k3", "hello"));
}

#[test]
fn a_follower_that_begins_anew_is_let_in_by_a_sleeping_leader() {
    let mut cluster = cluster(1);
    let s = session("returner");
    cluster.commit(&turn(&s, 1, "k1", "hello"));
    wait_asleep(&cluster);
    let leader = cluster.leader_of(&s);
    let follower = (cluster.index_of(&leader) + 1) % 3;
    let term = leader.status().shards[0].term;
    for seq in 2..=4 {
        cluster.kill(follower);
        cluster.start(follower);
        cluster.wait_ready();
        // Its election timer ran from its start, while the others slept.
        assert_eq!(leader.status().shards[0].term, term, "it has deposed a leader that was there");
        wait_asleep(&cluster);
        assert_eq!(block(leader.commit(turn(&s, seq, &format!("k{seq}"), "x"))), Ok(CommitOutcome::Committed { seq }));
        all_on(cluster.node(follower), &s, seq as usize);
        wait_asleep(&cluster);
    }
}

#[test]
fn a_leader_that_was_frozen_in_its_sleep_does_not_answer_from_the_past() {
    let cluster = cluster(1);
    let s = session("dreamer");
    cluster.commit(&turn(&s, 1, "k1", "hello"));
    wait_asleep(&cluster);
    let old = cluster.leader_of(&s);
    let others = || cluster.running().filter(|n| n.id() != old.id());
    let frozen = cluster.freeze(cluster.index_of(&old));
    wait("another leads", || others().any(|n| n.owner(ShardId(0)) == Owner::Local));
    let new = others().find(|n| n.owner(ShardId(0)) == Owner::Local).unwrap();
    wait("the new leader takes a write", || block(new.commit(turn(&s, 2, "k2", "hello"))).is_ok());

    // The old leader wakes with a read in its hands, and believes that it leads.
    assert_eq!(old.owner(ShardId(0)), Owner::Local);
    std::thread::scope(|scope| {
        let read = scope.spawn(|| block(old.load(s.clone())));
        std::thread::sleep(Duration::from_millis(50));
        drop(frozen);
        match read.join().unwrap() {
            Ok(found) => assert_eq!(found.seq, 2, "a read from the past"),
            Err(e) if e.is_retryable() => {}
            Err(e) => panic!("{e}"),
        }
    });
    wait("it follows", || old.owner(ShardId(0)) == Owner::Remote(new.id()));
    wait("it says who leads", || block(old.load(s.clone())).is_err_and(|e| not_leader_to(&e) == Some(new.id())));
    all_on(&old, &s, 2);
    wait_asleep(&cluster);
}

#[test]
fn a_shard_moves_out_of_its_sleep() {
    let cluster = five::Cluster::new();
    let s = session("mover");
    let say = |seq: u64| cluster.commit(&turn(&s, seq, &format!("k{seq}"), "hello"), support::PATIENCE);
    assert_eq!(say(1), CommitOutcome::Committed { seq: 1 });
    let leaders_sleep = || {
        let led = |n: &Arc<Node>| groups(n).into_iter().filter(|g| g.role == Role::Leader).collect::<Vec<_>>();
        let led: Vec<GroupStatus> = cluster.running().iter().flat_map(led).collect();
        led.len() == five::SHARDS as usize + 1 && led.iter().all(|g| g.asleep)
    };
    wait("all groups sleep", leaders_sleep);
    let shard = cluster.node(1).shard_of(&s).0;
    let placed = cluster.status().placement[shard as usize].clone();
    let from = placed.voters[0];
    // Two nodes in each of the first two zones; the last has one.
    let zone_of = |node: u64| (node - 1) / 2;
    let from = if zone_of(from) == 2 { placed.voters[1] } else { from };
    let to = (1..=5).find(|n| *n != from && zone_of(*n) == zone_of(from)).unwrap();
    cluster.ask(&Ask::Move { shard, from, to }).unwrap();
    cluster.wait_settled();
    assert!(cluster.status().placement[shard as usize].voters.contains(&to));
    assert_eq!(say(2), CommitOutcome::Committed { seq: 2 });
    wait("all groups sleep again", leaders_sleep);
}
