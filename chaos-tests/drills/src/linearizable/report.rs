//! What is told of the search: how much was looked at, and where an order came to its end.

use super::search::{Model, Timed};
use super::session::{Session, SessionOperation, Turns};
use super::subhistory::{Actor, Subhistory};
use crate::limits::OPERATIONS_SHOWN_MAX;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much a check looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Sessions.
    pub sessions: usize,
    /// Operations on them.
    pub operations: usize,
    /// Those of them that are reads.
    pub reads: usize,
    /// Those of them that began while another one on the same session was under way.
    pub overlapping: usize,
    /// Configurations that were visited.
    pub visited: usize,
}

impl Summary {
    /// Adds what was looked at in another history.
    pub(crate) fn append(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.operations += other.operations;
        self.reads += other.reads;
        self.overlapping += other.overlapping;
        self.visited += other.visited;
    }

    pub(super) fn count(&mut self, operations: &[Timed<SessionOperation>]) {
        self.sessions += 1;
        self.operations += operations.len();
        self.reads += operations.iter().filter(|o| !matches!(o.operation, SessionOperation::Turn { .. })).count();
        let mut times: Vec<(u64, u64)> = operations.iter().filter_map(|o| Some((o.call_ns, o.return_ns?))).collect();
        times.sort_unstable();
        let mut busy_until = None;
        for (call_ns, return_ns) in times {
            self.overlapping += usize::from(busy_until.is_some_and(|until| call_ns <= until));
            busy_until = busy_until.max(Some(return_ns));
        }
    }
}

/// A session without an order: the longest one that was found, and what cannot follow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Where.
    pub session: String,
    /// Operations in the longest order.
    pub ordered: usize,
    /// Operations in all.
    pub operations: usize,
    /// Turns that the session holds behind them.
    pub turns: u64,
    /// The last one's key.
    pub last: Option<String>,
    /// The end of the longest order, in words.
    pub before: Vec<String>,
    /// What would have to come next and cannot, in words; the one that ended first leads.
    pub stuck: Vec<String>,
}

impl Broken {
    pub(super) fn new(
        session: &str,
        history: &Subhistory<'_>,
        model: &Session,
        prefix: &[usize],
        stuck: &[usize],
    ) -> Self {
        let mut turns: Turns = model.initial();
        for operation in prefix {
            model.step(&mut turns, &history.operations()[*operation].operation);
        }
        let from = prefix.len().saturating_sub(OPERATIONS_SHOWN_MAX);
        let shown = |operations: &[usize]| operations.iter().map(|o| describe(history, *o)).collect();
        Self {
            session: session.to_owned(),
            ordered: prefix.len(),
            operations: history.operations().len(),
            turns: turns.count(),
            last: turns.last().map(|key| history.key(key).to_owned()),
            before: shown(&prefix[from..]),
            stuck: shown(&stuck[..stuck.len().min(OPERATIONS_SHOWN_MAX)]),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session, ordered, operations, turns, .. } = self;
        write!(
            f,
            "not linearizable: session {session}: {ordered} of {operations} operations have an order; it ends with {turns} turns"
        )?;
        if let Some(last) = &self.last {
            write!(f, ", the last under key {last}")?;
        }
        for line in &self.before {
            write!(f, "\n    then    {line}")?;
        }
        for line in &self.stuck {
            write!(f, "\n    cannot  {line}")?;
        }
        Ok(())
    }
}

/// One line: when, who, what, and what was seen.
fn describe(history: &Subhistory<'_>, operation: usize) -> String {
    let Timed { call_ns, return_ns, operation: done } = &history.operations()[operation];
    let ms = |ns: u64| ns as f64 / 1e6;
    let when = match (history.actor(operation), return_ns) {
        (Actor::Timer, _) => "at some time, a timer:".to_owned(),
        (Actor::FinalRead(node), _) => format!("in the end, {node}:"),
        (Actor::Client { client, target, stale_is_fine: true }, Some(end)) => {
            format!("until {:.3} ms, client {client} at target {target}, locally:", ms(*end))
        }
        (Actor::Client { client, target, .. }, Some(end)) => {
            format!("{:.3} to {:.3} ms, client {client} at target {target}:", ms(*call_ns), ms(*end))
        }
        (Actor::Client { client, target, .. }, None) => {
            format!("from {:.3} ms, client {client} at target {target}:", ms(*call_ns))
        }
    };
    let what = match done {
        SessionOperation::Turn { key, ack: None } => format!("turn {}: outcome unknown", history.key(*key)),
        SessionOperation::Turn { key, ack: Some(ack) } => {
            let how = if ack.replayed { "replayed" } else { "new" };
            format!("turn {}: acknowledged as number {}, {how}", history.key(*key), ack.seq)
        }
        SessionOperation::Count(count) => format!("read: {count} turns"),
        SessionOperation::Read { after, turns, more } => {
            let end = match turns.last() {
                None => String::new(),
                Some((seq, key)) => format!(", the last is number {seq} under key {}", history.key(*key)),
            };
            let more = if *more { " or more" } else { "" };
            format!("read behind number {after}: {} turns{more}{end}", turns.len())
        }
    };
    format!("{when} {what}")
}
