//! A state against its log, when a node opens its folder.

use super::GroupState;
use crate::{
    codec::{self, EntryRecord},
    store::{Damage, LogScan, Store, keys},
    types::{GroupId, LogId},
};

impl GroupState {
    /// Checks that state and log belong together: what the log no longer holds is in the state, and where both know an
    /// entry it is the same one. The state may be ahead of the log: a snapshot was installed, and the log not purged yet.
    pub fn check_log(&self, store: &dyn Store, ends: &LogScan) -> Result<(), Damage> {
        check_applied(store, self.group(), self.applied().0, ends)
    }
}

/// As [`GroupState::check_log`], for a state that is applied so far.
pub(crate) fn check_applied(
    store: &dyn Store,
    group: GroupId,
    applied: Option<LogId>,
    ends: &LogScan,
) -> Result<(), Damage> {
    let damage = |found: String, expected: String| {
        let index = applied.map(|a| a.index);
        Damage::new(group, index, found).at_key(&keys::applied(group)).expected(expected)
    };
    let text = |id: Option<LogId>| id.map_or("nothing".into(), |id| id.to_string());
    if applied.map(|a| a.index) < ends.purged.map(|p| p.index) {
        let expected = format!("at least {}, up to which the log is purged", text(ends.purged));
        return Err(damage(format!("{} applied", text(applied)), expected));
    }
    let Some(applied) = applied.filter(|a| ends.last.is_some_and(|l| a.index <= l.index)) else { return Ok(()) };
    let in_log = if ends.purged.is_some_and(|p| p.index == applied.index) {
        ends.purged
    } else {
        let key = keys::entry(group, applied.index);
        let read = |e: String| Damage::new(group, Some(applied.index), e).at_key(&key);
        let value = store.get(&key).map_err(|e| read(e.to_string()))?;
        let record = value.map(|v| codec::decode::<EntryRecord>(&v)).transpose();
        record.map_err(|e| read(e.to_string()))?.map(|r| LogId::from(r.log_id))
    };
    if in_log != Some(applied) {
        return Err(damage(format!("{applied} applied"), format!("{}, as in the log", text(in_log))));
    }
    Ok(())
}
