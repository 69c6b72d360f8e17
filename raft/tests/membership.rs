//! Nodes come, hand over, are lost and replaced; shards move. All under a light load: nothing is lost or doubled.

mod support;

use cluster_config::NodeConfig;
use dialogue::{
    CommitOutcome, ShardId,
    ports::{Consistency, Journal, JournalError, Owner},
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use support::{
    PATIENCE, block, damage_vote,
    five::{Cluster, Load, SHARDS},
    free_ports, session, try_start, turn, wait,
};
use tertulia_raft::{
    NodeState, Role, StartError,
    admin::{Answer, Ask},
};

#[test]
fn a_node_is_added_and_takes_its_share_then_drained_and_removed() {
    let cluster = Cluster::new();
    let load = Load::start(&cluster);
    load.go_on();

    // The new node joins, and takes nothing by itself.
    let new = cluster.add("c", None);
    assert_eq!(new, 6);
    cluster.start(new);
    wait("the new node is ready", || cluster.node(new).is_ready());
    wait("it is heard of", || cluster.status().nodes.iter().any(|n| n.node == new && n.alive));
    assert_eq!(cluster.status().nodes.last().unwrap().shards, 0);

    // It knows who leads the shards that it does not hold.
    let shard = ShardId(0);
    wait(
        "the pulse tells who leads",
        || matches!(cluster.node(new).owner(shard), Owner::Remote(leader) if cluster.leader_of(shard).id() == leader),
    );
    let stranger = (0..).map(|i| session(&format!("s{i}"))).find(|s| cluster.node(new).shard_of(s) == shard).unwrap();
    let local = block(cluster.node(new).turns(stranger, 0, 9, Consistency::Local));
    assert!(matches!(local, Err(JournalError::NotLeader { leader: Some(_), .. })), "{local:?}");

    // Balanced, it has half of what its zone holds.
    assert_eq!(cluster.ask(&Ask::Balance).unwrap(), Answer::Placed(u64::from(SHARDS / 2)));
    cluster.wait_settled();
    assert_eq!(cluster.status().nodes.last().unwrap().shards, SHARDS as usize / 2);
    load.go_on();

    // Another node goes: first its shards, then itself.
    let refused = cluster.ask(&Ask::Remove { node: 1, force: false }).unwrap_err().to_string();
    assert!(refused.contains("node 1 is to hold") && refused.contains("drain it first"), "{refused}");
    let refused = cluster.ask(&Ask::Remove { node: 1, force: true }).unwrap_err().to_string();
    assert!(refused.contains("node 1 is alive"), "{refused}");
    cluster.ask(&Ask::Drain { node: 1, undo: false }).unwrap();
    let on_the_other = |shards: usize| cluster.status().nodes[1].shards == shards;
    wait("its shards are placed elsewhere", || on_the_other(SHARDS as usize));
    cluster.wait_settled();
    wait("the control group goes on without it", || !cluster.status().control.voters.contains(&1));
    // What it held is wiped.
    let node = cluster.node(1);
    wait("its replicas are wiped", || node.status().shards.iter().all(|g| g.last_log.is_none()));
    drop(node);
    cluster.kill(1);
    cluster.ask(&Ask::Remove { node: 1, force: false }).unwrap();
    assert_eq!(cluster.status().nodes[0].state, NodeState::Removed);
    load.go_on();
    load.finish(&cluster);

    // It was away when it was removed: its peers tell it.
    cluster.start(1);
    let late = turn(&session("late"), 1, "late", "hello");
    wait("it hears that it is no longer wanted", || {
        let refused = block(cluster.node(1).commit(late.clone())).unwrap_err().to_string();
        refused.contains("node 1 was removed from the cluster")
    });
    assert!(!cluster.node(1).is_ready());

    // It is refused from now on, with its old folder and with an empty one.
    cluster.kill(1);
    let mut again = cluster.configs.read()[&new].clone();
    (again.node, again.zone, again.data_dir) = (1, "a".into(), cluster.folder.path().join("again"));
    again.peer.listen.set_port(free_ports(1)[0]);
    let refused = try_start(&again).err().expect("it must not start").to_string();
    assert!(refused.contains("node 1 was removed from the cluster"), "{refused}");
}

#[test]
fn a_lost_node_is_replaced() {
    let cluster = Cluster::new();
    let load = Load::start(&cluster);
    load.go_on();

    // The only node of zone c dies, and with it a voter of every group.
    cluster.kill(5);
    load.go_on();
    let refused = cluster.ask(&Ask::Drain { node: 5, undo: false }).unwrap_err().to_string();
    assert!(refused.contains("only one in zone \"c\""), "{refused}");
    let new = cluster.add("c", Some(5));
    cluster.start(new);
    cluster.wait_settled();
    wait("the lost node is removed by itself", || cluster.status().nodes[4].state == NodeState::Removed);
    let status = cluster.status();
    assert!(status.placement.iter().all(|p| p.voters.contains(&new)), "{status:?}");
    assert_eq!(status.control.voters, [1, 3, new]);
    load.go_on();

    // Now any of the others may go.
    cluster.kill(1);
    load.go_on();
    load.finish(&cluster);
}

#[test]
fn a_lost_node_is_removed_when_its_zone_has_another() {
    let cluster = Cluster::new();
    let load = Load::start(&cluster);
    load.go_on();
    cluster.kill(2);
    wait("it is missed", || cluster.status().nodes.iter().any(|n| n.node == 2 && !n.alive));
    // Not while a group would lose its quorum.
    cluster.kill(5);
    wait("it is missed", || cluster.status().nodes.iter().any(|n| n.node == 5 && !n.alive));
    let refused = cluster.ask(&Ask::Remove { node: 2, force: true }).unwrap_err().to_string();
    assert!(refused.contains("it could not go on"), "{refused}");
    cluster.start(5);
    wait("it is back", || cluster.status().nodes.iter().all(|n| n.alive || n.node == 2));
    cluster.ask(&Ask::Remove { node: 2, force: true }).unwrap();
    wait("it is removed", || cluster.status().nodes[1].state == NodeState::Removed);
    cluster.wait_settled();
    load.go_on();
    load.finish(&cluster);
}

#[test]
fn a_shard_moves_while_its_leaders_are_killed() {
    let cluster = Cluster::new();
    let load = Load::start(&cluster);
    load.go_on();
    for round in 0..3 {
        // From the node of zone a that holds the shard to the other one.
        let shard = round % SHARDS;
        let from = cluster.status().placement[shard as usize].voters[0];
        let to = 3 - from;
        assert!([1, 2].contains(&from));
        cluster.ask(&Ask::Move { shard, from, to }).unwrap();
        // Whoever drives the change is killed in the middle of it: a little later each time.
        std::thread::sleep(Duration::from_millis(u64::from(round) * 60));
        let victim = cluster.leader_of(ShardId(shard)).id().0;
        cluster.kill(victim);
        std::thread::sleep(Duration::from_millis(300));
        cluster.start(victim);
        cluster.wait_settled();
        assert!(cluster.status().placement[shard as usize].voters.contains(&to));
    }
    load.go_on();
    load.finish(&cluster);
}

#[test]
fn a_wiped_replica_helps_no_outdated_voter_to_lead() {
    let cluster = Cluster::new();
    let placement = cluster.status().placement;
    let entry =
        placement.iter().find(|p| p.voters == [1, 3, 5] || p.voters == [1, 4, 5]).expect("node 1 holds a shard");
    let (shard, old) = (ShardId(entry.shard), entry.voters[1]);
    let name = (0..).map(|i| session(&format!("s{i}"))).find(|s| cluster.node(1).shard_of(s) == shard).unwrap();
    let say = |seq: u64| cluster.commit(&turn(&name, seq, &format!("key-{seq}"), "hello"), PATIENCE);
    assert_eq!(say(1), CommitOutcome::Committed { seq: 1 });

    // One voter is away while the shard moves from node 1 to node 2 and goes on there.
    cluster.kill(old);
    cluster.ask(&Ask::Move { shard: shard.0, from: 1, to: 2 }).unwrap();
    wait("the shard has arrived", || cluster.status().placement[shard.0 as usize].settled);
    (2..=4).for_each(|seq| assert_eq!(say(seq), CommitOutcome::Committed { seq }));
    let node = cluster.node(1);
    wait("the replica is wiped", || node.status().shards[shard.0 as usize].last_log.is_none());

    // Everybody who knows goes. Who is left: the wiped replica, and one that takes it for a voter.
    [2, 5].into_iter().for_each(|n| cluster.kill(n));
    cluster.start(old);
    let returned = cluster.node(old);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        assert_ne!(returned.owner(shard), Owner::Local, "it was elected by a replica that was wiped");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The others come back, and with them all that was acknowledged.
    [2, 5].into_iter().for_each(|n| cluster.start(n));
    assert_eq!(say(5), CommitOutcome::Committed { seq: 5 });

    // The shard comes back to node 1: its replica votes again, and the wipe has left nothing that is in its way.
    cluster.ask(&Ask::Move { shard: shard.0, from: 2, to: 1 }).unwrap();
    wait("the shard has come back", || cluster.status().placement[shard.0 as usize].settled);
    cluster.kill(5);
    assert_eq!(say(6), CommitOutcome::Committed { seq: 6 });
    let read = || block(node.turns(name.clone(), 0, 9, Consistency::Local)).unwrap_or_default().len();
    wait("all of it is there", || read() == 6);
}

#[test]
fn a_node_with_damaged_data_rejoins_under_a_new_id() {
    let cluster = Cluster::new();
    let load = Load::start(&cluster);
    load.go_on();
    let config = cluster.configs.read()[&5].clone();
    let refused = block(tertulia_raft::rejoin(&config)).unwrap_err().to_string();
    assert!(refused.contains("in use by another process"), "{refused}");
    cluster.kill(5);

    // Its data is damaged: it does not start, and says what to do.
    damage_vote(&config, None);
    let refused = try_start(&config).err().expect("it must not start").to_string();
    assert!(refused.contains("tertulia node rejoin"), "{refused}");
    // A first attempt got its id, and the answer was lost on the way.
    let (peer, http) = (config.me().unwrap().peer.clone(), config.me().unwrap().http.clone());
    cluster.ask(&Ask::Add { zone: "c".into(), peer, http, replaces: Some(5) }).unwrap();
    let mut rejoined = None;
    wait("the folder is free", || match block(tertulia_raft::rejoin(&config)) {
        Ok(done) => {
            rejoined = Some(done);
            true
        }
        Err(e) => {
            assert!(e.to_string().contains("in use"), "{e}");
            false
        }
    });
    let rejoined = rejoined.unwrap();
    assert_eq!((rejoined.old, rejoined.node), (5, 6));
    assert!(rejoined.kept.join("db/db").exists(), "nothing is deleted");
    assert!(!config.data_dir.join("db").exists());

    // Cut off before its end, nothing starts on the folder until it is ended.
    let identity = config.data_dir.join("node.json");
    let text = std::fs::read_to_string(&identity).unwrap();
    std::fs::write(&identity, text.replacen('{', "{ \"unfinished_rejoin_of\": 5,", 1)).unwrap();
    assert!(matches!(try_start(&config).err(), Some(StartError::UnfinishedRejoin { .. })));
    assert_eq!(block(tertulia_raft::rejoin(&config)).unwrap(), rejoined);

    // The same configuration, another id.
    cluster.start(5);
    assert_eq!(cluster.node(5).id().0, 6);
    cluster.wait_settled();
    wait("the old id is gone", || cluster.status().nodes[4].state == NodeState::Removed);
    wait("it is ready", || cluster.node(5).is_ready());
    load.go_on();
    load.finish(&cluster);

    // A start later it is still who it is.
    cluster.kill(5);
    cluster.start(5);
    assert_eq!(cluster.node(5).id().0, 6);
    wait("it is ready again", || cluster.node(5).is_ready());
}

/// The simulator has found that a node that was away while another joined refused that one as no member, also when it led the
/// group that tells who is: it never heard of anything again.
#[test]
fn a_node_that_was_away_follows_a_leader_that_it_has_never_heard_of() {
    let cluster = Cluster::new();
    cluster.kill(4);
    let new = cluster.add("c", Some(5));
    cluster.kill(5);
    cluster.start(new);
    let control = || cluster.running().into_iter().find(|n| n.status().control.role == Role::Leader);
    wait("the new node votes", || control().is_some_and(|n| n.status().control.voters.contains(&new)));
    wait("the new node leads", || {
        let leader = control();
        if let Some(other) = leader.iter().find(|n| n.id().0 != new) {
            block(other.resign());
        }
        leader.is_some_and(|n| n.id().0 == new)
    });
    cluster.start(4);
    wait("the one that was away knows of it", || cluster.node(4).is_ready());
    assert!(control().is_some_and(|n| n.id().0 == new), "another leader told it");
}

#[test]
fn who_does_not_fit_does_not_join() {
    let cluster = Cluster::new();
    let wrong = |ask: &Ask| cluster.ask(ask).unwrap_err().to_string();
    let add =
        |zone: &str, peer: &str| Ask::Add { zone: zone.into(), peer: peer.into(), http: "h".into(), replaces: None };
    assert!(wrong(&add("z", "h:1")).contains("there is no zone \"z\": the zones are a, b, c"));
    assert!(wrong(&add("a", "nowhere")).contains("expected host:port"));
    assert!(wrong(&Ask::Drain { node: 9, undo: false }).contains("there is no node 9"));
    let held = cluster.status().placement[0].voters.clone();
    assert!(wrong(&Ask::Move { shard: 0, from: held[0], to: held[1] }).contains("holds it already"));

    // Another number of shards, another zone.
    let new = cluster.add("b", None);
    let good = cluster.configs.read()[&new].clone();
    let refused = |change: &dyn Fn(&mut NodeConfig)| {
        let mut config = good.clone();
        change(&mut config);
        config.data_dir = cluster.folder.path().join("refused");
        let _ = std::fs::remove_dir_all(&config.data_dir);
        try_start(&config).err().expect("it must not start").to_string()
    };
    assert_eq!(refused(&|c| c.shards = 7), "shards: found 7, but the cluster was founded with 4");
    assert!(refused(&|c| c.zone = "a".into()).contains("knows node 6 in zone \"b\""));
    cluster.start(new);
    wait("with what the cluster expects, it is one of it", || cluster.node(new).is_ready());

    // A second start of what was there: everybody knows everybody from the disk.
    let nodes: BTreeSet<u64> = cluster.nodes.read().keys().copied().collect();
    nodes.iter().for_each(|n| cluster.kill(*n));
    nodes.iter().for_each(|n| cluster.start(*n));
    wait("all are ready again", || cluster.running().iter().all(|n| n.is_ready()));
    assert!(cluster.status().nodes.iter().all(|n| n.state == NodeState::Up));

    // A node that has another address now says so by itself.
    cluster.kill(4);
    let port = free_ports(1)[0];
    let peer = format!("127.0.0.1:{port}");
    if let Some(config) = cluster.configs.write().get_mut(&4) {
        config.peer.listen.set_port(port);
        config.members[3].peer = peer.clone();
    }
    cluster.start(4);
    wait("the others know it there", || cluster.status().nodes[3].peer == peer && cluster.status().nodes[3].alive);
    wait("it is ready there", || cluster.node(4).is_ready());
}
