//! What a history can prove against the system, each with the session, the key and the numbers that prove it.

use crate::linearizable::Broken;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The promise that a violation breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An acknowledged turn is not in the log.
    Lost,
    /// The log holds another content than was acknowledged.
    Altered,
    /// One key stands for two turns.
    Doubled,
    /// The order inside a session is broken.
    Order,
    /// The log holds a turn that nobody sent.
    Phantom,
    /// Two nodes tell different logs.
    Disagreement,
    /// A session's answers are not those of one list of turns, in agreement with real time.
    NotLinearizable,
    /// Whether they are was not found out within the bound.
    Undecided,
    /// The evidence is not enough for a verdict.
    NoEvidence,
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Violation {
    /// Acknowledged, but not in the log.
    Lost {
        /// Where.
        session: String,
        /// Which turn.
        key: String,
        /// The number it was acknowledged with.
        seq: u64,
        /// The node whose log lacks it.
        view: String,
    },
    /// Acknowledged with another number, other words or other replies than the log has.
    Altered {
        /// Where.
        session: String,
        /// Which turn.
        key: String,
        /// The number it was acknowledged with.
        seq: u64,
        /// The field that differs.
        field: &'static str,
        /// As acknowledged (or as sent).
        acknowledged: String,
        /// As logged.
        logged: String,
    },
    /// One key at several places of the log.
    KeyTwiceInLog {
        /// Where.
        session: String,
        /// Which key.
        key: String,
        /// The numbers.
        seqs: Vec<u64>,
    },
    /// One key acknowledged twice, differently.
    KeyAcknowledgedTwice {
        /// Where.
        session: String,
        /// Which key.
        key: String,
        /// The two numbers; the same where only the replies differ.
        seqs: (u64, u64),
    },
    /// Two keys acknowledged with the same number.
    SeqTwice {
        /// Where.
        session: String,
        /// The keys.
        keys: (String, String),
        /// The number.
        seq: u64,
    },
    /// The numbers of a session do not run 1, 2, 3, …
    Gap {
        /// Where.
        session: String,
        /// The number that should stand there.
        expected: u64,
        /// The number that does.
        found: u64,
        /// The node that says so.
        view: String,
    },
    /// A turn that was acknowledged before another was invoked stands behind it.
    Reversed {
        /// Where.
        session: String,
        /// The turn that was acknowledged first, and its number.
        earlier: (String, u64),
        /// The turn that was invoked later, and its number.
        later: (String, u64),
    },
    /// In the log, but nobody sent it, or everybody who did was refused.
    NobodySent {
        /// Where.
        session: String,
        /// Its key.
        key: String,
        /// Its number.
        seq: u64,
        /// Its words.
        text: String,
        /// What is known of it.
        why: &'static str,
    },
    /// Two nodes answer linearizable reads of one session differently.
    ViewsDiffer {
        /// Where.
        session: String,
        /// The nodes.
        views: (String, String),
        /// The first number at which they differ.
        seq: u64,
    },
    /// No order explains what was seen of a session.
    NotLinearizable(Broken),
    /// The search for an order reached its bound.
    Undecided {
        /// Where.
        session: String,
        /// Configurations that were visited.
        visited: usize,
    },
    /// The log was read from nobody, or nothing was acknowledged: a verdict would be empty.
    NoEvidence {
        /// What is missing.
        what: &'static str,
    },
}

impl Violation {
    /// The promise that it breaks.
    pub fn kind(&self) -> Kind {
        match self {
            Violation::Lost { .. } => Kind::Lost,
            Violation::Altered { .. } => Kind::Altered,
            Violation::KeyTwiceInLog { .. } | Violation::KeyAcknowledgedTwice { .. } => Kind::Doubled,
            Violation::SeqTwice { .. } | Violation::Gap { .. } | Violation::Reversed { .. } => Kind::Order,
            Violation::NobodySent { .. } => Kind::Phantom,
            Violation::ViewsDiffer { .. } => Kind::Disagreement,
            Violation::NotLinearizable(_) => Kind::NotLinearizable,
            Violation::Undecided { .. } => Kind::Undecided,
            Violation::NoEvidence { .. } => Kind::NoEvidence,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Lost { session, key, seq, view } => {
                write!(f, "lost: session {session}, key {key}: acknowledged as turn {seq}, not in the log of {view}")
            }
            Violation::Altered { session, key, seq, field, acknowledged, logged } => write!(
                f,
                "altered: session {session}, key {key}: turn {seq} was acknowledged with {field} {acknowledged}, the log has {logged}"
            ),
            Violation::KeyTwiceInLog { session, key, seqs } => {
                write!(f, "doubled: session {session}, key {key}: stands in the log as turns {seqs:?}")
            }
            Violation::KeyAcknowledgedTwice { session, key, seqs: (a, b) } if a == b => {
                write!(f, "doubled: session {session}, key {key}: turn {a} was acknowledged with two different replies")
            }
            Violation::KeyAcknowledgedTwice { session, key, seqs: (a, b) } => {
                write!(f, "doubled: session {session}, key {key}: acknowledged as turn {a} and as turn {b}")
            }
            Violation::SeqTwice { session, keys: (a, b), seq } => {
                write!(f, "order: session {session}: turn {seq} was acknowledged for key {a} and for key {b}")
            }
            Violation::Gap { session, expected, found, view } => {
                write!(f, "order: session {session}: turn {found} stands where turn {expected} belongs, says {view}")
            }
            Violation::Reversed { session, earlier, later } => write!(
                f,
                "order: session {session}: key {} was acknowledged before key {} was sent, but they are turns {} and {}",
                earlier.0, later.0, earlier.1, later.1
            ),
            Violation::NobodySent { session, key, seq, text, why } => {
                write!(f, "phantom: session {session}, key {key}: turn {seq} ({text:?}) is in the log, but {why}")
            }
            Violation::ViewsDiffer { session, views: (a, b), seq } => {
                write!(f, "disagreement: session {session}: {a} and {b} differ from turn {seq} on")
            }
            Violation::NotLinearizable(broken) => write!(f, "{broken}"),
            Violation::Undecided { session, visited } => write!(
                f,
                "undecided: session {session}: whether it is linearizable was not found out in {visited} configurations"
            ),
            Violation::NoEvidence { what } => write!(f, "no evidence: {what}"),
        }
    }
}
