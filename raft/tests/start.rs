//! Starts that must fail say what is wrong and where; strangers are refused.

mod support;

use cluster_config::NodeConfig;
use dialogue::{
    CommitOutcome,
    ports::{Consistency, Journal},
};
use std::{fs, net::TcpListener};
use support::{Cluster, block, configs, damage_vote, free_ports, session, tls, try_start, turn};
use tempfile::TempDir;
use tertulia_raft::StartError;

fn alone(folder: &TempDir) -> NodeConfig {
    configs(folder.path(), "solo", 2, 1).remove(0)
}

fn refused(config: &NodeConfig) -> StartError {
    match try_start(config) {
        Ok(_) => panic!("it must not start"),
        Err(e) => e,
    }
}

#[test]
fn a_start_that_fails_says_what_and_where() {
    let folder = TempDir::new().unwrap();
    let config = alone(&folder);

    // The port is taken.
    let taken = TcpListener::bind(config.peer.listen).unwrap();
    let error = refused(&config);
    assert!(matches!(error, StartError::PortInUse { field: "peer.listen", .. }), "{error}");
    drop(taken);

    // One process a folder.
    let running = try_start(&config).unwrap();
    support::wait("a single node is ready alone", || running.node.is_ready());
    let s = session("solo");
    assert_eq!(block(running.node.commit(turn(&s, 1, "k", "hi"))), Ok(CommitOutcome::Committed { seq: 1 }));
    let mut second = config.clone();
    second.peer.listen.set_port(free_ports(1)[0]);
    assert!(matches!(refused(&second), StartError::Locked { .. }));
    block(running.node.shutdown());
    drop(running);

    // The folder of another cluster, node, zone or shard count.
    let with = |change: &dyn Fn(&mut NodeConfig)| {
        let mut other = config.clone();
        change(&mut other);
        refused(&other).to_string()
    };
    let path = config.data_dir.join("node.json");
    let path = path.display();
    assert_eq!(
        with(&|c| c.cluster = "other".into()),
        format!("{path}: the data folder has cluster solo, the configuration says other")
    );
    assert_eq!(with(&|c| c.shards = 3), format!("{path}: the data folder has shards 2, the configuration says 3"));
    assert_eq!(with(&|c| c.zone = "z".into()), format!("{path}: the data folder has zone a, the configuration says z"));
    assert_eq!(
        with(&|c| (c.node, c.members[0].node) = (9, 9)),
        format!("{path}: the data folder has node 1, the configuration says 9")
    );

    // A folder that cannot be one, a certificate that is none.
    fs::write(folder.path().join("file"), "").unwrap();
    let error = with(&|c| c.data_dir = folder.path().join("file"));
    assert!(error.starts_with("data_dir: ") && error.contains("file"), "{error}");
    fs::write(folder.path().join("ca.pem"), "no certificate").unwrap();
    let error = with(&|c| c.peer.tls = Some(tls(folder.path(), "a")));
    assert!(error.starts_with("peer.tls.ca: ") && error.contains("ca.pem"), "{error}");

    // A damaged record is found before anything is served.
    let vote = damage_vote(&config, None);
    let error = refused(&config);
    assert!(matches!(error, StartError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("key shard-0/vote: "), "{error}");
    damage_vote(&config, vote);

    // What an earlier version left of snapshots is of no use any more.
    let leftover = config.data_dir.join("snapshots/shard-0-1-1-7.snap");
    fs::write(&leftover, b"\x10\0\0\0nonsense nonsense").unwrap();

    // And with all that set right, it goes on where it was.
    let running = try_start(&config).unwrap();
    support::wait("it is ready again", || running.node.is_ready());
    assert_eq!(block(running.node.load(s)).unwrap().seq, 1);
    assert!(!leftover.exists());
}

#[test]
fn a_node_of_another_cluster_is_refused() {
    let cluster = Cluster::new(1);
    let s = session("ours");
    cluster.commit(&turn(&s, 1, "k1", "hello"));

    // The same members, another name: a configuration that was copied.
    let folder = TempDir::new().unwrap();
    let mut stranger = cluster.configs[2].clone();
    stranger.cluster = "other-cluster".into();
    stranger.data_dir = folder.path().join("c");
    stranger.peer.listen.set_port(free_ports(1)[0]);
    let stranger = try_start(&stranger).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(!stranger.node.is_ready(), "nobody of this cluster votes for it");
    assert!(stranger.node.status().shards[0].leader.is_none());
    assert_eq!(cluster.commit(&turn(&s, 2, "k2", "hello")), CommitOutcome::Committed { seq: 2 });
    assert!(cluster.running().all(|n| n.is_ready()));
}

#[test]
fn with_certificates_only_the_clusters_own_nodes_are_heard() {
    let certs = TempDir::new().unwrap();
    let (ours, foreign) = (certs.path().join("ours"), certs.path().join("foreign"));
    tertulia_raft::certs::dev_ca(&ours, "test-cluster", &["a", "b", "c"]).unwrap();
    tertulia_raft::certs::dev_ca(&foreign, "test-cluster", &["c"]).unwrap();
    let mut cluster = Cluster::with(1, |c| c.peer.tls = Some(tls(&ours, &c.zone)));
    let s = session("secret");
    cluster.commit(&turn(&s, 1, "k1", "hello"));

    // Node 3 comes back with papers of another authority, then without any: it hears and says nothing.
    cluster.kill(2);
    let own = cluster.configs[2].peer.tls.clone();
    for papers in [Some(tls(&foreign, "c")), None] {
        cluster.configs[2].peer.tls = papers;
        cluster.start(2);
        let seq = if cluster.configs[2].peer.tls.is_some() { 2 } else { 3 };
        cluster.commit(&turn(&s, seq, &format!("k{seq}"), "hello"));
        std::thread::sleep(std::time::Duration::from_millis(1500));
        // Its own log says who led; nobody tells it what was committed since.
        let status = cluster.node(2).status();
        assert!(!status.ready && status.shards[0].applied.is_some_and(|a| a <= status.shards[0].last_log.unwrap()));
        let seen = block(cluster.node(2).turns(s.clone(), 0, 9, Consistency::Local)).unwrap().len();
        assert!(seen <= 1, "{seen} turns came through");
        cluster.kill(2);
    }
    // With its own again it is one of them.
    cluster.configs[2].peer.tls = own;
    cluster.start(2);
    cluster.wait_ready();
    let node = cluster.node(2).clone();
    support::wait("it has caught up", || {
        block(node.turns(s.clone(), 0, 9, Consistency::Local)).is_ok_and(|turns| turns.len() == 3)
    });
}
