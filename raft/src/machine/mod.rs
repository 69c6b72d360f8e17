//! The state machine of a group: sessions in the node's store, or the control state.
//!
//! # What is durable when
//!
//! An entry is applied in memory and answered; effects and `last_applied` go to the store in one atomic batch, a
//! little later and together with those of other entries. Nobody waits for a barrier: the log is durable already. A crash that
//! takes back the last batches leaves a state that is consistent with its own `last_applied`, and openraft applies
//! the tail again from the log. That holds because
//!
//! - the store recovers a prefix: never a later batch without an earlier one;
//! - an entry leaves the log only behind a mark (what openraft takes for a snapshot), and a mark is given only when a
//!   barrier has made the state durable up to there;
//! - a purge is queued behind that barrier.
//!
//! The state may also come back *ahead* of the log: an entry that two other zones committed can be applied here
//! before the local batch with that entry is durable. openraft sees `last_applied` behind the end of the log and
//! starts the log there.

mod apply;
mod check;
mod copy;
mod found;
mod fresh;
mod header;
mod incoming;
mod install;
mod pace;
mod packing;
mod retire;
mod sessions;
mod snapshot;
mod state;
mod wakes;

pub use copy::SnapshotData;
pub(crate) use found::DamageFound;
pub(crate) use header::Header;
pub(crate) use retire::wipe_replica;
pub use snapshot::SnapshotFile;

pub(crate) use check::check_applied;
pub(crate) use incoming::{Announced, Incoming};
pub use packing::unpack;

pub use state::GroupState;
use state::Work;

use crate::{
    limits::{APPLY_BYTES_MAX, APPLY_ENTRIES_MAX, STATE_FLUSH_WAIT},
    store::Writer,
    types::{Entry, GroupId, LogId, SnapshotMeta, StoredMembership, TypeConfig},
};
use futures::{Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder, alias::SnapshotOf, storage::EntryResponder,
    storage::RaftStateMachine,
};
use std::{io, sync::Arc};

/// openraft's view of a [`GroupState`].
#[derive(Clone)]
pub struct StateMachine {
    state: Arc<GroupState>,
    writer: Writer,
}

impl StateMachine {
    /// The machine over a state that was opened before.
    pub fn new(state: Arc<GroupState>, writer: Writer) -> Self {
        Self { state, writer }
    }

    async fn apply_all<Strm>(&mut self, entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut ready = entries.ready_chunks(APPLY_ENTRIES_MAX);
        while let Some(chunk) = ready.next().await {
            let mut waiting = chunk.into_iter().collect::<io::Result<Vec<_>>>()?.into_iter().peekable();
            while waiting.peek().is_some() {
                let (mut entries, mut responders, mut bytes) = (Vec::new(), Vec::new(), 0);
                while let Some((entry, responder)) = waiting.next_if(|_| bytes < APPLY_BYTES_MAX) {
                    bytes += size(&entry);
                    entries.push(entry);
                    responders.push(responder);
                }
                let group = self.state.group();
                let work = entries.into_iter().map(|e| Work::decode(group, e)).collect::<io::Result<Vec<_>>>()?;
                let answers = if self.state.is_quick(&work) {
                    self.state.apply(work)?
                } else {
                    // Sessions that were silent for long are read from the disk.
                    let state = self.state.clone();
                    blocking(move || state.apply(work)).await?
                };
                for (responder, answer) in responders.into_iter().zip(answers) {
                    if let Some(responder) = responder {
                        responder.send(answer);
                    }
                }
                if self.state.is_full() {
                    self.flush().await?;
                } else if self.state.wants_flush() {
                    let later = self.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(STATE_FLUSH_WAIT).await;
                        later.state.flushes_now();
                        // A writer that is gone has said why; openraft hears of it at its next append.
                        drop(later.flush().await);
                    });
                }
            }
        }
        Ok(())
    }

    /// Hands what is applied to the writer now.
    pub async fn flush(&self) -> io::Result<()> {
        let place = self.writer.reserve(self.state.staged_bytes()).await?;
        let state = self.state.clone();
        blocking(move || state.flush(Some(place))).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    crate::blocking::blocking(work).await.flatten()
}

fn size(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(proposal) => proposal.0.len(),
        _ => 0,
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok(self.state.applied())
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let done = self.apply_all(entries).await;
        self.state.damage().note(&done);
        done
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> io::Result<()> {
        let (state, meta) = (self.state.clone(), meta.clone());
        blocking(move || state.install(&meta, snapshot.file()?)).await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<TypeConfig, SnapshotData>>> {
        let found = self.state.snapshot()?;
        Ok(found.map(|(meta, snapshot)| SnapshotOf::<TypeConfig, _> { meta, snapshot }))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<TypeConfig, SnapshotData>> {
        let state = self.state.clone();
        let meta = blocking(move || state.mark()).await?;
        tracing::debug!(group = %self.state.group(), last = ?meta.last_log_id, "the log may be purged");
        Ok(SnapshotOf::<TypeConfig, _> { meta, snapshot: SnapshotData::Mark })
    }
}

/// Where a group's snapshots and the cluster's name come from.
#[derive(Debug, Clone)]
pub struct SnapshotPlace {
    /// The cluster's name, written into every snapshot.
    pub cluster: String,
    /// The folder; made when the node starts.
    pub folder: std::path::PathBuf,
    /// The group.
    pub group: GroupId,
}

#[cfg(test)]
mod tests;
