//! Durable storage of a node: one sled database, one writer thread, one log for each group.
//!
//! ```text
//! append, vote, truncate, purge, committed ──► bounded queue ──► writer thread ──► sled, as a batch where it must be
//!                                                                             └──► one barrier ──► callbacks, in order
//! ```

mod damage;
pub mod keys;
mod log;
mod memory;
mod queue;
mod ranges;
mod scan;
mod sled_store;
mod writer;

pub use damage::Damage;
pub use log::LogStore;
pub use memory::{MemoryStore, Survivors};
pub(crate) use ranges::remove_range;
pub use scan::{LogScan, scan_group};
pub use sled_store::SledStore;
pub use writer::{Ack, Place, WriteOp, Writer, WriterCounts, WriterEnd};

use bytes::Bytes;
use std::{io, time::Duration};

/// What the store gives for a key: bytes.
pub type Value = sled::IVec;

/// A key and its new value; without a value the key goes.
pub type Change = (Vec<u8>, Option<Bytes>);

/// Takes a key and its value; says whether to go on.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> io::Result<bool> + 'a;

/// An ordered map of bytes whose batches are atomic and recovered as a prefix: if a batch survives a crash, so do
/// all batches before it. Everything applied before a completed [`barrier`](Store::barrier) survives.
///
/// Blocks; call it from threads that may.
pub trait Store: Send + Sync + 'static {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> io::Result<Option<Value>>;
    /// Visits `from..to` in order until `visit` says `false`.
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> io::Result<()>;
    /// Applies a batch atomically; visible when this returns, durable after the next barrier. Where a key comes
    /// twice, the last one counts.
    fn apply(&self, changes: Vec<Change>) -> io::Result<()>;
    /// Applies changes one after the other: of those that no barrier has made durable, a crash keeps the first ones.
    /// That is cheaper than a batch, and enough where each change may be the last one.
    fn apply_in_order(&self, changes: Vec<Change>) -> io::Result<()> {
        self.apply(changes)
    }
    /// Returns when everything applied so far is on the disk.
    fn barrier(&self) -> io::Result<()>;
    /// How long the next barrier takes, in a simulation, which waits for it on its own clock.
    fn barrier_takes(&self) -> Duration {
        Duration::ZERO
    }
    /// Gives the files back; every later call fails.
    fn close(&self);
}

#[cfg(test)]
mod tests;
