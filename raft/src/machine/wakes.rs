//! `WakeIndex`: the sessions of a group that want to be woken, by time.
//!
//! It is worked out from the headers: built when a state is opened or replaced, and kept up with each change. Nothing of it is stored.

use super::{GroupState, header::Header};
use crate::store::{Damage, keys};
use dialogue::{SessionId, TimestampMs};
use std::{collections::BTreeSet, io};

/// See the module. As many entries as there are sessions that want to be woken: those that were at work within the time that a
/// session lasts, and those with reminders.
#[derive(Debug, Default)]
pub(super) struct WakeIndex(BTreeSet<(TimestampMs, SessionId)>);

impl WakeIndex {
    /// What a session wants has changed.
    pub(super) fn change(&mut self, session: &SessionId, before: Option<TimestampMs>, now: Option<TimestampMs>) {
        if before == now {
            return;
        }
        if let Some(before) = before {
            self.0.remove(&(before, session.clone()));
        }
        if let Some(now) = now {
            self.0.insert((now, session.clone()));
        }
    }
}

impl GroupState {
    /// The sessions that want to be woken by then, the earliest first.
    pub(crate) fn due(&self, at: TimestampMs, limit: usize) -> Vec<(TimestampMs, SessionId)> {
        let wakes = self.wakes.lock();
        wakes.0.iter().take_while(|(wake_at, _)| *wake_at <= at).take(limit).cloned().collect()
    }

    /// How many sessions want to be woken.
    pub(crate) fn wakes_pending(&self) -> usize {
        self.wakes.lock().0.len()
    }

    /// Builds the index from the headers in the store; what is fresh must be there already.
    pub(super) fn index_wakes(&self) -> io::Result<()> {
        let group = self.group();
        let prefix = keys::headers(group);
        let mut index = BTreeSet::new();
        self.store.scan(&prefix, &keys::after_prefix(&prefix), &mut |key, value| {
            let damaged = |e: String| io::Error::from(Damage::new(group, None, e).at_key(key));
            let header = Header::decode(value).map_err(|e| damaged(e.to_string()))?;
            if let Some(wake_at) = header.wake_at {
                let session = std::str::from_utf8(&key[prefix.len()..]).map_err(|e| damaged(e.to_string()))?;
                index.insert((wake_at, SessionId::new(session).map_err(|e| damaged(e.to_string()))?));
            }
            Ok(true)
        })?;
        self.wakes.lock().0 = index;
        Ok(())
    }
}
