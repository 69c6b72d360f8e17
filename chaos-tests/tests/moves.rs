//! Five nodes in three zones in one process: shards move, nodes come, drain and die, and what the clients saw meanwhile
//! (turns of shared sessions, and reads at any node) must have one order for each session.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

// The cluster of the log's own tests: they cannot use the checker, which is built on the log.
extern crate raft as tertulia_raft;
#[path = "../../raft/tests/support/mod.rs"]
mod support;

use dialogue::{
    CommitOutcome, CommitTurn,
    ids::SessionId,
    ports::{self, Journal, JournalError, Owner},
};
use drills::{
    checker::{Verdict, check},
    history::{Ack, Attempt, Consistency, History, LogView, LoggedTurn, Outcome, Read, Seen},
    stopwatch::Stopwatch,
    violation::Kind,
};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use support::{
    PATIENCE, block,
    five::{Cluster, SHARDS},
    session, turn, wait,
};
use tertulia_raft::{NodeState, admin::Ask};

const CLIENTS: u32 = 6;
/// Sessions that all clients share: most turns meet another client's.
const SESSIONS: usize = 8;
/// Acknowledged turns that readers look for.
const RECENT_MAX: usize = 8;
/// Turns that a read looks back over, at most.
const BEHIND_MAX: u64 = 3;
/// Pause of a client between two things: the nodes share two cores with it.
const PAUSE: Duration = Duration::from_millis(4);
/// Pause before a turn is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Whom a reader believes.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    /// Who leads for sure.
    Linearizable,
    /// Any replica, and it is taken for the truth: the planted bug.
    Stale,
}

/// Clients that write and read until they are stopped.
struct Load {
    shared: Arc<Shared>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

struct Shared {
    cluster: Arc<Cluster>,
    reads: Reads,
    stop: AtomicBool,
    clock: Stopwatch,
    history: Mutex<History>,
    /// The newest acknowledged turns, by session and number.
    recent: Mutex<VecDeque<(SessionId, u64)>>,
    acknowledged: AtomicUsize,
    seen: AtomicUsize,
}

impl Load {
    fn start(cluster: &Arc<Cluster>, reads: Reads) -> Self {
        let shared = Arc::new(Shared {
            cluster: cluster.clone(),
            reads,
            stop: AtomicBool::new(false),
            clock: Stopwatch::start(),
            history: Mutex::default(),
            recent: Mutex::default(),
            acknowledged: AtomicUsize::new(0),
            seen: AtomicUsize::new(0),
        });
        let client = |id: u32| {
            let shared = shared.clone();
            std::thread::spawn(move || shared.client(id))
        };
        let threads = (0..CLIENTS).map(client).collect();
        Self { shared, threads }
    }

    /// Waits for so many more acknowledgements and reads.
    fn go_on(&self, more: usize) {
        let goal = [&self.shared.acknowledged, &self.shared.seen].map(|n| n.load(SeqCst) + more);
        wait("clients are served", || {
            self.shared.acknowledged.load(SeqCst) >= goal[0] && self.shared.seen.load(SeqCst) >= goal[1]
        });
    }

    /// Stops, reads what the log holds, and judges all of it.
    fn finish(mut self) -> Verdict {
        self.shared.stop.store(true, SeqCst);
        self.threads.drain(..).for_each(|t| t.join().expect("a client failed"));
        let mut history = std::mem::take(&mut *self.shared.history.lock());
        history.views.push(self.shared.view());
        check(&history)
    }
}

impl Shared {
    fn client(&self, id: u32) {
        let mut random = SmallRng::seed_from_u64(u64::from(id));
        let mut number = 0;
        while !self.stop.load(SeqCst) {
            number += 1;
            let session = session(&format!("shared-{}", random.random_range(0..SESSIONS)));
            self.say(id, &session, &format!("k{id}-{number}"));
            self.read(id, &mut random);
            std::thread::sleep(PAUSE);
        }
    }

    /// Says a turn until it is acknowledged, each time as number so-and-so, which another client may have taken.
    fn say(&self, client: u32, session: &SessionId, key: &str) {
        let (begun, mut seq) = (Instant::now(), 1);
        while begun.elapsed() < PATIENCE {
            let command = turn(session, seq, key, &format!("text of {key}"));
            let start_ns = self.clock.now_ns();
            let Some((target, said)) = self.commit(command) else {
                std::thread::sleep(RETRY);
                continue;
            };
            let end_ns = self.clock.now_ns();
            let ack = |seq, replayed| {
                Outcome::Acknowledged(Ack { seq, replies: json!([]), replayed, node: Some(target as u64), shard: None })
            };
            let refused = |why: String| Outcome::Refused { why };
            let outcome = match said {
                Ok(CommitOutcome::Committed { seq }) => ack(seq, false),
                Ok(CommitOutcome::Replayed(turn)) => ack(turn.seq, true),
                Ok(CommitOutcome::Fenced { actual_seq }) => {
                    seq = actual_seq + 1;
                    refused(format!("fenced at {actual_seq}"))
                }
                Err(e @ JournalError::OutcomeUnknown { .. }) => Outcome::Unknown { why: e.to_string() },
                Err(e) if e.is_retryable() || matches!(e, JournalError::ShuttingDown) => refused(e.to_string()),
                // A node that was dropped at once leaves calls without an answer.
                Err(e) => Outcome::Unknown { why: e.to_string() },
            };
            let done = match &outcome {
                Outcome::Acknowledged(ack) => Some(ack.seq),
                _ => None,
            };
            let (session_name, key, text) = (session.to_string(), key.to_owned(), format!("text of {key}"));
            let attempt = Attempt { client, session: session_name, key, text, target, start_ns, end_ns, outcome };
            self.history.lock().attempts.push(attempt);
            if let Some(seq) = done {
                let mut recent = self.recent.lock();
                recent.truncate(RECENT_MAX - 1);
                recent.push_front((session.clone(), seq));
                self.acknowledged.fetch_add(1, SeqCst);
                return;
            }
            std::thread::sleep(RETRY);
        }
        panic!("{session}: {key} was not acknowledged within {PATIENCE:?}");
    }

    /// Commits at who leads, if anybody does.
    fn commit(&self, command: CommitTurn) -> Option<(usize, Result<CommitOutcome, JournalError>)> {
        let nodes = self.cluster.running();
        let shard = nodes.first()?.shard_of(&command.session);
        let leader = nodes.iter().find(|n| n.owner(shard) == Owner::Local)?;
        Some((leader.id().0 as usize, block(leader.commit(command))))
    }

    /// Reads, at any node, a session in which something was acknowledged just now.
    fn read(&self, client: u32, random: &mut SmallRng) {
        let recent = self.recent.lock().clone();
        if recent.is_empty() {
            return;
        }
        let (session, seq) = &recent[random.random_range(0..recent.len())];
        let after_seq = seq.saturating_sub(random.random_range(0..=BEHIND_MAX));
        let nodes = self.cluster.running();
        let shard = nodes[0].shard_of(session);
        let node = match self.reads {
            // Half of the time where it should work, and else anywhere: who does not lead must refuse.
            Reads::Linearizable if random.random_bool(0.5) => nodes.iter().find(|n| n.owner(shard) == Owner::Local),
            _ => Some(&nodes[random.random_range(0..nodes.len())]),
        };
        let Some(node) = node else { return };
        let consistency = match self.reads {
            Reads::Linearizable => ports::Consistency::Linearizable,
            Reads::Stale => ports::Consistency::Local,
        };
        const LIMIT: usize = 100;
        let start_ns = self.clock.now_ns();
        let read = block(node.turns(session.clone(), after_seq, LIMIT, consistency));
        let end_ns = self.clock.now_ns();
        let seen = read.ok().map(|turns| {
            self.seen.fetch_add(1, SeqCst);
            let more = turns.len() == LIMIT;
            let turns = turns.iter().map(|t| (t.seq, t.key.as_str().to_owned())).collect();
            Seen::Turns { after_seq, turns, more }
        });
        let (session, target) = (session.to_string(), node.id().0 as usize);
        let consistency = Consistency::Linearizable;
        self.history.lock().reads.push(Read { client, session, target, start_ns, end_ns, consistency, seen });
    }

    /// What the log holds in the end, by linearizable reads.
    fn view(&self) -> LogView {
        let mut view = LogView { node: "leaders".into(), sessions: BTreeMap::new() };
        for name in (0..SESSIONS).map(|i| session(&format!("shared-{i}"))) {
            let shard = self.cluster.running()[0].shard_of(&name);
            let mut turns = Vec::new();
            wait("the session is read", || {
                let leader = self.cluster.leader_of(shard);
                let read = block(leader.turns(name.clone(), 0, 10_000, ports::Consistency::Linearizable));
                read.is_ok_and(|found| {
                    turns = found;
                    true
                })
            });
            let logged = |t: dialogue::TurnRecord| LoggedTurn {
                seq: t.seq,
                key: t.key.as_str().to_owned(),
                text: t.text,
                replies: json!([]),
            };
            view.sessions.insert(name.to_string(), turns.into_iter().map(logged).collect());
        }
        view
    }
}

#[test]
fn shards_move_nodes_come_and_go_and_every_session_has_one_order() {
    let cluster = Cluster::new();
    let load = Load::start(&cluster, Reads::Linearizable);
    load.go_on(20);

    // Shards move inside a zone; their leaders with them, where they led.
    for shard in 0..SHARDS {
        let from = cluster.status().placement[shard as usize].voters[0];
        assert!([1, 2].contains(&from));
        cluster.ask(&Ask::Move { shard, from, to: 3 - from }).unwrap();
    }
    load.go_on(20);
    cluster.wait_settled();

    // A node comes and takes its share, another one hands all over.
    let new = cluster.add("c", None);
    cluster.start(new);
    wait("it is heard of", || cluster.status().nodes.iter().any(|n| n.node == new && n.alive));
    cluster.ask(&Ask::Balance).unwrap();
    load.go_on(20);
    cluster.ask(&Ask::Drain { node: 1, undo: false }).unwrap();
    cluster.wait_settled();
    load.go_on(20);

    // One stops in good order and comes back; another dies where it stands, and is replaced.
    let node = cluster.node(3);
    block(node.shutdown());
    drop(node);
    cluster.kill(3);
    load.go_on(20);
    cluster.start(3);
    wait("it is back", || cluster.node(3).is_ready());
    cluster.kill(5);
    load.go_on(20);
    let replacement = cluster.add("c", Some(5));
    cluster.start(replacement);
    wait("the lost node is removed by itself", || cluster.status().nodes[4].state == NodeState::Removed);
    cluster.wait_settled();
    load.go_on(20);

    let verdict = load.finish();
    println!("{verdict}");
    assert!(verdict.holds(), "{verdict}");
    assert!(verdict.linearizable.overlapping > 0 && verdict.linearizable.reads > 100, "{verdict}");
}

/// The same clients, believing any replica: the check must be able to fail.
#[test]
fn a_stale_read_among_the_moves_is_found() {
    let cluster = Cluster::new();
    let load = Load::start(&cluster, Reads::Stale);
    load.go_on(20);
    let from = cluster.status().placement[0].voters[0];
    cluster.ask(&Ask::Move { shard: 0, from, to: 3 - from }).unwrap();
    load.go_on(100);
    cluster.wait_settled();
    let verdict = load.finish();
    println!("{verdict}");
    assert!(verdict.count(Kind::NotLinearizable) > 0, "stale reads were not found: {verdict}");
    assert!(verdict.counts.keys().all(|kind| *kind == Kind::NotLinearizable), "only a read was wrong: {verdict}");
}
