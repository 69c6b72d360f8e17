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
}

/// Reads and checks the log of a group: every checksum, no gap, nothing below the purged mark, terms in order.
pub fn scan_group(store: &dyn Store, group: GroupId) -> Result<LogScan, Damage> {
    let vote = read::<VoteRecord>(store, group, &keys::vote(group), "the vote")?.map(Vote::from);
    let mark = |key: Vec<u8>, what| {
        read::<MarkRecord>(store, group, &key, what).map(|m| m.and_then(|m| m.at).map(LogId::from))
    };
    let purged = mark(keys::purged(group), "the purged mark")?;
    let committed = mark(keys::committed(group), "the committed mark")?;

    let mut last = purged;
    let mut damage = None;
    let (from, to) = (keys::entry(group, 0), keys::after_prefix(&keys::entry(group, 0)[..5]));
    let walked = store.scan(&from, &to, &mut |key, value| {
        match check_entry(group, key, value, last.as_ref()) {
            Ok(id) => last = Some(id),
            Err(found) => damage = Some(found),
        }
        Ok(damage.is_none())
    });
    if let Some(damage) = damage {
        return Err(damage);
    }
    walked.map_err(|e| Damage::new(group, last.map(|l| l.index + 1), format!("cannot be read: {e}")))?;
    Ok(LogScan { vote, purged, committed, last })
}

fn check_entry(group: GroupId, key: &[u8], value: &[u8], before: Option<&LogId>) -> Result<LogId, Damage> {
    let Some(index) = keys::entry_index(key) else {
        return Err(Damage::new(group, None, format!("a log key of {} bytes", key.len())));
    };
    let expected = before.map_or(0, |b| b.index + 1);
    if index != expected {
        return Err(Damage::new(group, Some(index), format!("found where index {expected} was expected")));
    }
    let record: EntryRecord = codec::decode(value).map_err(|e: DecodeError| Damage::new(group, Some(index), e))?;
    let id = LogId::from(record.log_id);
    if id.index != index {
        return Err(Damage::new(group, Some(index), format!("the entry says it is index {}", id.index)));
    }
    match before {
        Some(before) if id.leader_id < before.leader_id => {
            Err(Damage::new(group, Some(index), format!("{} behind {}", id.leader_id, before.leader_id)))
        }
        _ => Ok(id),
    }
}

fn read<R: Record>(store: &dyn Store, group: GroupId, key: &[u8], what: &str) -> Result<Option<R>, Damage> {
    let value = store.get(key).map_err(|e| Damage::new(group, None, format!("{what} cannot be read: {e}")))?;
    value.map(|v| codec::decode(&v).map_err(|e| Damage::new(group, None, format!("{what}: {e}")))).transpose()
}
