//! A state that is replaced by a snapshot.

use super::{
    GroupState,
    pace::Pace,
    snapshot::{self, SnapshotFile},
};
use crate::{
    codec::{self, AppliedRecord, InstallRecord},
    failpoints,
    store::{keys, remove_range},
    types::{LogId, SnapshotMeta, StoredMembership},
};
use std::io;

impl GroupState {
    /// Replaces the state by a snapshot. A crash in the middle is found at the next open and the install redone.
    pub fn install(&self, meta: &SnapshotMeta, file: SnapshotFile) -> io::Result<()> {
        file.verify(self.place())?;
        let file = file.keep_for_install(self.place(), meta)?;
        failpoints::pass("install-copied");
        self.replace_from(&file)?;
        self.forget_copies(|_| true);
        // It has done its work: whoever needs this state from here gets a copy.
        file.remove()?;
        snapshot::remove_outdated_incoming(self.place(), meta.last_log_id.as_ref())
    }

    /// At the open: redoes an install that a crash cut off. Other leftovers go.
    pub(super) fn end_install(&self) -> io::Result<()> {
        let group = self.group();
        let install = self.read::<InstallRecord>(&keys::install(group))?;
        snapshot::remove_leftovers(self.place(), install.as_ref().map(|i| i.file.as_str()))?;
        let Some(install) = install else { return Ok(()) };
        tracing::warn!(%group, file = install.file, "a snapshot was being installed when the node stopped: again");
        self.replace_from(&SnapshotFile::open(&self.place().folder.join(&install.file))?)?;
        snapshot::remove_leftovers(self.place(), None)
    }

    fn replace_from(&self, file: &SnapshotFile) -> io::Result<()> {
        let head = file.verify(self.place())?;
        let membership = StoredMembership::try_from(head.membership.clone())?;
        let _whole = self.whole.write();
        let mut moving = self.moving.lock();
        moving.check()?;
        // A copy of what was would become half of each.
        moving.copying = None;
        // What was applied before must not reach the store behind the snapshot.
        self.writer.barrier_blocking()?;
        self.fresh.lock().clear();
        self.known.lock().clear();
        let group = self.group();
        let install_key = keys::install(group);
        let record = codec::encode(&InstallRecord { file: file.name() });
        self.store.apply(vec![(install_key.clone(), Some(record.into()))])?;
        self.store.barrier()?;
        failpoints::pass("install-recorded");

        let prefix = keys::state_prefix(group);
        remove_range(&*self.store, &prefix, &keys::after_prefix(&prefix))?;
        failpoints::pass("install-wiped");
        file.for_each_record(|pairs| {
            let pace = Pace::begin();
            let changes = pairs.pairs.into_iter().map(|(k, v)| ([&prefix[..], &k].concat(), Some(v)));
            self.store.apply(changes.collect())?;
            pace.pause();
            Ok(())
        })?;
        failpoints::pass("install-filled");
        let applied = AppliedRecord { last: head.last, membership: head.membership };
        self.store.apply(vec![(keys::applied(group), Some(codec::encode(&applied).into())), (install_key, None)])?;
        self.store.barrier()?;
        self.index_wakes()?;
        moving.last = head.last.map(LogId::from);
        moving.membership = membership;
        Ok(())
    }
}
