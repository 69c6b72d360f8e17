//! The search of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993) with Lowe's two improvements ("Testing
//! for Linearizability", 2017): the history is a linked list, and a configuration is visited once.
//!
//! One more, for models with reads: an operation that is possible and changes nothing is taken at once and never taken
//! back on its own. That is sound: moved to the front of any order that works, it leaves that order working.

use super::events::{Event, Events};
use std::collections::HashSet;

/// What an object does, one operation after another.
pub trait Model {
    /// What is done to it, with the result that was seen.
    type Operation;
    /// What it holds.
    type State;

    /// What it holds at first.
    fn initial(&self) -> Self::State;

    /// Does the operation, if its result is the one that this state gives.
    fn step(&self, state: &mut Self::State, operation: &Self::Operation) -> Step;

    /// Takes back the last step, which said [`Step::Changed`].
    fn undo(&self, state: &mut Self::State, operation: &Self::Operation);

    /// A number that tells states apart, well mixed.
    fn fingerprint(&self, state: &Self::State) -> u64;
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// This state does not give that result; the state is as before.
    Impossible,
    /// Possible; the state is as before.
    Same,
    /// Possible; the state is another.
    Changed,
}

/// An operation with its times, in nanoseconds of one clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed<O> {
    /// When it was invoked.
    pub call_ns: u64,
    /// When its result was seen; `None` where it never was: it takes effect at any time behind its invocation, or never.
    pub return_ns: Option<u64>,
    /// What was done, and seen.
    pub operation: O,
}

/// What a search found. Operations are named by their index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// They can be ordered: like this. Operations that never took effect are missing.
    Linearizable {
        /// One order that explains every result.
        order: Vec<usize>,
        /// Configurations that were visited.
        visited: usize,
    },
    /// No order explains every result.
    Broken {
        /// The longest order that explains the results in it.
        prefix: Vec<usize>,
        /// What would have to come next, and cannot; the one that returned first leads.
        stuck: Vec<usize>,
        /// Configurations that were visited.
        visited: usize,
    },
    /// The bound was reached before an answer.
    Undecided {
        /// Configurations that were visited.
        visited: usize,
    },
}

/// Looks for an order of all operations that have a result (and of any that have none) which the model explains and
/// which respects real time: whatever returned before another was invoked comes before it.
///
/// Visits at most `configurations_max` configurations.
pub fn search<M: Model>(model: &M, operations: &[Timed<M::Operation>], configurations_max: usize) -> Outcome {
    Search {
        model,
        operations,
        events: Events::new(operations.iter().map(|o| (o.call_ns, o.return_ns))),
        state: model.initial(),
        placed: Vec::new(),
        left: operations.iter().filter(|o| o.return_ns.is_some()).count(),
        set: 0,
        seen: HashSet::new(),
        deepest: None,
    }
    .run(configurations_max)
}

struct Search<'a, M: Model> {
    model: &'a M,
    operations: &'a [Timed<M::Operation>],
    events: Events,
    state: M::State,
    /// The order so far; `true` where the state was changed.
    placed: Vec<(usize, bool)>,
    /// Operations with a result that are not placed.
    left: usize,
    /// A fingerprint of the set of what is placed.
    set: u128,
    seen: HashSet<u128>,
    deepest: Option<Deepest>,
}

/// The configuration with the fewest results left.
struct Deepest {
    left: usize,
    prefix: Vec<usize>,
    stuck: Vec<usize>,
}

impl<M: Model> Search<'_, M> {
    fn run(mut self, configurations_max: usize) -> Outcome {
        loop {
            self.place_what_changes_nothing();
            if self.left == 0 {
                let order = self.placed.iter().map(|(operation, _)| *operation).collect();
                return Outcome::Linearizable { order, visited: self.seen.len() };
            }
            let mut from = self.events.head();
            while !self.place_next(from) {
                self.note_depth();
                match self.take_back() {
                    Some(operation) => from = self.events.call_of(operation),
                    None => return self.broken(),
                }
            }
            if self.seen.len() >= configurations_max {
                return Outcome::Undecided { visited: self.seen.len() };
            }
        }
    }

    /// Goes on with the first operation behind `from` that changes the state into a configuration not seen before.
    fn place_next(&mut self, mut from: usize) -> bool {
        // Behind a return nothing can come next: that operation has to come before it.
        while let Some((place, Event::Call(operation))) = self.events.after(from) {
            if self.model.step(&mut self.state, &self.operations[operation].operation) == Step::Changed {
                self.place(operation, true);
                let configuration = self.set ^ u128::from(mix(self.model.fingerprint(&self.state)));
                if self.seen.insert(configuration) {
                    return true;
                }
                self.unplace();
            }
            from = place;
        }
        false
    }

    fn place_what_changes_nothing(&mut self) {
        let mut from = self.events.head();
        while let Some((place, Event::Call(operation))) = self.events.after(from) {
            match self.model.step(&mut self.state, &self.operations[operation].operation) {
                // `from` stays: what follows the lifted one now follows it.
                Step::Same => self.place(operation, false),
                Step::Changed => {
                    self.model.undo(&mut self.state, &self.operations[operation].operation);
                    from = place;
                }
                Step::Impossible => from = place,
            }
        }
    }

    fn place(&mut self, operation: usize, changed: bool) {
        self.events.lift(operation);
        self.placed.push((operation, changed));
        self.left -= usize::from(self.operations[operation].return_ns.is_some());
        self.set ^= name(operation);
    }

    /// Takes back the last operation: which, and whether it had changed the state.
    fn unplace(&mut self) -> Option<(usize, bool)> {
        let (operation, changed) = self.placed.pop()?;
        if changed {
            self.model.undo(&mut self.state, &self.operations[operation].operation);
        }
        self.events.unlift(operation);
        self.left += usize::from(self.operations[operation].return_ns.is_some());
        self.set ^= name(operation);
        Some((operation, changed))
    }

    /// Takes back all until, and with, the last operation that had changed the state.
    fn take_back(&mut self) -> Option<usize> {
        loop {
            let (operation, changed) = self.unplace()?;
            if changed {
                return Some(operation);
            }
        }
    }

    fn note_depth(&mut self) {
        if self.deepest.as_ref().is_some_and(|deepest| deepest.left <= self.left) {
            return;
        }
        let mut stuck = Vec::new();
        let mut from = self.events.head();
        while let Some((place, Event::Call(operation))) = self.events.after(from) {
            stuck.extend(self.operations[operation].return_ns.is_some().then_some(operation));
            from = place;
        }
        stuck.sort_by_key(|operation| self.operations[*operation].return_ns);
        let prefix = self.placed.iter().map(|(operation, _)| *operation).collect();
        self.deepest = Some(Deepest { left: self.left, prefix, stuck });
    }

    fn broken(self) -> Outcome {
        let deepest = self.deepest.expect("the search ends broken only behind a dead end, and each one is noted");
        Outcome::Broken { prefix: deepest.prefix, stuck: deepest.stuck, visited: self.seen.len() }
    }
}

/// The operation's part in the fingerprint of a set. Sets that differ collide with a chance of 2^-128 or so, states with 2^-64; if they ever did,
/// a way would stay untried and a correct history would be called broken, never the other way round.
fn name(operation: usize) -> u128 {
    let low = mix(2 * operation as u64 + 1);
    let high = mix(low ^ 0x5851_f42d_4c95_7f2d);
    u128::from(high) << 64 | u128::from(low)
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
pub(super) fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
