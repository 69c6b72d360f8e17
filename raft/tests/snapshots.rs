//! A snapshot on its way to a follower is cut off, and goes on where it was; for a dead one none is made.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

mod support;

use dialogue::ports::{Consistency, Journal};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use support::{Cluster, block, free_ports, session, turn, wait};

/// Stands in front of a node: counts what goes to it, and cuts the first connection that carried so many bytes.
struct Proxy {
    cut_after: AtomicU64,
    /// All bytes.
    bytes: AtomicU64,
    /// All bytes at the cut; zero before it.
    at_cut: AtomicU64,
}

impl Proxy {
    fn start(listen: u16, to: u16) -> Arc<Self> {
        let cut_after = AtomicU64::new(u64::MAX);
        let this = Arc::new(Self { cut_after, bytes: AtomicU64::new(0), at_cut: AtomicU64::new(0) });
        let (listener, proxy) = (TcpListener::bind(("127.0.0.1", listen)).unwrap(), this.clone());
        std::thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                let Ok(node) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let (mut caller_in, mut node_in) = (caller.try_clone().unwrap(), node.try_clone().unwrap());
                let (mut caller, mut node) = (caller, node);
                let proxy = proxy.clone();
                std::thread::spawn(move || proxy.to_node(&mut caller_in, &mut node_in));
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut node, &mut caller);
                    let _ = caller.shutdown(Shutdown::Both);
                });
            }
        });
        this
    }

    fn to_node(&self, from: &mut TcpStream, to: &mut TcpStream) {
        let (mut buffer, mut carried) = (vec![0; 1 << 14], 0);
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
            carried += count as u64;
            let all = self.bytes.fetch_add(count as u64, SeqCst) + count as u64;
            if carried > self.cut_after.load(SeqCst) && self.at_cut.compare_exchange(0, all, SeqCst, SeqCst).is_ok() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}

#[test]
fn a_snapshot_that_is_cut_off_is_not_sent_twice() {
    const TURNS: u64 = 260;
    const TURN_BYTES: usize = 50_000;
    let in_front = free_ports(1)[0];
    let proxy = OnceLock::new();
    let mut cluster = Cluster::with(1, |c| {
        c.raft.snapshot_after_entries = 50;
        c.raft.log_entries_kept = 5;
        // The third is reached through the proxy; it listens where it did.
        let port = c.members[2].peer.rsplit(':').next().unwrap().parse().unwrap();
        proxy.get_or_init(|| Proxy::start(in_front, port));
        c.members[2].peer = format!("127.0.0.1:{in_front}");
    });
    let proxy = proxy.get().unwrap();
    let s = session("long");
    // A node is ready as soon as it knows who leads; here it is to know that it belongs to the shard.
    wait("the third holds the shard", || !cluster.node(2).status().shards[0].voters.is_empty());
    cluster.kill(2);
    // For a moment it counts as alive, and would be copied what there is by then: less than is to be cut.
    std::thread::sleep(Duration::from_millis(1_500));
    for seq in 1..=TURNS {
        cluster.commit(&turn(&s, seq, &format!("k{seq}"), &"x".repeat(TURN_BYTES)));
    }
    let leader = cluster.leader_of(&s);
    wait("the log is purged", || leader.status().shards[0].purged.is_some_and(|p| p > TURNS / 2));

    // It is written when it is needed, so it holds them all.
    let snapshot = TURN_BYTES as u64 * TURNS;
    let cut_after = snapshot * 2 / 3;
    proxy.cut_after.store(cut_after, SeqCst);
    cluster.start(2);
    let node = cluster.node(2).clone();
    wait("it has caught up", || {
        block(node.turns(s.clone(), 0, 500, Consistency::Local)).is_ok_and(|turns| turns.len() as u64 == TURNS)
    });

    wait("the node says that it came by snapshot", || node.status().shards[0].purged > Some(TURNS / 2));
    let (at_cut, all) = (proxy.at_cut.load(SeqCst), proxy.bytes.load(SeqCst));
    assert!(at_cut > 0, "the snapshot was cut");
    // What is left; and what was under way at the cut: the connection's window and a record.
    let (sent_again, needed) = (all - at_cut, snapshot - cut_after);
    println!("{snapshot} bytes of snapshot, cut after {at_cut}; then {sent_again}, needed were {needed}");
    assert!(
        sent_again < needed + (3 << 20) && needed + (3 << 20) < snapshot,
        "{sent_again} bytes behind the cut, {needed} were needed"
    );
}

#[test]
fn nothing_is_copied_for_a_node_that_is_silent() {
    let mut cluster = Cluster::with(1, |c| {
        c.raft.snapshot_after_entries = 50;
        c.raft.log_entries_kept = 5;
    });
    let s = session("long");
    wait("the third holds the shard", || !cluster.node(2).status().shards[0].voters.is_empty());
    cluster.kill(2);
    // For a moment it counts as alive.
    std::thread::sleep(Duration::from_millis(1_500));
    for seq in 1..=200 {
        cluster.commit(&turn(&s, seq, &format!("k{seq}"), "hello"));
    }
    let leader = cluster.index_of(&cluster.leader_of(&s));
    let purged = || cluster.node(leader).status().shards[0].purged;
    wait("the log is purged", || purged() > Some(60));
    let copies = || std::fs::read_dir(cluster.configs[leader].data_dir.join("snapshots")).unwrap().count();
    for _ in 0..100 {
        assert_eq!(copies(), 0);
        std::thread::sleep(Duration::from_millis(20));
    }
    cluster.start(2);
    let node = cluster.node(2).clone();
    wait("it has caught up", || {
        block(node.turns(s.clone(), 0, 500, Consistency::Local)).is_ok_and(|turns| turns.len() == 200)
    });
    wait("the node says that it came by snapshot", || node.status().shards[0].purged > Some(60));
    wait("its copy has done its work", || {
        std::fs::read_dir(cluster.configs[2].data_dir.join("snapshots")).unwrap().count() == 0
    });
}
