//! A session as an object: a list of turns to which each key is appended once, and which can be read.

use super::search::{Model, Step, Timed, mix};
use std::collections::{BTreeMap, HashMap};

/// A key, by its number in the session's history.
pub type Key = u32;

/// What is done to a session, and what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionOperation {
    /// A turn was said under a key.
    Turn {
        /// The key.
        key: Key,
        /// The acknowledgement, if one was seen.
        ack: Option<TurnAck>,
    },
    /// The turns behind a number were read, or all.
    Read {
        /// Turns up to here were not asked for.
        after: u64,
        /// Number and key of each.
        turns: Vec<(u64, Key)>,
        /// Was the page full, so that there may be more?
        more: bool,
    },
    /// The number of turns was read.
    Count(u64),
}

/// What an acknowledgement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnAck {
    /// The turn's number, from 1.
    pub seq: u64,
    /// Does it say that the turn had been recorded before?
    pub replayed: bool,
}

/// The model. It is made for one history, which it has looked through: what was seen at a place, or of a key, at any time
/// shows where an append can go, since nothing is ever taken out of the list. So almost every search is a straight walk.
#[derive(Debug, Default)]
pub struct Session {
    /// The key that somebody saw at a number.
    at: HashMap<u64, Key>,
    /// The number at which somebody saw a key.
    of: HashMap<Key, u64>,
    /// Keys of which nobody ever saw a thing, in the order in which they were first invoked. They are alike, so they are
    /// appended in this order or not at all.
    unseen: HashMap<Key, usize>,
}

/// A session's turns.
#[derive(Debug, Default)]
pub struct Turns {
    keys: Vec<Key>,
    /// A fingerprint of each beginning of the list.
    prints: Vec<u64>,
    places: HashMap<Key, u64>,
    unseen: usize,
}

impl Turns {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The last one's key.
    pub fn last(&self) -> Option<Key> {
        self.keys.last().copied()
    }
}

impl Session {
    /// Looks through a history. Contradictions in it are left to the search.
    pub fn of(operations: &[Timed<SessionOperation>]) -> Self {
        let mut model = Self::default();
        let mut first_calls: BTreeMap<Key, u64> = BTreeMap::new();
        for timed in operations {
            match &timed.operation {
                SessionOperation::Turn { key, ack } => {
                    let first = first_calls.entry(*key).or_insert(timed.call_ns);
                    *first = timed.call_ns.min(*first);
                    if let Some(ack) = ack {
                        model.note(ack.seq, *key);
                    }
                }
                SessionOperation::Read { turns, .. } => turns.iter().for_each(|(seq, key)| model.note(*seq, *key)),
                SessionOperation::Count(_) => {}
            }
        }
        let mut unseen: Vec<(u64, Key)> = first_calls.into_iter().map(|(key, at)| (at, key)).collect();
        unseen.retain(|(_, key)| !model.of.contains_key(key));
        unseen.sort_unstable();
        model.unseen = unseen.into_iter().enumerate().map(|(rank, (_, key))| (key, rank)).collect();
        model
    }

    fn note(&mut self, seq: u64, key: Key) {
        // Two sightings that contradict each other cannot both be explained: any one of them may guide the search.
        self.at.entry(seq).or_insert(key);
        self.of.entry(key).or_insert(seq);
    }

    /// Can the key be what is appended next?
    fn fits(&self, turns: &Turns, seq: u64, key: Key) -> bool {
        self.at.get(&seq).is_none_or(|seen| *seen == key)
            && self.of.get(&key).is_none_or(|seen| *seen == seq)
            && self.unseen.get(&key).is_none_or(|rank| *rank == turns.unseen)
    }
}

impl Model for Session {
    type Operation = SessionOperation;
    type State = Turns;

    fn initial(&self) -> Turns {
        Turns::default()
    }

    fn step(&self, turns: &mut Turns, operation: &SessionOperation) -> Step {
        let possible = match operation {
            SessionOperation::Turn { key, ack } => match turns.places.get(key) {
                None => return self.append(turns, *key, *ack),
                // Recorded before: the answer must say so, and where.
                Some(place) => ack.is_none_or(|ack| ack.replayed && ack.seq == *place),
            },
            SessionOperation::Read { after, turns: seen, more } => shows(turns, *after, seen, *more),
            SessionOperation::Count(count) => turns.count() == *count,
        };
        if possible { Step::Same } else { Step::Impossible }
    }

    fn undo(&self, turns: &mut Turns, operation: &SessionOperation) {
        let SessionOperation::Turn { key, .. } = operation else { return };
        turns.keys.pop();
        turns.prints.pop();
        turns.places.remove(key);
        turns.unseen -= usize::from(self.unseen.contains_key(key));
    }

    fn fingerprint(&self, turns: &Turns) -> u64 {
        turns.prints.last().copied().unwrap_or(0)
    }
}

impl Session {
    fn append(&self, turns: &mut Turns, key: Key, ack: Option<TurnAck>) -> Step {
        let seq = turns.count() + 1;
        // "Replayed" is right even here: a node repeats an attempt on its own when another one's answer is lost.
        if ack.is_some_and(|ack| ack.seq != seq) || !self.fits(turns, seq, key) {
            return Step::Impossible;
        }
        turns.prints.push(mix(self.fingerprint(turns) ^ mix(u64::from(key))));
        turns.keys.push(key);
        turns.places.insert(key, seq);
        turns.unseen += usize::from(self.unseen.contains_key(&key));
        Step::Changed
    }
}

/// Does a read behind `after` show `seen`, and nothing else unless there may be more?
fn shows(turns: &Turns, after: u64, seen: &[(u64, Key)], more: bool) -> bool {
    let rest = usize::try_from(after).ok().and_then(|after| turns.keys.get(after..)).unwrap_or(&[]);
    let long_enough = if more { rest.len() >= seen.len() } else { rest.len() == seen.len() };
    long_enough && (after.saturating_add(1)..).zip(rest).zip(seen).all(|((seq, key), seen)| *seen == (seq, *key))
}
