//! A node that asks for a new id over a line that loses the answer.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

mod support;

use parking_lot::Mutex;
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};
use support::{Cluster, block, damage_vote, wait};
use tertulia_raft::{NodeState, admin};

/// A line to a node. From the first request with certain words in it on nothing comes back, until it is cut; after that it
/// is as good as any.
struct Line {
    address: String,
    heard: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    cut: Arc<AtomicBool>,
}

impl Line {
    fn to(target: String, words: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Self {
            address: listener.local_addr().unwrap().to_string(),
            heard: Arc::default(),
            open: Arc::default(),
            cut: Arc::default(),
        };
        let (heard, open, cut) = (line.heard.clone(), line.open.clone(), line.cut.clone());
        // Both end with the test's process.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&target) else { continue };
                open.lock().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                let (heard_here, cut_here, words) = (heard.clone(), cut.clone(), words.clone());
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    pass(from, to, |bytes| {
                        if bytes.windows(words.len()).any(|w| w == words.as_bytes()) && !cut_here.load(SeqCst) {
                            heard_here.store(true, SeqCst);
                        }
                        true
                    });
                });
                let (heard, cut) = (heard.clone(), cut.clone());
                thread::spawn(move || pass(server, client, |_| !heard.load(SeqCst) || cut.load(SeqCst)));
            }
        });
        line
    }

    fn cut(&self) {
        self.cut.store(true, SeqCst);
        for end in self.open.lock().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

/// Hands on what `let_through` says, until an end closes.
fn pass(mut from: TcpStream, mut to: TcpStream, let_through: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if let_through(&buffer[..length]) && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// The simulator has found that a rejoin gave up when its answer was lost with the control leader, although the id had been
/// given: the cluster refuses a second one for the same address.
#[test]
fn a_rejoin_whose_answer_was_lost_finds_the_id_that_it_was_given() {
    let mut cluster = Cluster::new(1);
    let config = cluster.configs[2].clone();
    let me = config.me().unwrap().clone();
    cluster.kill(2);
    damage_vote(&config, None);

    // Only the wish for an id names the node's client API.
    let line = Line::to(config.members[0].peer.clone(), me.http.clone());
    let mut asks = config.clone();
    asks.members.iter_mut().for_each(|member| member.peer = line.address.clone());
    let rejoin = thread::spawn(move || block(tertulia_raft::rejoin(&asks)));
    wait("the wish is under way", || line.heard.load(SeqCst));
    let client = admin::Client::new(&config).unwrap();
    wait("the id is given", || block(client.status()).unwrap().nodes.iter().any(|n| n.replaces == Some(3)));
    assert!(!rejoin.is_finished(), "the answer has come through");
    line.cut();
    let rejoined = rejoin.join().unwrap().unwrap();
    assert_eq!((rejoined.old, rejoined.node), (3, 4));

    cluster.start(2);
    assert_eq!(cluster.node(2).id().0, 4);
    wait("it takes the old one's place", || {
        let status = block(client.status()).unwrap();
        status.nodes.iter().any(|n| n.node == 3 && n.state == NodeState::Removed) && cluster.node(2).is_ready()
    });
}
