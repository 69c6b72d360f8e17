//! The judge: does what the clients saw agree with what the log holds?

use crate::history::{Ack, Attempt, History, LogView, LoggedTurn, Outcome, plain};
use crate::limits::CONFIGURATIONS_MAX;
use crate::linearizable::{self, Finding};
use crate::violation::Violation;
use std::collections::{BTreeMap, HashMap};

pub use crate::verdict::Verdict;

/// All attempts under one key of one session.
struct Turn<'a> {
    key: &'a str,
    text: &'a str,
    /// The first acknowledgement.
    ack: Option<&'a Ack>,
    /// When the first attempt was invoked.
    invoked_ns: u64,
    /// When the first acknowledgement was seen.
    acknowledged_ns: Option<u64>,
    /// Was every attempt refused outright?
    refused: bool,
}

/// Judges a history: first what is named turn by turn, in O(n log n) of attempts and logged turns, then each session as a
/// whole (see [`linearizable`](mod@crate::linearizable)). What is named turn by turn breaks its session's order as well.
pub fn check(history: &History) -> Verdict {
    check_within(history, CONFIGURATIONS_MAX)
}

/// The same with another bound on the configurations that are visited of one session.
pub fn check_within(history: &History, configurations_max: usize) -> Verdict {
    let mut verdict = Verdict::default();
    let turns = gather(&history.attempts, &mut verdict);
    if history.views.is_empty() {
        verdict.add(Violation::NoEvidence { what: "the log was read from no node" });
    }
    if verdict.acknowledged == 0 {
        verdict.add(Violation::NoEvidence { what: "not one turn was acknowledged" });
    }
    if let Some(view) = history.views.first() {
        verdict.sessions = view.sessions.values().filter(|turns| !turns.is_empty()).count();
        verdict.logged = view.sessions.values().map(Vec::len).sum();
        check_view(view, &turns, &mut verdict);
        for other in &history.views[1..] {
            compare_views(view, other, &mut verdict);
        }
    }
    check_acknowledged_order(&turns, &mut verdict);
    let (summary, findings) = linearizable::check(history, configurations_max);
    verdict.linearizable = summary;
    for finding in findings {
        verdict.add(match finding {
            Finding::Broken(broken) => Violation::NotLinearizable(broken),
            Finding::Undecided { session, visited } => Violation::Undecided { session, visited },
        });
    }
    verdict
}

type Turns<'a> = BTreeMap<&'a str, HashMap<&'a str, Turn<'a>>>;

/// Groups the attempts by session and key; a key must be acknowledged the same each time.
fn gather<'a>(attempts: &'a [Attempt], verdict: &mut Verdict) -> Turns<'a> {
    // In the order of their ends, so that "the first acknowledgement" is the first.
    let mut in_order: Vec<&Attempt> = attempts.iter().collect();
    in_order.sort_by_key(|a| a.end_ns);
    let mut sessions: Turns<'a> = BTreeMap::new();
    for attempt in in_order {
        let turn = sessions.entry(&attempt.session).or_default().entry(&attempt.key).or_insert(Turn {
            key: &attempt.key,
            text: &attempt.text,
            ack: None,
            invoked_ns: attempt.start_ns,
            acknowledged_ns: None,
            refused: true,
        });
        turn.invoked_ns = turn.invoked_ns.min(attempt.start_ns);
        turn.refused &= matches!(attempt.outcome, Outcome::Refused { .. });
        let Outcome::Acknowledged(ack) = &attempt.outcome else { continue };
        verdict.replayed += usize::from(ack.replayed);
        match turn.ack {
            None => {
                turn.ack = Some(ack);
                turn.acknowledged_ns = Some(attempt.end_ns);
            }
            Some(first) if first.seq != ack.seq || plain(&first.replies) != plain(&ack.replies) => {
                verdict.add(Violation::KeyAcknowledgedTwice {
                    session: attempt.session.clone(),
                    key: attempt.key.clone(),
                    seqs: (first.seq, ack.seq),
                });
            }
            Some(_) => {}
        }
    }
    for turn in sessions.values().flat_map(HashMap::values) {
        verdict.acknowledged += usize::from(turn.ack.is_some());
        verdict.unknown += usize::from(turn.ack.is_none() && !turn.refused);
    }
    sessions
}

/// The log against what was sent and acknowledged.
fn check_view(view: &LogView, turns: &Turns<'_>, verdict: &mut Verdict) {
    let nothing = Vec::new();
    let none = HashMap::new();
    for (session, logged) in &view.sessions {
        check_numbers(session, logged, &view.node, verdict);
        let sent = turns.get(session.as_str()).unwrap_or(&none);
        for turn in logged {
            let why = match sent.get(turn.key.as_str()) {
                None if turn.is_of_timer() => continue,
                None => "nobody sent it",
                Some(sent) if sent.refused => "every attempt at it was refused",
                Some(_) => continue,
            };
            verdict.add(Violation::NobodySent {
                session: session.clone(),
                key: turn.key.clone(),
                seq: turn.seq,
                text: turn.text.clone(),
                why,
            });
        }
    }
    for (session, sent) in turns {
        let logged = view.sessions.get(*session).unwrap_or(&nothing);
        let mut by_key: HashMap<&str, Vec<&LoggedTurn>> = HashMap::new();
        for turn in logged {
            by_key.entry(&turn.key).or_default().push(turn);
        }
        for turn in sorted(sent.values()) {
            let found = by_key.get(turn.key).map_or(&[][..], Vec::as_slice);
            check_turn(session, turn, found, &view.node, verdict);
        }
        check_logged_order(session, sent, logged, verdict);
    }
}

/// One turn against its places in the log.
fn check_turn(session: &str, turn: &Turn<'_>, found: &[&LoggedTurn], view: &str, verdict: &mut Verdict) {
    if found.len() > 1 {
        verdict.add(Violation::KeyTwiceInLog {
            session: session.into(),
            key: turn.key.into(),
            seqs: found.iter().map(|t| t.seq).collect(),
        });
    }
    // Of several places the acknowledged one is compared: that there are several is named above.
    let place = turn.ack.and_then(|ack| found.iter().find(|t| t.seq == ack.seq));
    let Some(logged) = place.or(found.first()) else {
        if let Some(ack) = turn.ack {
            verdict.add(Violation::Lost {
                session: session.into(),
                key: turn.key.into(),
                seq: ack.seq,
                view: view.into(),
            });
        }
        return;
    };
    let mut differs = |seq: u64, field: &'static str, acknowledged: String, logged: String| {
        if acknowledged != logged {
            verdict.add(Violation::Altered {
                session: session.into(),
                key: turn.key.into(),
                seq,
                field,
                acknowledged,
                logged,
            });
        }
    };
    differs(logged.seq, "text", turn.text.into(), logged.text.clone());
    if let Some(ack) = turn.ack {
        differs(ack.seq, "seq", ack.seq.to_string(), logged.seq.to_string());
        differs(ack.seq, "replies", plain(&ack.replies).to_string(), plain(&logged.replies).to_string());
    }
}

/// 1, 2, 3, … without a gap, in the order in which the log gives them.
fn check_numbers(session: &str, logged: &[LoggedTurn], view: &str, verdict: &mut Verdict) {
    for (expected, turn) in (1..).zip(logged) {
        if turn.seq != expected {
            // The rest is shifted; the first place says it.
            verdict.add(Violation::Gap { session: session.into(), expected, found: turn.seq, view: view.into() });
            return;
        }
    }
}

/// Real time inside a session, by the numbers of the log: it also orders turns that were never acknowledged.
fn check_logged_order(session: &str, sent: &HashMap<&str, Turn<'_>>, logged: &[LoggedTurn], verdict: &mut Verdict) {
    let numbered = logged.iter().filter_map(|l| sent.get(l.key.as_str()).map(|turn| (l.seq, turn)));
    check_real_time(session, numbered.collect(), verdict);
}

/// Real time inside a session, by the numbers that were acknowledged; a number belongs to one key only.
fn check_acknowledged_order(turns: &Turns<'_>, verdict: &mut Verdict) {
    for (session, sent) in turns {
        let mut by_seq: BTreeMap<u64, &Turn<'_>> = BTreeMap::new();
        for turn in sorted(sent.values()) {
            let Some(ack) = turn.ack else { continue };
            if let Some(other) = by_seq.insert(ack.seq, turn) {
                verdict.add(Violation::SeqTwice {
                    session: (*session).into(),
                    keys: (other.key.into(), turn.key.into()),
                    seq: ack.seq,
                });
            }
        }
        check_real_time(session, by_seq.into_iter().collect(), verdict);
    }
}

/// Whoever was acknowledged before another was invoked has the smaller number.
fn check_real_time(session: &str, mut numbered: Vec<(u64, &Turn<'_>)>, verdict: &mut Verdict) {
    numbered.sort_by_key(|(seq, _)| *seq);
    // From the highest number down: the earliest acknowledgement among the higher ones must not precede an invocation.
    let mut earliest: Option<(u64, u64, &Turn<'_>)> = None;
    for (seq, turn) in numbered.into_iter().rev() {
        if let Some((acknowledged_ns, higher, first)) = earliest
            && higher > seq
            && acknowledged_ns < turn.invoked_ns
        {
            let violation = Violation::Reversed {
                session: session.into(),
                earlier: (first.key.into(), higher),
                later: (turn.key.into(), seq),
            };
            if !verdict.violations.contains(&violation) {
                verdict.add(violation);
            }
        }
        if let Some(at) = turn.acknowledged_ns
            && earliest.is_none_or(|(first, _, _)| at < first)
        {
            earliest = Some((at, seq, turn));
        }
    }
}

fn compare_views(one: &LogView, other: &LogView, verdict: &mut Verdict) {
    let nothing = Vec::new();
    let names = one.sessions.keys().chain(other.sessions.keys().filter(|s| !one.sessions.contains_key(*s)));
    for session in names {
        let a = one.sessions.get(session).unwrap_or(&nothing);
        let b = other.sessions.get(session).unwrap_or(&nothing);
        let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
        if same < a.len().max(b.len()) {
            verdict.add(Violation::ViewsDiffer {
                session: session.clone(),
                views: (one.node.clone(), other.node.clone()),
                seq: same as u64 + 1,
            });
        }
    }
}

/// In the order of invocation: hash maps have none, and a verdict is to read the same each time.
fn sorted<'a, 'b>(turns: impl Iterator<Item = &'b Turn<'a>>) -> Vec<&'b Turn<'a>>
where
    'a: 'b,
{
    let mut turns: Vec<_> = turns.collect();
    turns.sort_by(|a, b| (a.invoked_ns, a.key).cmp(&(b.invoked_ns, b.key)));
    turns
}
