//! The checker itself: each kind of violation is planted by hand and must be named; a correct run must pass.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

use drills::checker::{Verdict, check};
use drills::history::{Ack, Attempt, History, LogView, LoggedTurn, Outcome};
use drills::violation::{Kind, Violation};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

fn replies(text: &str) -> serde_json::Value {
    json!([{"text": format!("you said {text}"), "image": null, "buttons": []}])
}

fn attempt(key: &str, start_ns: u64, end_ns: u64, outcome: Outcome) -> Attempt {
    let text = format!("text of {key}");
    Attempt { client: 0, session: "s".into(), key: key.into(), text, target: 0, start_ns, end_ns, outcome }
}

fn acknowledged(key: &str, seq: u64, start_ns: u64, end_ns: u64) -> Attempt {
    let replies = replies(&format!("text of {key}"));
    let ack = Ack { seq, replies, replayed: false, node: Some(1), shard: Some(0) };
    attempt(key, start_ns, end_ns, Outcome::Acknowledged(ack))
}

fn unknown(key: &str, start_ns: u64, end_ns: u64) -> Attempt {
    attempt(key, start_ns, end_ns, Outcome::Unknown { why: "timeout".into() })
}

fn refused(key: &str, start_ns: u64, end_ns: u64) -> Attempt {
    attempt(key, start_ns, end_ns, Outcome::Refused { why: "connection refused".into() })
}

fn logged(key: &str, seq: u64) -> LoggedTurn {
    let text = format!("text of {key}");
    LoggedTurn { seq, key: key.into(), replies: replies(&text), text }
}

fn view(node: &str, turns: Vec<LoggedTurn>) -> LogView {
    LogView { node: node.into(), sessions: BTreeMap::from([("s".to_owned(), turns)]) }
}

/// Judges attempts against a log that all three nodes agree on.
fn judge(attempts: Vec<Attempt>, log: Vec<LoggedTurn>) -> Verdict {
    let views = ["a", "b", "c"].map(|node| view(node, log.clone())).to_vec();
    check(&History { attempts, views, ..History::default() })
}

/// The verdict must consist of exactly these kinds, and the search for a linear order, which knows nothing of them, must
/// find the session broken where one of them is.
#[track_caller]
fn expect(verdict: &Verdict, kinds: &[(Kind, usize)]) {
    let found = kinds.iter().find(|(kind, _)| *kind != Kind::NoEvidence);
    expect_only(verdict, &[kinds, found.map(|_| (Kind::NotLinearizable, 1)).as_slice()].concat());
}

/// The verdict must consist of exactly these kinds.
#[track_caller]
fn expect_only(verdict: &Verdict, kinds: &[(Kind, usize)]) {
    let expected: BTreeMap<Kind, usize> = kinds.iter().copied().collect();
    assert_eq!(verdict.counts, expected, "{verdict}");
}

#[test]
fn a_plain_run_with_a_retry_passes() {
    let mut replay = acknowledged("k2", 2, 50, 60);
    let Outcome::Acknowledged(ack) = &mut replay.outcome else { unreachable!() };
    ack.replayed = true;
    // Null fields and absent ones say the same.
    ack.replies = json!([{"text": "you said text of k2"}]);
    let attempts = vec![acknowledged("k1", 1, 0, 10), unknown("k2", 20, 40), replay, refused("k3", 70, 80)];
    let verdict = judge(attempts, vec![logged("k1", 1), logged("k2", 2)]);
    expect(&verdict, &[]);
    assert!(verdict.holds());
    assert_eq!((verdict.acknowledged, verdict.unknown, verdict.logged, verdict.replayed), (2, 0, 2, 1));
}

#[test]
fn a_turn_of_unknown_outcome_may_stand_in_the_log_or_not() {
    let attempts = vec![acknowledged("k1", 1, 0, 10), unknown("k2", 20, 40), unknown("k3", 50, 60)];
    let verdict = judge(attempts, vec![logged("k1", 1), logged("k3", 2)]);
    expect(&verdict, &[]);
    assert_eq!(verdict.unknown, 2);
}

#[test]
fn an_acknowledged_turn_that_the_log_lacks_is_lost() {
    let verdict = judge(vec![acknowledged("k1", 1, 0, 10), acknowledged("k2", 2, 20, 30)], vec![logged("k1", 1)]);
    expect(&verdict, &[(Kind::Lost, 1)]);
    let named = "lost: session s, key k2: acknowledged as turn 2, not in the log of a";
    assert!(verdict.to_string().contains(named), "{verdict}");
}

#[test]
fn a_whole_session_that_the_log_lacks_is_lost() {
    let history = History {
        attempts: vec![acknowledged("k1", 1, 0, 10)],
        views: vec![LogView { node: "a".into(), sessions: BTreeMap::new() }],
        ..History::default()
    };
    expect(&check(&history), &[(Kind::Lost, 1)]);
}

#[test]
fn other_replies_other_words_and_another_number_are_alterations() {
    let attempts = || vec![acknowledged("k1", 1, 0, 10), acknowledged("k2", 2, 0, 10)];
    let mut other_replies = logged("k1", 1);
    other_replies.replies = json!([{"text": "something else"}]);
    // Words and replies are no matter of order.
    expect_only(&judge(attempts(), vec![other_replies, logged("k2", 2)]), &[(Kind::Altered, 1)]);
    let mut other_words = logged("k2", 2);
    other_words.text = "never said".into();
    expect_only(&judge(attempts(), vec![logged("k1", 1), other_words]), &[(Kind::Altered, 1)]);
    // Swapped in the log: both stand under another number than was acknowledged.
    expect(&judge(attempts(), vec![logged("k2", 1), logged("k1", 2)]), &[(Kind::Altered, 2)]);
}

#[test]
fn a_key_at_two_places_of_the_log_is_doubled() {
    let attempts = vec![unknown("k1", 0, 10), acknowledged("k1", 2, 20, 30)];
    let verdict = judge(attempts, vec![logged("k1", 1), logged("k1", 2)]);
    expect(&verdict, &[(Kind::Doubled, 1)]);
    assert!(verdict.to_string().contains("doubled: session s, key k1: stands in the log as turns [1, 2]"), "{verdict}");
}

#[test]
fn a_key_acknowledged_with_two_numbers_or_two_replies_is_doubled() {
    let attempts = vec![acknowledged("k1", 1, 0, 10), acknowledged("k1", 2, 20, 30)];
    expect(&judge(attempts, vec![logged("k1", 1)]), &[(Kind::Doubled, 1)]);
    let mut other = acknowledged("k1", 1, 20, 30);
    let Outcome::Acknowledged(ack) = &mut other.outcome else { unreachable!() };
    ack.replies = json!([]);
    let verdict = judge(vec![acknowledged("k1", 1, 0, 10), other], vec![logged("k1", 1)]);
    expect(&verdict, &[(Kind::Doubled, 1)]);
    assert!(verdict.to_string().contains("with two different replies"), "{verdict}");
}

#[test]
fn one_number_for_two_keys_breaks_the_order() {
    let attempts = vec![acknowledged("k1", 1, 0, 10), acknowledged("k2", 1, 0, 10)];
    let verdict = judge(attempts, vec![logged("k1", 1), logged("k2", 2)]);
    expect(&verdict, &[(Kind::Order, 1), (Kind::Altered, 1)]);
    assert!(verdict.violations.iter().any(|v| matches!(v, Violation::SeqTwice { seq: 1, .. })), "{verdict}");
}

#[test]
fn a_gap_or_a_wrong_first_number_is_named() {
    let attempts = || vec![acknowledged("k1", 1, 0, 10), acknowledged("k2", 3, 20, 30)];
    let verdict = judge(attempts(), vec![logged("k1", 1), logged("k2", 3)]);
    expect(&verdict, &[(Kind::Order, 1)]);
    assert!(verdict.to_string().contains("turn 3 stands where turn 2 belongs"), "{verdict}");
    let verdict = judge(vec![acknowledged("k1", 2, 0, 10)], vec![logged("k1", 2)]);
    expect(&verdict, &[(Kind::Order, 1)]);
}

#[test]
fn real_time_order_is_kept_inside_a_session() {
    // k1 was acknowledged at 10; k2 was sent at 20 and yet came before it.
    let attempts = vec![acknowledged("k1", 2, 0, 10), acknowledged("k2", 1, 20, 30)];
    let verdict = judge(attempts, vec![logged("k2", 1), logged("k1", 2)]);
    expect(&verdict, &[(Kind::Order, 1)]);
    assert!(verdict.to_string().contains("key k1 was acknowledged before key k2 was sent"), "{verdict}");
    // Where the two overlap, either order is right.
    let attempts = vec![acknowledged("k1", 2, 0, 10), acknowledged("k2", 1, 9, 30)];
    expect(&judge(attempts, vec![logged("k2", 1), logged("k1", 2)]), &[]);
}

#[test]
fn a_turn_without_acknowledgement_cannot_stand_before_one_that_was_acknowledged_earlier() {
    let attempts = vec![acknowledged("k1", 2, 0, 10), unknown("k2", 20, 30)];
    let verdict = judge(attempts, vec![logged("k2", 1), logged("k1", 2)]);
    expect(&verdict, &[(Kind::Order, 1)]);
}

#[test]
fn a_turn_that_nobody_sent_or_that_was_refused_is_a_phantom() {
    let verdict = judge(vec![acknowledged("k1", 1, 0, 10)], vec![logged("k1", 1), logged("ghost", 2)]);
    expect(&verdict, &[(Kind::Phantom, 1)]);
    assert!(verdict.to_string().contains("key ghost: turn 2"), "{verdict}");
    let attempts = vec![acknowledged("k1", 1, 0, 10), refused("k2", 20, 30)];
    let verdict = judge(attempts, vec![logged("k1", 1), logged("k2", 2)]);
    expect(&verdict, &[(Kind::Phantom, 1)]);
    assert!(verdict.to_string().contains("every attempt at it was refused"), "{verdict}");
}

#[test]
fn a_session_of_nobody_is_a_phantom_too() {
    let mut strange = view("a", vec![logged("k1", 1)]);
    strange.sessions.insert("other".into(), vec![logged("k1", 1)]);
    let verdict =
        check(&History { attempts: vec![acknowledged("k1", 1, 0, 10)], views: vec![strange], ..History::default() });
    expect(&verdict, &[(Kind::Phantom, 1)]);
}

#[test]
fn nodes_that_tell_different_logs_are_named() {
    let views = vec![view("a", vec![logged("k1", 1), logged("k2", 2)]), view("b", vec![logged("k1", 1)])];
    let attempts = vec![acknowledged("k1", 1, 0, 10), acknowledged("k2", 2, 20, 30)];
    let verdict = check(&History { attempts, views, ..History::default() });
    expect(&verdict, &[(Kind::Disagreement, 1)]);
    assert!(verdict.to_string().contains("session s: a and b differ from turn 2 on"), "{verdict}");
}

#[test]
fn no_log_and_no_acknowledgement_are_no_verdict() {
    let verdict = check(&History { attempts: vec![acknowledged("k1", 1, 0, 10)], ..History::default() });
    expect(&verdict, &[(Kind::NoEvidence, 1)]);
    expect(&check(&History::default()), &[(Kind::NoEvidence, 2)]);
}

/// What a client does with one turn in the simulated run.
#[derive(Debug, Clone)]
struct Step {
    session: u8,
    /// How long each of the lost attempts before the last took; `true`: it was committed all the same.
    lost: Vec<(u16, bool)>,
    /// Is the last attempt acknowledged?
    acknowledged: bool,
    took: u16,
}

fn step() -> impl Strategy<Value = Step> {
    let lost = proptest::collection::vec((0..500u16, any::<bool>()), 0..3);
    (0..4u8, lost, any::<bool>(), 1..500u16).prop_map(|(session, lost, acknowledged, took)| Step {
        session,
        lost,
        acknowledged,
        took,
    })
}

/// A correct service: each client goes on when its turn has ended; a turn commits at one instant inside an attempt.
fn simulate(clients: &[Vec<Step>]) -> History {
    let mut attempts = Vec::new();
    // (instant, session, key) of every commit
    let mut commits: Vec<(u64, String, String)> = Vec::new();
    for (client, steps) in clients.iter().enumerate() {
        let mut now = client as u64;
        for (n, step) in steps.iter().enumerate() {
            let session = format!("s{}", step.session);
            let key = format!("c{client}-{n}");
            let mut committed = false;
            let last = (step.took, step.acknowledged);
            for (i, (took, effect)) in step.lost.iter().copied().chain([last]).enumerate() {
                let is_last = i == step.lost.len();
                let (start_ns, end_ns) = (now, now + u64::from(took) + 1);
                if effect && !committed {
                    commits.push((start_ns + u64::from(took) / 2, session.clone(), key.clone()));
                    committed = true;
                }
                let outcome = if is_last && step.acknowledged {
                    // The number is filled in below, when the order of all commits is known.
                    let replies = replies(&key);
                    Outcome::Acknowledged(Ack { seq: 0, replies, replayed: i > 0, node: None, shard: None })
                } else {
                    Outcome::Unknown { why: "timeout".into() }
                };
                let (session, key) = (session.clone(), key.clone());
                let text = key.clone();
                attempts.push(Attempt {
                    client: client as u32,
                    session,
                    key,
                    text,
                    target: 0,
                    start_ns,
                    end_ns,
                    outcome,
                });
                now = end_ns + 1;
            }
        }
    }
    commits.sort();
    let mut sessions: BTreeMap<String, Vec<LoggedTurn>> = BTreeMap::new();
    let mut seqs = BTreeMap::new();
    for (_, session, key) in commits {
        let turns = sessions.entry(session).or_default();
        let seq = turns.len() as u64 + 1;
        seqs.insert(key.clone(), seq);
        turns.push(LoggedTurn { seq, text: key.clone(), replies: replies(&key), key });
    }
    for attempt in &mut attempts {
        if let Outcome::Acknowledged(ack) = &mut attempt.outcome {
            ack.seq = seqs[&attempt.key];
        }
    }
    let views = ["a", "b"].map(|node| LogView { node: node.into(), sessions: sessions.clone() }).to_vec();
    History { attempts, views, ..History::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is retried, lost on the way or never known: a correct service is found correct, and a service that
    /// forgets the end of one acknowledged turn is not.
    #[test]
    fn a_correct_run_passes_and_one_missing_turn_fails(
        clients in proptest::collection::vec(proptest::collection::vec(step(), 1..12), 1..5),
        victim in any::<prop::sample::Index>(),
    ) {
        let mut history = simulate(&clients);
        let verdict = check(&history);
        if verdict.acknowledged == 0 {
            prop_assert_eq!(verdict.count(Kind::NoEvidence), 1);
            return Ok(());
        }
        prop_assert!(verdict.holds(), "{}", verdict);

        let acknowledged: Vec<(String, String)> = history
            .attempts
            .iter()
            .filter(|a| matches!(a.outcome, Outcome::Acknowledged(_)))
            .map(|a| (a.session.clone(), a.key.clone()))
            .collect();
        let (session, key) = &acknowledged[victim.index(acknowledged.len())];
        for view in &mut history.views {
            view.sessions.get_mut(session).expect("it was acknowledged").retain(|t| &t.key != key);
        }
        let verdict = check(&history);
        prop_assert_eq!(verdict.count(Kind::Lost), 1, "{}", verdict);
    }
}

#[test]
fn what_timers_say_has_its_place_among_the_turns_and_only_one() {
    let attempts = || vec![acknowledged("k1", 1, 0, 10), acknowledged("k2", 3, 20, 30)];
    let log = |timer: &str| vec![logged("k1", 1), logged(timer, 2), logged("k2", 3)];
    expect(&judge(attempts(), log("expired:1")), &[]);
    expect(&judge(attempts(), log("reminder:tea:5000")), &[]);
    // Under any other key somebody must have sent it.
    expect(&judge(attempts(), log("expire:1")), &[(Kind::Phantom, 1)]);
    // Twice is once too often, whoever said it.
    let twice = vec![logged("k1", 1), logged("reminder:tea:5000", 2), logged("k2", 3), logged("reminder:tea:5000", 4)];
    expect_only(&judge(attempts(), twice), &[(Kind::NotLinearizable, 1)]);
}
