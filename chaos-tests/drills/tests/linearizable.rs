//! The search for linear orders on histories of sessions: hand-made ones, small random ones against a search by
//! definition, and large ones of a correct service, as they are and with one answer changed.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that goes wrong")]

use drills::checker;
use drills::history::{Ack, Attempt, Consistency, History, LogView, LoggedTurn, Outcome, Read, Seen};
use drills::limits::CONFIGURATIONS_MAX;
use drills::linearizable::{Finding, check};
use drills::violation::Kind;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

// --- histories by hand; times are milliseconds, all in one session

#[derive(Debug, Clone)]
enum Did {
    Said(Attempt),
    Read(Read),
}

fn said(key: &str, ms: Range<u64>, outcome: Outcome) -> Did {
    let (session, key, text) = ("s".into(), key.into(), format!("text of {key}"));
    let (start_ns, end_ns) = (ms.start * 1_000_000, ms.end * 1_000_000);
    Did::Said(Attempt { client: 1, session, key, text, target: 0, start_ns, end_ns, outcome })
}

fn ack(key: &str, ms: Range<u64>, seq: u64, replayed: bool) -> Did {
    said(key, ms, Outcome::Acknowledged(Ack { seq, replies: json!([]), replayed, node: None, shard: None }))
}

fn new(key: &str, ms: Range<u64>, seq: u64) -> Did {
    ack(key, ms, seq, false)
}

fn replayed(key: &str, ms: Range<u64>, seq: u64) -> Did {
    ack(key, ms, seq, true)
}

fn unknown(key: &str, ms: Range<u64>) -> Did {
    said(key, ms, Outcome::Unknown { why: "timeout".into() })
}

fn read(ms: Range<u64>, consistency: Consistency, seen: Seen) -> Did {
    let (start_ns, end_ns) = (ms.start * 1_000_000, ms.end * 1_000_000);
    Did::Read(Read { client: 2, session: "s".into(), target: 1, start_ns, end_ns, consistency, seen: Some(seen) })
}

/// The turns behind `after`, by their keys.
fn turns(ms: Range<u64>, after_seq: u64, keys: &[&str]) -> Did {
    let turns = (after_seq + 1..).zip(keys).map(|(seq, key)| (seq, (*key).to_owned())).collect();
    read(ms, Consistency::Linearizable, Seen::Turns { after_seq, turns, more: false })
}

fn count(ms: Range<u64>, count: u64) -> Did {
    read(ms, Consistency::Linearizable, Seen::Count(count))
}

fn history(did: impl IntoIterator<Item = Did>) -> History {
    let mut history = History::default();
    for did in did {
        match did {
            Did::Said(attempt) => history.attempts.push(attempt),
            Did::Read(read) => history.reads.push(read),
        }
    }
    history
}

fn findings(history: &History) -> Vec<Finding> {
    check(history, CONFIGURATIONS_MAX).1
}

#[track_caller]
fn accepts(did: impl IntoIterator<Item = Did>) {
    assert_eq!(findings(&history(did)), []);
}

/// The search must end broken; what cannot be placed is given in words.
#[track_caller]
fn rejects(did: impl IntoIterator<Item = Did>, stuck: &str) {
    let found = findings(&history(did));
    let [Finding::Broken(broken)] = &found[..] else { panic!("{found:?}") };
    assert!(broken.stuck[0].contains(stuck), "{broken}");
}

#[test]
fn one_after_the_other_is_linear() {
    accepts([]);
    accepts([new("a", 0..10, 1), new("b", 20..30, 2), turns(40..50, 0, &["a", "b"]), count(60..70, 2)]);
    accepts([turns(0..5, 0, &[]), new("a", 10..20, 1), turns(30..35, 1, &[]), turns(30..35, 7, &[])]);
}

#[test]
fn what_overlaps_may_come_in_either_order() {
    accepts([new("a", 0..10, 2), new("b", 5..15, 1), turns(8..20, 0, &["b", "a"])]);
    // A read that overlaps a turn may see it or not, and two reads may see it one after the other.
    accepts([new("a", 0..100, 1), count(10..20, 0), count(30..40, 1), count(50..60, 1)]);
    // To end at the instant at which another begins is to overlap it.
    accepts([new("a", 0..10, 2), new("b", 10..20, 1)]);
}

#[test]
fn a_stale_read_is_found_and_told_with_what_came_before() {
    let stale = [new("a", 0..10, 1), new("b", 20..30, 2), turns(31..32, 0, &["a"])];
    let found = findings(&history(stale));
    let [Finding::Broken(broken)] = &found[..] else { panic!("{found:?}") };
    let told = "\
not linearizable: session s: 2 of 3 operations have an order; it ends with 2 turns, the last under key b
    then    0.000 to 10.000 ms, client 1 at target 0: turn a: acknowledged as number 1, new
    then    20.000 to 30.000 ms, client 1 at target 0: turn b: acknowledged as number 2, new
    cannot  31.000 to 32.000 ms, client 2 at target 1: read behind number 0: 1 turns, the last is number 1 under key a";
    assert_eq!(broken.to_string(), told);
    rejects([new("a", 0..10, 1), count(11..12, 0)], "read: 0 turns");
    rejects([new("a", 0..10, 1), turns(11..12, 1, &[]), turns(13..14, 0, &[])], "read behind number 0: 0 turns");
    // No acknowledgement is needed: one read goes behind another.
    rejects([new("a", 0..100, 1), count(10..20, 1), count(30..40, 0)], "read: 0 turns");
}

#[test]
fn a_lost_turn_is_found() {
    // Its number is given away again, or the end does not have it.
    rejects([new("a", 0..10, 1), new("b", 20..30, 1)], "turn b: acknowledged as number 1");
    let mut lost = history([new("a", 0..10, 1), new("b", 20..30, 2)]);
    lost.views.push(view(&["a"]));
    let found = findings(&lost);
    let [Finding::Broken(broken)] = &found[..] else { panic!("{found:?}") };
    assert!(broken.stuck[0].starts_with("in the end, a: read behind number 0: 1 turns"), "{broken}");
}

#[test]
fn a_doubled_turn_is_found() {
    rejects([new("a", 0..10, 1), new("a", 20..30, 2)], "turn a: acknowledged as number 2, new");
    rejects([new("a", 0..10, 1), replayed("a", 20..30, 2)], "turn a: acknowledged as number 2, replayed");
    rejects([new("a", 0..10, 1), new("a", 20..30, 1)], "turn a: acknowledged as number 1, new");
    rejects([unknown("a", 0..10), turns(20..30, 0, &["a", "a"])], "2 turns");
    accepts([new("a", 0..10, 1), replayed("a", 20..30, 1)]);
    // A node may have repeated it on its own, for a client that asked once.
    accepts([replayed("a", 0..10, 1)]);
}

#[test]
fn another_order_than_that_of_time_is_found() {
    rejects([new("a", 0..10, 2), new("b", 20..30, 1)], "turn a: acknowledged as number 2");
    rejects([new("a", 0..30, 1), new("b", 0..30, 2), turns(40..50, 0, &["b", "a"])], "2 turns");
    // Two readers disagree on the order of two turns that nobody acknowledged.
    let asked = [unknown("a", 0..10), unknown("b", 0..10)];
    let both = [turns(20..30, 0, &["a", "b"]), turns(20..30, 0, &["b", "a"])];
    rejects(asked.into_iter().chain(both), "2 turns");
}

#[test]
fn a_read_that_sees_the_future_is_found() {
    rejects([turns(0..5, 0, &["a"]), new("a", 10..20, 1)], "1 turns");
    rejects([count(0..5, 1), unknown("a", 10..20)], "read: 1 turns");
    rejects([turns(0..5, 0, &["ghost"]), new("a", 0..5, 1)], "1 turns");
    // A gap: the number after next.
    rejects([new("a", 0..10, 1), new("b", 20..30, 3)], "number 3");
}

#[test]
fn what_was_never_answered_may_take_effect_late_or_never() {
    accepts([unknown("a", 0..10), new("b", 20..30, 1), count(40..50, 1), count(60..70, 2)]);
    accepts([unknown("a", 0..10), new("b", 20..30, 1), turns(40..50, 0, &["b", "a"])]);
    accepts([unknown("a", 0..10), new("b", 20..30, 2)]);
    accepts([unknown("a", 0..10), unknown("a", 20..30), replayed("a", 40..50, 1)]);
    accepts([unknown("a", 0..10), new("a", 20..30, 1)]);
    // It may come late, but not before it was sent, and only once.
    rejects([new("b", 20..30, 2), unknown("a", 40..50)], "number 2");
    rejects([unknown("a", 0..10), count(20..30, 1), new("a", 40..50, 1)], "acknowledged as number 1, new");
    rejects([unknown("a", 0..10), unknown("a", 0..10), new("b", 20..30, 3)], "number 3");
    // Two readers cannot disagree on whether it did.
    rejects([unknown("a", 0..10), count(20..30, 1), count(40..50, 0)], "read: 0 turns");
}

#[test]
fn a_refused_turn_takes_no_effect() {
    let refused = said("a", 0..10, Outcome::Refused { why: "429".into() });
    accepts([refused.clone(), new("b", 20..30, 1)]);
    rejects([refused, new("b", 20..30, 2)], "number 2");
}

#[test]
fn a_local_read_may_see_the_past_but_not_the_future() {
    let local = |ms, n| read(ms, Consistency::Local, Seen::Count(n));
    accepts([new("a", 0..10, 1), local(20..30, 0), local(20..30, 1)]);
    rejects([new("a", 40..50, 1), local(20..30, 1)], "until 30.000 ms, client 2 at target 1, locally: read: 1 turns");
}

#[test]
fn a_full_page_says_nothing_of_what_is_behind_it() {
    let page = |ms, keys: &[&str]| {
        let turns = (1..).zip(keys).map(|(seq, key)| (seq, (*key).to_owned())).collect();
        read(ms, Consistency::Linearizable, Seen::Turns { after_seq: 0, turns, more: true })
    };
    accepts([new("a", 0..10, 1), new("b", 20..30, 2), page(40..50, &["a"])]);
    rejects([new("a", 0..10, 1), new("b", 20..30, 2), page(40..50, &["b"])], "1 turns or more");
}

#[test]
fn sessions_are_judged_one_by_one() {
    let mut both = history([new("a", 0..10, 1), count(20..30, 0)]);
    let Did::Said(mut other) = new("b", 0..10, 1) else { unreachable!() };
    other.session = "t".into();
    both.attempts.push(other);
    let (summary, found) = check(&both, CONFIGURATIONS_MAX);
    assert_eq!((summary.sessions, summary.operations, summary.reads, summary.overlapping), (2, 3, 1, 0));
    assert!(matches!(&found[..], [Finding::Broken(broken)] if broken.session == "s"), "{found:?}");
}

#[test]
fn a_bound_that_is_reached_is_no_pass() {
    let mut long = history((1..=9).map(|n| new(&format!("k{n}"), n * 10..n * 10 + 5, n)));
    long.views.push(view(&["k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"]));
    let verdict = checker::check_within(&long, 4);
    assert!(!verdict.holds());
    assert_eq!(verdict.counts, BTreeMap::from([(Kind::Undecided, 1)]));
    assert!(verdict.to_string().contains("undecided: session s"), "{verdict}");
    assert!(checker::check(&long).holds());
}

fn view(keys: &[&str]) -> LogView {
    let logged = |(seq, key): (u64, &&str)| LoggedTurn {
        seq,
        key: (*key).to_owned(),
        text: format!("text of {key}"),
        replies: json!([]),
    };
    LogView { node: "a".into(), sessions: BTreeMap::from([("s".into(), (1..).zip(keys).map(logged).collect())]) }
}

// --- against a search by definition

/// Is there an order? Every permutation that respects real time is tried, on a plain list of keys; no idea of the search
/// under test is used.
fn by_definition(history: &History) -> bool {
    let mut all: Vec<Did> = history.attempts.iter().cloned().map(Did::Said).collect();
    all.extend(history.reads.iter().cloned().map(Did::Read));
    any_order(&all, &mut Vec::new(), &mut vec![false; all.len()])
}

fn span(did: &Did) -> (u64, u64) {
    match did {
        Did::Said(Attempt { start_ns, outcome: Outcome::Unknown { .. }, .. }) => (*start_ns, u64::MAX),
        Did::Said(a) => (a.start_ns, a.end_ns),
        Did::Read(r) if r.consistency == Consistency::Local => (0, r.end_ns),
        Did::Read(r) => (r.start_ns, r.end_ns),
    }
}

fn any_order(all: &[Did], log: &mut Vec<String>, done: &mut Vec<bool>) -> bool {
    if (0..all.len()).all(|i| done[i] || span(&all[i]).1 == u64::MAX) {
        return true;
    }
    for i in 0..all.len() {
        let comes_after_another = (0..all.len()).any(|j| !done[j] && span(&all[j]).1 < span(&all[i]).0);
        if done[i] || comes_after_another {
            continue;
        }
        let length = log.len();
        if explained(&all[i], log) {
            done[i] = true;
            if any_order(all, log, done) {
                return true;
            }
            done[i] = false;
        }
        log.truncate(length);
    }
    false
}

/// Does a list of keys give this answer? It appends what was said.
fn explained(did: &Did, log: &mut Vec<String>) -> bool {
    match did {
        Did::Said(attempt) => {
            let before = log.iter().position(|key| *key == attempt.key);
            if before.is_none() {
                log.push(attempt.key.clone());
            }
            match &attempt.outcome {
                Outcome::Acknowledged(ack) => {
                    let place = before.unwrap_or(log.len() - 1) as u64 + 1;
                    ack.seq == place && (ack.replayed || before.is_none())
                }
                Outcome::Unknown { .. } => true,
                Outcome::Refused { .. } => false,
            }
        }
        Did::Read(read) => match read.seen.as_ref().unwrap() {
            Seen::Count(n) => log.len() as u64 == *n,
            Seen::Turns { after_seq, turns, more } => {
                let rest: Vec<(u64, String)> = (1..).zip(log.iter().cloned()).filter(|(n, _)| n > after_seq).collect();
                if *more { rest.starts_with(turns) } else { rest == *turns }
            }
        },
    }
}

/// One operation of a small random history; most of them fit nothing.
fn any_operation() -> impl Strategy<Value = Did> {
    let key = prop::sample::select(vec!["a", "b", "c"]);
    let ms = (0..12_u64, 0..8_u64).prop_map(|(start, took)| start..start + took);
    let seen = prop::sample::subsequence(vec!["a", "b", "c"], 0..=3).prop_shuffle();
    (key, ms, 0..12_u8, 1..4_u64, seen).prop_map(|(key, ms, what, seq, seen)| match what {
        0..3 => new(key, ms, seq),
        3 => replayed(key, ms, seq),
        4..7 => unknown(key, ms),
        7 => read(ms, Consistency::Local, Seen::Count(seq - 1)),
        8 => count(ms, seq - 1),
        9 => turns(ms, seq - 1, &seen[..seen.len().min(1)]),
        _ => turns(ms, 0, &seen),
    })
}

/// Runs cases until `test` has said often enough what it saw.
fn cases<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<bool, TestCaseError>, each: usize) {
    let seen = [Cell::new(0), Cell::new(0)];
    let config = Config { cases: 1_500, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&strategy, |value| {
        let counter = &seen[usize::from(test(value)?)];
        counter.set(counter.get() + 1);
        Ok(())
    });
    run.unwrap();
    // A comparison that only ever saw one of the two answers would be no test.
    assert!(seen.iter().all(|n| n.get() >= each), "broken and linear ones: {seen:?}, expected {each} of each");
}

fn agrees(history: &History) -> Result<bool, TestCaseError> {
    let expected = by_definition(history);
    let found = findings(history);
    prop_assert_eq!(found.is_empty(), expected, "{:?}", found);
    Ok(expected)
}

#[test]
fn small_random_histories_are_judged_as_by_definition() {
    cases(prop::collection::vec(any_operation(), 1..6), |did| agrees(&history(did)), 100);
}

#[test]
fn small_histories_of_a_correct_service_with_one_operation_changed_are_judged_as_by_definition() {
    let changed = (any::<u64>(), any::<prop::sample::Index>(), any_operation());
    let test = |(seed, place, instead): (u64, prop::sample::Index, Did)| {
        let mut run = Run { seed, clients: 3, operations: 7, keys: Some(3), late_ns: 20, ..Run::default() }.history();
        run.views.clear();
        prop_assert!(agrees(&run)?, "a correct run was called broken");
        // What is put in its place keeps the times.
        let place = place.index(run.attempts.len() + run.reads.len());
        match (instead, place.checked_sub(run.attempts.len())) {
            (Did::Said(attempt), None) => run.attempts[place].outcome = attempt.outcome,
            (Did::Read(read), Some(place)) => run.reads[place].seen = read.seen,
            (Did::Said(attempt), Some(place)) => drop((run.reads.remove(place), run.attempts.push(attempt))),
            (Did::Read(read), None) => drop((run.attempts.remove(place), run.reads.push(read))),
        }
        agrees(&run)
    };
    cases(changed, test, 100);
}

// --- runs of a correct service

/// A simulated run: each operation takes effect at one instant inside its span, or never, or, unanswered, much later.
struct Run {
    seed: u64,
    clients: u64,
    operations: usize,
    /// Keys are drawn from so many, so that they are repeated; else each turn has its own and repeats only what was lost.
    keys: Option<u64>,
    /// How much later than its end an unanswered turn can take effect.
    late_ns: u64,
    /// Of a hundred turns so many are not answered.
    unanswered: u32,
}

impl Default for Run {
    fn default() -> Self {
        Self { seed: 1, clients: 4, operations: 100, keys: None, late_ns: 2_000, unanswered: 15 }
    }
}

impl Run {
    fn history(&self) -> History {
        let mut random = SmallRng::seed_from_u64(self.seed);
        // (instant of its effect, operation), and where the turns of each client stand
        let mut effects: Vec<(u64, usize)> = Vec::new();
        let mut all: Vec<Did> = Vec::new();
        let mut clocks: Vec<u64> = (0..self.clients).collect();
        let mut again: Option<String> = None;
        for i in 0..self.operations {
            let client = random.random_range(0..clocks.len());
            let start = clocks[client] + random.random_range(0..5);
            let end = start + random.random_range(0..100);
            clocks[client] = end + 1;
            let at = random.random_range(start..=end);
            if random.random_range(0..100) < 40 {
                let local = random.random_range(0..4) == 0;
                let consistency = if local { Consistency::Local } else { Consistency::Linearizable };
                let at = if local { at.saturating_sub(random.random_range(0..200)) } else { at };
                effects.push((at, i));
                let seen = match random.random_range(0..3) {
                    0 => Seen::Count(0),
                    n => Seen::Turns { after_seq: random.random_range(0..4), turns: Vec::new(), more: n == 1 },
                };
                all.push(span_of(read(0..0, consistency, seen), start, end));
                continue;
            }
            let own = again.take().unwrap_or_else(|| format!("k{i}"));
            let key = self.keys.map_or(own, |keys| format!("k{}", random.random_range(0..keys)));
            if random.random_range(0..100) < self.unanswered {
                if random.random_bool(0.7) {
                    effects.push((start + random.random_range(0..=end - start + self.late_ns), i));
                }
                again = random.random_bool(0.5).then(|| key.clone());
                all.push(span_of(unknown(&key, 0..0), start, end));
            } else {
                effects.push((at, i));
                all.push(span_of(new(&key, 0..0, 0), start, end));
            }
        }
        let last = all.iter().map(|did| (span(did).0).max(end_of(did))).max().unwrap_or(0);
        effects.sort_unstable();
        let mut log: Vec<String> = Vec::new();
        // What takes effect behind the final reads is as good as never.
        for (_, i) in effects.into_iter().filter(|(at, _)| *at <= last) {
            answer(&mut all[i], &mut log);
        }
        let mut history = history(all);
        let keys: Vec<&str> = log.iter().map(String::as_str).collect();
        history.views = vec![view(&keys), view(&keys), view(&keys)];
        history
    }
}

fn span_of(mut did: Did, start: u64, end: u64) -> Did {
    match &mut did {
        Did::Said(attempt) => (attempt.start_ns, attempt.end_ns) = (start, end),
        Did::Read(read) => (read.start_ns, read.end_ns) = (start, end),
    }
    did
}

fn end_of(did: &Did) -> u64 {
    match did {
        Did::Said(attempt) => attempt.end_ns,
        Did::Read(read) => read.end_ns,
    }
}

/// Fills in what the service answers now.
fn answer(did: &mut Did, log: &mut Vec<String>) {
    match did {
        Did::Said(attempt) => {
            let before = log.iter().position(|key| *key == attempt.key);
            if before.is_none() {
                log.push(attempt.key.clone());
            }
            if let Outcome::Acknowledged(ack) = &mut attempt.outcome {
                ack.seq = before.unwrap_or(log.len() - 1) as u64 + 1;
                ack.replayed = before.is_some();
            }
        }
        Did::Read(read) => match read.seen.as_mut().unwrap() {
            Seen::Count(n) => *n = log.len() as u64,
            Seen::Turns { after_seq, turns, more } => {
                *after_seq = (log.len() as u64).saturating_sub(*after_seq);
                let numbered = (1..).zip(log.iter().cloned());
                *turns = numbered.skip(*after_seq as usize).take(if *more { 2 } else { usize::MAX }).collect();
                *more = *more && turns.len() == 2;
            }
        },
    }
}

#[test]
fn large_runs_of_a_correct_service_are_linear_and_the_search_walks_straight() {
    for (seed, clients, operations, unanswered) in
        [(1, 1, 300, 10), (2, 3, 5_000, 5), (3, 8, 5_000, 30), (4, 32, 3_000, 60)]
    {
        let run = Run { seed, clients, operations, unanswered, ..Run::default() }.history();
        let (summary, found) = check(&run, CONFIGURATIONS_MAX);
        assert_eq!(found, []);
        assert!(summary.reads > 0 && (clients == 1 || summary.overlapping > operations / 4), "{summary:?}");
        // One configuration an append, and hardly any that were left again.
        assert!(summary.visited <= 2 * operations, "{summary:?}");
        let without_views = History { views: Vec::new(), ..run };
        let (summary, found) = check(&without_views, CONFIGURATIONS_MAX);
        assert_eq!(found, []);
        assert!(summary.visited <= 2 * operations, "{summary:?}");
    }
}

#[test]
fn one_wrong_answer_in_a_large_run_is_found() {
    let mut tried = [0; 3];
    for seed in 0..60 {
        let run = Run { seed, operations: 400, unanswered: 20, ..Run::default() }.history();
        let acks: Vec<(u64, u64, String)> = run.attempts.iter().filter_map(acknowledged).collect();
        // A read that shows less than was acknowledged before it began.
        let mut random = SmallRng::seed_from_u64(seed);
        let mut stale = run.clone();
        let place = random.random_range(0..stale.reads.len());
        let read = &mut stale.reads[place];
        let known = acks.iter().filter(|(_, end, _)| *end < read.start_ns).map(|(seq, ..)| *seq).max();
        if let (Some(known), Consistency::Linearizable) = (known, read.consistency) {
            read.seen = Some(Seen::Count(known - 1));
            assert_eq!(findings(&stale).len(), 1, "seed {seed}");
            tried[0] += 1;
        }
        // A final log that lacks one acknowledged turn.
        let (seq, _, key) = &acks[random.random_range(0..acks.len())];
        let mut lost = run.clone();
        lost.views[1].sessions.get_mut("s").unwrap().retain(|turn| turn.key != *key);
        assert_eq!(findings(&lost).len(), 1, "seed {seed}");
        tried[1] += 1;
        // Two neighbours that changed places everywhere in the end, one of them acknowledged.
        let mut swapped = run.clone();
        for view in &mut swapped.views {
            let turns = view.sessions.get_mut("s").unwrap();
            let place = (*seq as usize - 1).min(turns.len() - 2);
            let (a, b) = (turns[place].key.clone(), turns[place + 1].key.clone());
            (turns[place].key, turns[place + 1].key) = (b, a);
        }
        assert_eq!(findings(&swapped).len(), 1, "seed {seed}");
        tried[2] += 1;
    }
    assert!(tried.iter().all(|n| *n >= 20), "{tried:?}");
}

fn acknowledged(attempt: &Attempt) -> Option<(u64, u64, String)> {
    match &attempt.outcome {
        Outcome::Acknowledged(ack) => Some((ack.seq, attempt.end_ns, attempt.key.clone())),
        _ => None,
    }
}
