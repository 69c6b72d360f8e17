//! What the promises ask of sessions and router, told as stories.

use crate::testing::*;
use crate::{Peers, Router, TurnError, TurnReply, TurnRequest};
use cluster_config::SessionOptions;
use dialogue::ports::{BoxFuture, Owner};
use dialogue::{NodeId, SessionId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

async fn alone() -> (TestNode, Arc<Truth>) {
    let truth = Arc::new(Truth::default());
    (TestNode::alone(truth.clone(), SessionOptions::default()).await, truth)
}

fn seq(reply: &Result<TurnReply, TurnError>) -> u64 {
    reply.as_ref().unwrap().turn.seq
}

#[tokio::test]
async fn a_retry_gets_the_recorded_reply_and_appends_nothing() {
    let (node, truth) = alone().await;
    let first = node.router.turn(request("s", "k1", "hi")).await.unwrap();
    assert_eq!((said(&first), first.replayed), (vec!["Hello!"], false));
    let again = node.router.turn(request("s", "k1", "hi")).await.unwrap();
    assert_eq!((again.turn.clone(), again.replayed), (first.turn, true));
    // The same key for other words is a client's mistake.
    let misuse = node.router.turn(request("s", "k1", "bye")).await;
    assert_eq!(misuse, Err(TurnError::KeyReused { seq: 1 }));
    assert_eq!(truth.texts("s"), ["hi"]);
}

#[tokio::test(start_paused = true)]
async fn no_reply_leaves_before_its_commit() {
    let (node, truth) = alone().await;
    node.journal.gate.send_replace(false);
    let turn = tokio::spawn({
        let router = node.router.clone();
        // A message that names its intent: the device thread does not obey the test's clock.
        async move { router.turn(request("s", "k1", "/greet")).await }
    });
    // This is as long as it takes for everything that can happen to have happened.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!turn.is_finished(), "a reply left while the commit was held");
    assert!(truth.texts("s").is_empty());
    node.journal.gate.send_replace(true);
    assert_eq!(seq(&turn.await.unwrap()), 1);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_the_key() {
    let (node, truth) = alone().await;
    truth.mishaps.lock().push_back(Mishap::AnswerLost);
    let reply = node.router.turn(request("s", "k1", "hi")).await.unwrap();
    assert!(reply.replayed, "the turn was in the log already");
    assert_eq!(truth.texts("s"), ["hi"]);
}

/// A peer that loses its first answer and is overloaded then.
#[derive(Default)]
struct LosesThenRefuses(AtomicBool);

impl Peers for LosesThenRefuses {
    fn forward(&self, _to: NodeId, _request: TurnRequest) -> BoxFuture<'_, Result<TurnReply, TurnError>> {
        let lost = !self.0.swap(true, Relaxed);
        let full = TurnError::Overloaded { what: "turns".into(), limit: 1 };
        Box::pin(async move { Err(if lost { TurnError::OutcomeUnknown } else { full }) })
    }
}

/// "Nothing was done" must not be said of a turn that may have been committed before (simulator, seed 27).
#[tokio::test]
async fn a_refusal_does_not_take_back_what_is_unknown() {
    let (node, _truth) = alone().await;
    node.journal.owner.send_replace(Owner::Remote(NodeId(2)));
    let router = Router::new(node.journal.clone(), node.sessions.clone(), Arc::new(LosesThenRefuses::default()), 64);
    assert_eq!(router.turn(request("s", "k1", "hi")).await, Err(TurnError::OutcomeUnknown));
    assert!(matches!(router.turn(request("s", "k2", "hi")).await, Err(TurnError::Overloaded { .. })));
}

/// A node that stands still: its connections are open, and it answers nothing.
struct StandsStill;

impl Peers for StandsStill {
    fn forward(&self, _to: NodeId, _request: TurnRequest) -> BoxFuture<'_, Result<TurnReply, TurnError>> {
        Box::pin(std::future::pending())
    }
}

/// Found by the drills `freeze-leader` and `cut-zone`: turns waited for the old leader as long as their clients had patience.
#[tokio::test]
async fn a_turn_does_not_wait_for_a_leader_that_was_replaced() {
    let (node, _truth) = alone().await;
    node.journal.owner.send_replace(Owner::Remote(NodeId(2)));
    let router = Router::new(node.journal.clone(), node.sessions.clone(), Arc::new(StandsStill), 64);
    let turn = tokio::spawn(async move { router.turn(request("s", "k1", "hi")).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    node.journal.owner.send_replace(Owner::Unknown);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!turn.is_finished(), "it still may answer");

    node.journal.owner.send_replace(Owner::Local);
    // Its client would wait for ten seconds; nothing else ends the wait for the old leader.
    assert_eq!(turn.await.unwrap().unwrap().served_by.node, NodeId(1));
}

#[tokio::test]
async fn a_writer_that_was_overtaken_works_its_turn_out_anew() {
    let (node, truth) = alone().await;
    node.router.turn(request("s", "k1", "hi")).await.unwrap();
    truth.mishaps.lock().push_back(Mishap::Overtaken);
    let reply = node.router.turn(request("s", "k2", "bye")).await;
    assert_eq!(seq(&reply), 3);
    assert_eq!(truth.texts("s"), ["hi", "overtaking", "bye"]);
}

#[tokio::test]
async fn any_node_takes_any_session_and_an_election_is_waited_for() {
    let (truth, peers) = (Arc::new(Truth::default()), Arc::new(MemoryPeers::default()));
    let options = SessionOptions::default();
    let a = TestNode::start(1, truth.clone(), Owner::Local, peers.clone(), options.clone()).await;
    let b = TestNode::start(2, truth.clone(), Owner::Remote(NodeId(1)), peers.clone(), options).await;

    // The wrong node forwards once, and says who served.
    let reply = b.router.turn(request("s", "k1", "hi")).await.unwrap();
    assert_eq!(reply.served_by.node, NodeId(1));

    // The leader steps down; until there is another one the turn is held.
    a.journal.owner.send_replace(Owner::Unknown);
    let turn = tokio::spawn({
        let router = b.router.clone();
        async move { router.turn(request("s", "k2", "bye")).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!turn.is_finished());
    a.journal.owner.send_replace(Owner::Remote(NodeId(2)));
    b.journal.owner.send_replace(Owner::Local);
    let reply = turn.await.unwrap().unwrap();
    assert_eq!((reply.served_by.node, reply.turn.seq, said(&reply)), (NodeId(2), 2, vec!["Goodbye!"]));

    // The old leader's cache is stale: the log's fence makes it load the session when it leads again.
    b.journal.owner.send_replace(Owner::Remote(NodeId(1)));
    a.journal.owner.send_replace(Owner::Local);
    assert_eq!(seq(&a.router.turn(request("s", "k3", "hi")).await), 3);
    assert_eq!(truth.texts("s"), ["hi", "bye", "hi"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_owners_successor_is_asked_the_moment_it_is_known() {
    let (node, truth) = alone().await;
    // Node 9 answers nobody: every try leaves the outcome unknown, and the pauses between the tries grow.
    node.journal.owner.send_replace(Owner::Remote(NodeId(9)));
    let turn = tokio::spawn({
        let router = node.router.clone();
        async move { router.turn(request("s", "k1", "/greet")).await }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    node.journal.owner.send_replace(Owner::Local);
    // The clock is the test's: a router that sleeps its pause out would be late by hundreds of milliseconds.
    let elected = tokio::time::Instant::now();
    assert_eq!(seq(&turn.await.unwrap()), 1);
    assert!(elected.elapsed() < Duration::from_millis(10), "{:?}", elected.elapsed());
    assert_eq!(truth.texts("s"), ["/greet"]);
}

#[tokio::test]
async fn without_a_leader_the_deadline_ends_the_wait() {
    let (node, _) = alone().await;
    node.journal.owner.send_replace(Owner::Unknown);
    let mut hurried = request("s", "k1", "hi");
    hurried.deadline = tokio::time::Instant::now() + Duration::from_millis(30);
    assert!(matches!(node.router.turn(hurried).await, Err(TurnError::NoLeader { .. })));
}

#[tokio::test]
async fn a_killed_actor_is_only_a_lost_cache() {
    let (node, truth) = alone().await;
    node.router.turn(request("s", "k1", "hi")).await.unwrap();
    node.sessions.kill(&SessionId::new("s").unwrap());
    assert_eq!(seq(&node.router.turn(request("s", "k2", "bye")).await), 2);
    assert_eq!(*truth.loads.lock(), 2, "it was activated twice");
}

#[tokio::test]
async fn sessions_in_memory_and_turns_in_a_queue_are_bounded() {
    let truth = Arc::new(Truth::default());
    let options = SessionOptions { active_max: 2, queue_max: 1, ..Default::default() };
    let node = TestNode::alone(truth.clone(), options).await;
    for session in ["a", "b", "c"] {
        node.router.turn(request(session, "k1", "hi")).await.unwrap();
    }
    assert_eq!(node.sessions.active(), 2, "one was passivated for the third");

    // Two sessions are at work: a third finds no room, and a second turn of one finds its queue full.
    node.journal.gate.send_replace(false);
    let held: Vec<_> = ["b", "c"]
        .map(|session| {
            let router = node.router.clone();
            tokio::spawn(async move { router.turn(request(session, "k2", "bye")).await })
        })
        .into();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let crowded = node.router.turn(request("a", "k2", "bye")).await;
    assert_eq!(crowded, Err(TurnError::Overloaded { what: "active sessions".into(), limit: 2 }));
    let queued = node.router.turn(request("b", "k3", "bye")).await;
    assert_eq!(queued, Err(TurnError::Overloaded { what: "turns of this session".into(), limit: 1 }));
    node.journal.gate.send_replace(true);
    for turn in held {
        assert_eq!(seq(&turn.await.unwrap()), 2);
    }
}
