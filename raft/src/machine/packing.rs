//! Turns of a session that reach the store together share a record: it stands under the key of its last turn.
//!
//! A session at work takes many turns between two flushes. sled pays for each key, whatever its size: one record
//! instead of many is most of what a turn costs there. A session that took one turn keeps the record of a single one.

use super::fresh::Effects;
use crate::{
    codec::{self, DecodeError, Record, TurnsRecord},
    limits::PACKED_TURNS_BYTES,
    store::{Change, keys},
};
use bytes::Bytes;
use dialogue::TurnRecord;

/// The changes that effects make in the store, in order. Turns of the same session that follow one another share
/// records of about [`PACKED_TURNS_BYTES`].
pub(super) fn pack(effects: &Effects) -> Vec<Change> {
    let mut packed: Vec<Change> = Vec::new();
    let mut run = Run::default();
    for (key, value) in effects {
        match (keys::session_of_turn(key), value) {
            (Some(session), Some(turn)) => {
                if !run.takes(session, turn) {
                    packed.extend(run.end());
                }
                run.push(key, turn.clone());
            }
            (_, value) => {
                packed.extend(run.end());
                packed.push((key.clone(), value.clone()));
            }
        }
    }
    packed.extend(run.end());
    packed
}

/// Turns that will share a record.
#[derive(Default)]
struct Run<'a> {
    /// The key of the last one.
    key: &'a [u8],
    turns: Vec<Bytes>,
    bytes: usize,
}

impl<'a> Run<'a> {
    fn takes(&self, session: &[u8], turn: &Bytes) -> bool {
        keys::session_of_turn(self.key) == Some(session) && self.bytes + turn.len() <= PACKED_TURNS_BYTES
    }

    fn push(&mut self, key: &'a [u8], turn: Bytes) {
        self.key = key;
        self.bytes += turn.len();
        self.turns.push(turn);
    }

    fn end(&mut self) -> Option<Change> {
        let Self { key, mut turns, .. } = std::mem::take(self);
        let value = match turns.len() {
            0 => return None,
            1 => turns.remove(0),
            _ => codec::encode(&TurnsRecord { turns }).into(),
        };
        Some((key.to_vec(), Some(value)))
    }
}

/// The turns of a stored record, in order: one, or those that share it.
pub fn unpack(value: &[u8]) -> Result<Vec<TurnRecord>, DecodeError> {
    if codec::kind(value) != Some(TurnsRecord::KIND) {
        return codec::decode(value).map(|turn| vec![turn]);
    }
    codec::decode::<TurnsRecord>(value)?.turns.iter().map(|turn| codec::decode(turn)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::GroupId;
    use dialogue::{IdempotencyKey, ScoredIntent, SessionId, TimestampMs};

    fn turn(session: &str, seq: u64, bytes: usize) -> Change {
        let turn = TurnRecord {
            seq,
            key: IdempotencyKey::new(format!("k{seq}")).unwrap(),
            at: TimestampMs(seq),
            release: None,
            text: "x".repeat(bytes),
            intent: ScoredIntent::default(),
            entities: vec![],
            events: vec![],
            replies: vec![],
        };
        let key = keys::turn(GroupId(7), &SessionId::new(session).unwrap(), seq);
        (key, Some(codec::encode(&turn).into()))
    }

    #[test]
    fn turns_of_a_session_share_records_and_everything_else_stays_as_it_is() {
        let header = (keys::header(GroupId(7), &SessionId::new("a").unwrap()), Some(Bytes::from_static(b"header")));
        let mut changes = vec![header.clone()];
        changes.extend((3..=5).map(|seq| turn("a", seq, 100)));
        // A session whose id begins with another's, one turn alone, and turns that are too long for one record.
        changes.extend([turn("ab", 1, 100), turn("ab", 2, 100), turn("b", 9, 100)]);
        changes.extend((1..=3).map(|seq| turn("c", seq, PACKED_TURNS_BYTES / 2 - 200)));
        changes.push(turn("d", 1, 2 * PACKED_TURNS_BYTES));
        changes.push((turn("e", 1, 0).0, None));
        let packed = pack(&changes.iter().cloned().collect());

        assert_eq!(packed[0], header);
        assert_eq!(packed.last(), changes.last());
        let seqs = |change: &Change| -> Vec<u64> {
            unpack(change.1.as_ref().unwrap()).unwrap().iter().map(|t| t.seq).collect()
        };
        let records: Vec<_> = packed[1..packed.len() - 1].iter().map(|c| (c.0.clone(), seqs(c))).collect();
        let under = |session: &str, seqs: &[u64]| (turn(session, *seqs.last().unwrap(), 0).0, seqs.to_vec());
        let expected = [
            under("a", &[3, 4, 5]),
            under("ab", &[1, 2]),
            under("b", &[9]),
            under("c", &[1, 2]),
            under("c", &[3]),
            under("d", &[1]),
        ];
        assert_eq!(records, expected);
        // What is alone is written as it always was.
        assert_eq!(packed[3], turn("b", 9, 100));
    }
}
