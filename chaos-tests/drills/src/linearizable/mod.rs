//! Linearizability, session by session: is there one order of everything that the clients did, in agreement with real
//! time, in which each answer is the one that a single list of turns would have given?
//!
//! A history of many objects is linearizable if and only if that of each object is (Herlihy and Wing, "Linearizability",
//! 1990), so each session is searched alone. What an acknowledgement proves beside its number (words and replies) is the
//! [`checker`](crate::checker)'s other half.

mod events;
mod report;
mod search;
mod session;
mod subhistory;

pub use report::{Broken, Summary};
pub use search::{Model, Outcome, Step, Timed, search};
pub use session::{Key, Session, SessionOperation, TurnAck, Turns};

use crate::history::History;
use subhistory::Subhistory;

/// What came of one session that is not known to be linearizable.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// There is no such order.
    Broken(Broken),
    /// The search reached its bound.
    Undecided {
        /// Where.
        session: String,
        /// Configurations that were visited.
        visited: usize,
    },
}

/// Judges every session of a history, each within `configurations_max` configurations. The final views count as reads, one
/// after the other behind everything else.
pub fn check(history: &History, configurations_max: usize) -> (Summary, Vec<Finding>) {
    let mut summary = Summary::default();
    let mut findings = Vec::new();
    for (session, subhistory) in Subhistory::split(history) {
        let operations = subhistory.operations();
        summary.count(operations);
        let model = Session::of(operations);
        let visited = match search(&model, operations, configurations_max) {
            Outcome::Linearizable { visited, .. } => visited,
            Outcome::Broken { prefix, stuck, visited } => {
                findings.push(Finding::Broken(Broken::new(session, &subhistory, &model, &prefix, &stuck)));
                visited
            }
            Outcome::Undecided { visited } => {
                findings.push(Finding::Undecided { session: session.to_owned(), visited });
                visited
            }
        };
        summary.visited += visited;
    }
    (summary, findings)
}
