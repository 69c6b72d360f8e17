//! What a stored log holds, checked entry by entry when a node opens its folder.

use super::{Damage, Store, keys};
use crate::{
    codec::{self, DecodeError, EntryRecord, MarkRecord, Record, VoteRecord},
    types::{GroupId, LogId, Vote},
};

/// The ends of a stored log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogScan {
    /// The last vote.
    pub vote: Option<Vote>,
    /// Purged up to here.
    pub purged: Option<LogId>,
    /// Known to be committed up to here.
    pub committed: Option<LogId>,
    /// The last entry, or the last purged one.
    pub last: Option<LogId>,
    /// Bytes of all entries.
    pub bytes: u64,
    /// The first entry that a purge has left to be removed later.
    pub remains: Option<u64>,
    /// Bytes of all that a purge has left.
    pub remains_bytes: u64,
}

/// Reads and checks the log of a group: every checksum, no gap behind the purged mark, terms in order. And
/// what follows from the one order in which all of it is written: no entry is of a later term than the vote, and what
/// is known to be committed is there.
pub fn scan_group(store: &dyn Store, group: GroupId) -> Result<LogScan, Damage> {
    let vote = read::<VoteRecord>(store, group, &keys::vote(group))?.map(Vote::from);
    let mark = |key: Vec<u8>| read::<MarkRecord>(store, group, &key).map(|m| m.and_then(|m| m.at).map(LogId::from));
    let purged = mark(keys::purged(group))?;
    let committed = mark(keys::committed(group))?;

    let mut last = purged;
    let mut at_committed = purged.filter(|p| committed.is_some_and(|c| c.index == p.index));
    let (mut damage, mut bytes, mut remains, mut remains_bytes) = (None, 0, None, 0);
    let (from, to) = (keys::entry(group, 0), keys::after_prefix(&keys::entry(group, 0)[..5]));
    let walked = store.scan(&from, &to, &mut |key, value| {
        // A purge is done when its mark stands; what it covers goes by and by, and counts for nothing.
        let index = keys::entry_index(key).filter(|index| purged.is_some_and(|p| *index <= p.index));
        if index.is_some() {
            remains = remains.or(index);
            remains_bytes += value.len() as u64;
            return Ok(true);
        }
        match check_entry(group, key, value, last.as_ref()) {
            Ok(id) => {
                at_committed = at_committed.or(Some(id).filter(|id| committed.is_some_and(|c| c.index == id.index)));
                last = Some(id);
                bytes += value.len() as u64;
            }
            Err(found) => damage = Some(found),
        }
        Ok(damage.is_none())
    });
    if let Some(damage) = damage {
        return Err(damage);
    }
    walked.map_err(|e| Damage::new(group, last.map(|l| l.index + 1), format!("cannot be read: {e}")))?;
    let ends = LogScan { vote, purged, committed, last, bytes, remains, remains_bytes };
    check_ends(group, &ends, at_committed)?;
    Ok(ends)
}

/// A leader's vote is written before its entries, and a committed mark behind the entry that it names; both are never
/// taken back.
fn check_ends(group: GroupId, ends: &LogScan, at_committed: Option<LogId>) -> Result<(), Damage> {
    let voted = ends.vote.map_or(0, |v| v.leader_id.term);
    if let Some(last) = ends.last.filter(|l| l.leader_id.term > voted) {
        let found = format!("a vote of term {voted}");
        let damage = Damage::new(group, Some(last.index), found).at_key(&keys::vote(group));
        return Err(damage.expected(format!("term {} of the last entry, or a later one", last.leader_id.term)));
    }
    let Some(committed) = ends.committed.filter(|c| ends.purged.is_none_or(|p| c.index >= p.index)) else {
        return Ok(());
    };
    if at_committed != Some(committed) {
        let found = match at_committed {
            Some(other) => format!("entry {other}"),
            None => ends.last.map_or("an empty log".into(), |l| format!("a log that ends at {l}")),
        };
        let damage = Damage::new(group, Some(committed.index), found).at_key(&keys::committed(group));
        return Err(damage.expected(format!("entry {committed}, which was committed")));
    }
    Ok(())
}

fn check_entry(group: GroupId, key: &[u8], value: &[u8], before: Option<&LogId>) -> Result<LogId, Damage> {
    let Some(index) = keys::entry_index(key) else {
        return Err(Damage::new(group, None, format!("a key of {} bytes", key.len())).at_key(key).expected("13 bytes"));
    };
    let damage = |found: String| Damage::new(group, Some(index), found).at_key(key);
    let expected = before.map_or(0, |b| b.index + 1);
    if index != expected {
        return Err(damage(format!("index {index}")).expected(format!("index {expected}")));
    }
    let record: EntryRecord = codec::decode(value).map_err(|e: DecodeError| damage(e.to_string()))?;
    let id = LogId::from(record.log_id);
    if id.index != index {
        return Err(damage(format!("an entry of index {}", id.index)).expected(format!("index {index}")));
    }
    match before {
        Some(before) if id.leader_id < before.leader_id => Err(damage(format!("an entry of {}", id.leader_id))
            .expected(format!("{} of the one before, or a later one", before.leader_id))),
        _ => Ok(id),
    }
}

fn read<R: Record>(store: &dyn Store, group: GroupId, key: &[u8]) -> Result<Option<R>, Damage> {
    let damage = |found: String| Damage::new(group, None, found).at_key(key);
    let value = store.get(key).map_err(|e| damage(format!("cannot be read: {e}")))?;
    value.map(|v| codec::decode(&v).map_err(|e| damage(e.to_string()))).transpose()
}
