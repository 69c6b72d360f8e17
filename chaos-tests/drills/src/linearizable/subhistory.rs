//! One session's part of a history, as operations of the model.

use super::search::Timed;
use super::session::{Key, SessionOperation, TurnAck};
use crate::history::{Attempt, Consistency, History, Outcome, Read, Seen};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The operations on a session, and who did them.
#[derive(Default)]
pub(super) struct Subhistory<'a> {
    operations: Vec<Timed<SessionOperation>>,
    actors: Vec<Actor<'a>>,
    keys: Vec<&'a str>,
    numbers: HashMap<&'a str, Key>,
}

/// Who did an operation.
#[derive(Clone, Copy)]
pub(super) enum Actor<'a> {
    /// A client, at one of the targets.
    Client {
        client: u32,
        target: usize,
        /// Did it ask for any state that was once true?
        stale_is_fine: bool,
    },
    /// The cluster's own timers: a reminder, or the end of the session. Nobody knows when.
    Timer,
    /// The reader of the final log, at a node.
    FinalRead(&'a str),
}

impl<'a> Subhistory<'a> {
    /// Parts a history by session. Refused attempts and failed reads say nothing and are left out; of several attempts
    /// under one key without an outcome the first can do all that the others can, so they are left out too.
    pub(super) fn split(history: &'a History) -> BTreeMap<&'a str, Self> {
        let mut parts: BTreeMap<&'a str, Self> = BTreeMap::new();
        let mut first_unknown: BTreeMap<(&'a str, &'a str), &'a Attempt> = BTreeMap::new();
        for attempt in &history.attempts {
            match &attempt.outcome {
                Outcome::Acknowledged(ack) => {
                    let ack = TurnAck { seq: ack.seq, replayed: ack.replayed };
                    parts.entry(&attempt.session).or_default().add_attempt(attempt, Some(ack));
                }
                Outcome::Unknown { .. } => {
                    let first = first_unknown.entry((&attempt.session, &attempt.key)).or_insert(attempt);
                    if attempt.start_ns < first.start_ns {
                        *first = attempt;
                    }
                }
                Outcome::Refused { .. } => {}
            }
        }
        for ((session, _), attempt) in first_unknown {
            parts.entry(session).or_default().add_attempt(attempt, None);
        }
        for read in &history.reads {
            if let Some(seen) = &read.seen {
                parts.entry(&read.session).or_default().add_read(read, seen);
            }
        }
        add_timers(history, &mut parts);
        add_views(history, &mut parts);
        parts
    }

    pub(super) fn operations(&self) -> &[Timed<SessionOperation>] {
        &self.operations
    }

    pub(super) fn actor(&self, operation: usize) -> Actor<'a> {
        self.actors[operation]
    }

    pub(super) fn key(&self, key: Key) -> &'a str {
        self.keys[key as usize]
    }

    fn number(&mut self, key: &'a str) -> Key {
        *self.numbers.entry(key).or_insert_with(|| {
            self.keys.push(key);
            Key::try_from(self.keys.len() - 1).expect("a session has fewer keys than there are attempts")
        })
    }

    fn add_attempt(&mut self, attempt: &'a Attempt, ack: Option<TurnAck>) {
        let key = self.number(&attempt.key);
        self.operations.push(Timed {
            call_ns: attempt.start_ns,
            return_ns: ack.map(|_| attempt.end_ns),
            operation: SessionOperation::Turn { key, ack },
        });
        self.actors.push(Actor::Client { client: attempt.client, target: attempt.target, stale_is_fine: false });
    }

    fn add_read(&mut self, read: &'a Read, seen: &'a Seen) {
        let operation = match seen {
            Seen::Turns { after_seq, turns, more } => SessionOperation::Read {
                after: *after_seq,
                turns: turns.iter().map(|(seq, key)| (*seq, self.number(key))).collect(),
                more: *more,
            },
            Seen::Count(count) => SessionOperation::Count(*count),
        };
        // A local read may show any state that was once true, never one that is to come: as if it had begun at the start.
        let stale_is_fine = read.consistency == Consistency::Local;
        let call_ns = if stale_is_fine { 0 } else { read.start_ns };
        self.operations.push(Timed { call_ns, return_ns: Some(read.end_ns), operation });
        self.actors.push(Actor::Client { client: read.client, target: read.target, stale_is_fine });
    }
}

/// Turns of timers may have been taken at any time: each that some view shows is one of unknown outcome, from the start on.
fn add_timers<'a>(history: &'a History, parts: &mut BTreeMap<&'a str, Subhistory<'a>>) {
    let sessions = history.views.iter().flat_map(|view| &view.sessions);
    let turns = sessions.flat_map(|(session, turns)| turns.iter().map(move |turn| (session.as_str(), turn)));
    let of_timers: BTreeSet<(&str, &str)> =
        turns.filter(|(_, turn)| turn.is_of_timer()).map(|(session, turn)| (session, turn.key.as_str())).collect();
    for (session, key) in of_timers {
        let part = parts.entry(session).or_default();
        let key = part.number(key);
        let operation = SessionOperation::Turn { key, ack: None };
        part.operations.push(Timed { call_ns: 0, return_ns: None, operation });
        part.actors.push(Actor::Timer);
    }
}

/// The views are read one after the other when all clients have ended. A view is read page by page; since a session only
/// grows, its pages together are what it held when the last one was read.
fn add_views<'a>(history: &'a History, parts: &mut BTreeMap<&'a str, Subhistory<'a>>) {
    let attempts = history.attempts.iter().map(|a| a.end_ns);
    let last_ns = attempts.chain(history.reads.iter().map(|r| r.end_ns)).max().unwrap_or(0);
    for view in &history.views {
        for session in view.sessions.keys() {
            parts.entry(session).or_default();
        }
    }
    for (session, part) in parts {
        for (i, view) in (0..).zip(&history.views) {
            let logged = view.sessions.get(*session).map_or(&[][..], Vec::as_slice);
            let turns = logged.iter().map(|turn| (turn.seq, part.number(&turn.key))).collect();
            let call_ns = last_ns.saturating_add(1 + 2 * i);
            part.operations.push(Timed {
                call_ns,
                return_ns: Some(call_ns.saturating_add(1)),
                operation: SessionOperation::Read { after: 0, turns, more: false },
            });
            part.actors.push(Actor::FinalRead(&view.node));
        }
    }
}
