use super::*;
use crate::testing::*;
use cluster_config::SessionOptions;
use dialogue::ports::Owner;
use dialogue::{Event, IdempotencyKey, NodeId};
use std::sync::atomic::Ordering::Relaxed;

const MINUTE: u64 = 60_000;
/// As long as a session of the assistant lasts, and a millisecond more.
const EXPIRES: u64 = 60 * MINUTE + 1;

async fn node(truth: &Arc<Truth>, id: u64, owner: Owner, peers: &Arc<MemoryPeers>) -> (TestNode, Timers) {
    let node = TestNode::start(id, truth.clone(), owner, peers.clone(), SessionOptions::default()).await;
    let timers = timers(&node).await;
    (node, timers)
}

async fn timers(node: &TestNode) -> Timers {
    let patience = Duration::from_secs(5);
    Timers::start(node.journal.clone(), node.sessions.clone(), node.clock.clone(), patience).await.unwrap()
}

impl TestNode {
    /// Says what names its intent: the device thread does not obey the test's clock.
    async fn says(&self, key: &str, text: &str) {
        self.router.turn(request("s", key, text)).await.unwrap();
    }

    async fn schedules(&self, key: &str, at: u64) {
        *self.tea.0.lock() = TimestampMs(at);
        self.says(key, "/remind").await;
    }
}

/// As long as it takes for everything that can happen to have happened.
async fn a_while() {
    tokio::time::sleep(Duration::from_secs(120)).await;
}

fn said(truth: &Truth) -> Vec<String> {
    let sessions = truth.sessions.lock();
    let turns = sessions.get("s").into_iter().flatten();
    turns.flat_map(|turn| turn.replies.iter().filter_map(|reply| reply.text.clone())).collect()
}

fn last_events(truth: &Truth) -> Vec<Event> {
    truth.sessions.lock()["s"].last().unwrap().events.clone()
}

#[tokio::test(start_paused = true)]
async fn a_reminder_is_a_turn_at_its_time_and_only_once() {
    let (truth, peers) = (Arc::<Truth>::default(), Arc::default());
    let (node, _timers) = node(&truth, 1, Owner::Local, &peers).await;
    node.schedules("k1", NOW + MINUTE).await;
    assert_eq!(truth.wake_of("s"), Some(NOW + MINUTE));
    node.clock.0.store(NOW + MINUTE - 1, Relaxed);
    a_while().await;
    assert_eq!(truth.texts("s"), ["/remind"], "its time has not come");

    node.clock.0.store(NOW + MINUTE, Relaxed);
    a_while().await;
    assert_eq!(truth.texts("s"), ["/remind", "EXTERNAL: EXTERNAL_tea"]);
    assert_eq!(said(&truth), ["Your tea!"]);
    // What remains is the end of the session, which a message moves away.
    assert_eq!(truth.wake_of("s"), Some(NOW + MINUTE + EXPIRES));
    node.clock.0.store(NOW + 2 * MINUTE, Relaxed);
    node.says("k2", "/greet").await;
    assert_eq!(truth.wake_of("s"), Some(NOW + 2 * MINUTE + EXPIRES));
}

#[tokio::test(start_paused = true)]
async fn timers_of_several_nodes_and_lost_answers_come_to_one_turn() {
    let (truth, peers) = (Arc::<Truth>::default(), Arc::default());
    // Both believe that they lead: the one that was deposed does not know it yet.
    let (one, _timers) = node(&truth, 1, Owner::Local, &peers).await;
    let (other, _other_timers) = node(&truth, 2, Owner::Local, &peers).await;
    let _more = timers(&one).await;
    one.schedules("k1", NOW + MINUTE).await;
    truth.mishaps.lock().extend([Mishap::AnswerLost, Mishap::Overtaken, Mishap::AnswerLost]);
    other.clock.0.store(NOW + MINUTE, Relaxed);
    one.clock.0.store(NOW + MINUTE, Relaxed);
    a_while().await;
    let fired = truth.texts("s").iter().filter(|text| text.starts_with("EXTERNAL")).count();
    assert_eq!((fired, said(&truth)), (1, vec!["Your tea!".to_owned()]), "{:?}", truth.texts("s"));
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_does_what_is_overdue_and_who_does_not_lead_does_nothing() {
    let (truth, peers) = (Arc::<Truth>::default(), Arc::default());
    let (old, old_timers) = node(&truth, 1, Owner::Local, &peers).await;
    let (new, _timers) = node(&truth, 2, Owner::Remote(NodeId(1)), &peers).await;
    old.schedules("k1", NOW + MINUTE).await;
    old_timers.stop();
    old.journal.owner.send_replace(Owner::Remote(NodeId(2)));
    new.clock.0.store(NOW + 5 * MINUTE, Relaxed);
    a_while().await;
    assert_eq!(truth.texts("s"), ["/remind"]);
    new.journal.owner.send_replace(Owner::Local);
    tokio::time::sleep(2 * LOOK_EVERY).await;
    assert_eq!(truth.texts("s"), ["/remind", "EXTERNAL: EXTERNAL_tea"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_until_it_is_over() {
    let (truth, peers) = (Arc::<Truth>::default(), Arc::default());
    let (node, _timers) = node(&truth, 1, Owner::Local, &peers).await;
    node.schedules("k1", NOW + MINUTE).await;
    // No commit goes through for much longer than a timer waits.
    node.journal.gate.send_replace(false);
    node.clock.0.store(NOW + MINUTE, Relaxed);
    a_while().await;
    assert_eq!(truth.texts("s"), ["/remind"]);
    // And then it is refused again and again.
    truth.mishaps.lock().extend([Mishap::Refused; 4]);
    node.journal.gate.send_replace(true);
    a_while().await;
    assert_eq!((said(&truth), truth.mishaps.lock().len()), (vec!["Your tea!".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_session_expires_once_and_the_next_message_begins_a_new_one() {
    let (truth, peers) = (Arc::<Truth>::default(), Arc::default());
    let (node, _timers) = node(&truth, 1, Owner::Local, &peers).await;
    // This one comes too late: the session has expired by then.
    node.schedules("k1", NOW + EXPIRES).await;
    assert_eq!(truth.wake_of("s"), Some(NOW + EXPIRES));
    node.clock.0.store(NOW + EXPIRES - 1, Relaxed);
    a_while().await;
    assert_eq!(truth.texts("s").len(), 1);
    node.clock.0.store(NOW + 2 * EXPIRES, Relaxed);
    a_while().await;
    assert_eq!((last_events(&truth), truth.wake_of("s")), (vec![Event::SessionExpired], None));
    assert_eq!(truth.texts("s").len(), 2);

    node.says("k2", "/greet").await;
    assert_eq!(last_events(&truth)[1], Event::SessionStarted, "{:?}", last_events(&truth));
    assert_eq!(truth.wake_of("s"), Some(NOW + 3 * EXPIRES));
    assert!(said(&truth).iter().all(|text| text != "Your tea!"));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_first_leaves_the_timer_nothing_to_do() {
    let (truth, peers) = (Arc::<Truth>::default(), Arc::default());
    let (node, timers) = node(&truth, 1, Owner::Local, &peers).await;
    node.says("k1", "/greet").await;
    timers.stop();
    a_while().await;
    node.clock.0.store(NOW + EXPIRES, Relaxed);
    node.says("k2", "/greet").await;
    // The hint is an old one.
    truth.wakes.lock().insert(SessionId::new("s").unwrap(), TimestampMs(NOW + EXPIRES));
    let _timers = self::timers(&node).await;
    a_while().await;
    assert_eq!(truth.texts("s"), ["/greet", "/greet"]);
    assert_eq!(truth.wake_of("s"), Some(NOW + 2 * EXPIRES), "it is put right");
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_was_due_before_the_session_expired_is_late_and_not_lost() {
    let (truth, peers) = (Arc::<Truth>::default(), Arc::default());
    let (node, _timers) = node(&truth, 1, Owner::Local, &peers).await;
    node.schedules("k1", NOW + MINUTE).await;
    // Nobody was there for hours.
    node.clock.0.store(NOW + 5 * EXPIRES, Relaxed);
    a_while().await;
    assert_eq!(said(&truth), ["Your tea!"]);
    assert_eq!(truth.wake_of("s"), Some(NOW + 6 * EXPIRES));
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_is_scheduled_again_for_its_own_time_is_dropped() {
    let (truth, peers) = (Arc::<Truth>::default(), Arc::default());
    let (node, _timers) = node(&truth, 1, Owner::Local, &peers).await;
    for key in ["k1", "k2"] {
        node.schedules(key, NOW).await;
        a_while().await;
    }
    assert_eq!(said(&truth), ["Your tea!"]);
    let dropped = Event::ReminderCancelled { name: Some("tea".into()), intent: None, entities: None };
    assert_eq!((last_events(&truth), truth.texts("s").len()), (vec![dropped], 4));
    assert!(truth.wake_of("s") > Some(NOW), "nothing is due any more");
}

#[tokio::test(start_paused = true)]
async fn many_that_are_overdue_are_woken_a_few_at_a_time() {
    let (truth, peers) = (Arc::<Truth>::default(), Arc::default());
    let (node, timers) = node(&truth, 1, Owner::Local, &peers).await;
    timers.stop();
    let sessions = 3 * WAKING_MAX;
    for number in 0..sessions {
        node.router.turn(request(&format!("s{number}"), "k", "/greet")).await.unwrap();
    }
    node.journal.gate.send_replace(false);
    node.clock.0.store(NOW + EXPIRES, Relaxed);
    let at_work = node.sessions.clone();
    let _timers = self::timers(&node).await;
    tokio::time::sleep(3 * LOOK_EVERY).await;
    assert_eq!(at_work.busy(), WAKING_MAX);
    node.journal.gate.send_replace(true);
    a_while().await;
    assert_eq!(truth.wakes.lock().len(), 0);
    assert!(truth.sessions.lock().values().all(|turns| turns.len() == 2));
}

#[tokio::test(start_paused = true)]
async fn while_an_old_node_is_there_no_reminder_is_taken_and_nothing_is_kept() {
    let (truth, peers) = (Arc::<Truth>::default(), Arc::default());
    let (node, _timers) = node(&truth, 1, Owner::Local, &peers).await;
    node.journal.keeps_timers.store(false, Relaxed);
    node.schedules("k1", NOW + MINUTE).await;
    assert!(said(&truth)[0].starts_with("Sorry"), "{:?}", said(&truth));
    assert_eq!(truth.wake_of("s"), None);
    node.journal.keeps_timers.store(true, Relaxed);
    node.schedules("k2", NOW + MINUTE).await;
    assert_eq!(truth.wake_of("s"), Some(NOW + MINUTE));
}

#[test]
fn keys_of_timers_are_told_from_those_of_clients() {
    let of_timer = |key: &str| IdempotencyKey::new(key).unwrap().is_of_timer();
    let expiry = dialogue::TurnRecord::expiry(3, TimestampMs(1), None);
    assert!(expiry.key.is_of_timer() && of_timer("reminder:00:1") && !of_timer("m:reminder:1") && !of_timer("k"));
}
