//! What clients were promised: nothing acknowledged is lost, doubled, altered or reordered, and reads are linearizable.

use super::Invariant;
use drills::{checker::check, history::History};

/// The checker of the drills.
pub(super) struct Promises;

impl Invariant for Promises {
    fn name(&self) -> &'static str {
        "promises to clients"
    }

    fn end(&mut self, history: &History) -> Result<(), String> {
        let verdict = check(history);
        if verdict.holds() { Ok(()) } else { Err(verdict.to_string()) }
    }
}
