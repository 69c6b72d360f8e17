//! The simulated disk of a machine: the store's twin in memory, with the time that barriers take.

use super::chance::Chance;
use parking_lot::Mutex;
use raft::store::{Change, MemoryStore, Store, Survivors, Visit};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Free bytes of a disk that is not full.
pub(super) const ROOMY_BYTES: u64 = 1 << 40;

/// A disk; it stays when its machine loses power.
#[derive(Clone)]
pub(super) struct Disk {
    store: Arc<MemoryStore>,
    delays: Arc<Delays>,
    pub(super) free_bytes: Arc<AtomicU64>,
}

struct Delays {
    chance: Mutex<Chance>,
    /// How long a barrier takes: at least, and added at random up to this, in microseconds.
    barrier_us: (u64, u64),
    /// Added to each, in microseconds.
    stalled_us: AtomicU64,
}

impl Disk {
    pub(super) fn new(seed: u64, barrier_us: (u64, u64), chance: Chance) -> Self {
        let delays = Delays { chance: Mutex::new(chance), barrier_us, stalled_us: AtomicU64::new(0) };
        Self {
            store: MemoryStore::new(seed),
            delays: Arc::new(delays),
            free_bytes: Arc::new(AtomicU64::new(ROOMY_BYTES)),
        }
    }

    /// The process or the power goes; what was not synced is there in full after the one, and in part after the other.
    pub(super) fn crash(&mut self, survivors: Survivors) {
        self.store = self.store.crash(survivors);
    }

    /// An empty disk in its place.
    pub(super) fn wipe(&mut self, seed: u64) {
        drop(self.store.crash(Survivors::All));
        self.store = MemoryStore::new(seed);
    }

    pub(super) fn contents(&self) -> &Arc<MemoryStore> {
        &self.store
    }

    /// Every barrier takes so much longer.
    pub(super) fn stall(&self, by: Duration) {
        self.delays.stalled_us.store(by.as_micros() as u64, Relaxed);
    }

    /// The store as a node sees it, until the next crash.
    pub(super) fn store(&self) -> Arc<dyn Store> {
        Arc::new(Mounted { store: self.store.clone(), delays: self.delays.clone() })
    }
}

struct Mounted {
    store: Arc<MemoryStore>,
    delays: Arc<Delays>,
}

impl Store for Mounted {
    fn get(&self, key: &[u8]) -> io::Result<Option<raft::store::Value>> {
        self.store.get(key)
    }
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> io::Result<()> {
        self.store.scan(from, to, visit)
    }
    fn apply(&self, changes: Vec<Change>) -> io::Result<()> {
        self.store.apply(changes)
    }
    fn apply_in_order(&self, changes: Vec<Change>) -> io::Result<()> {
        self.store.apply_in_order(changes)
    }
    fn barrier(&self) -> io::Result<()> {
        self.store.barrier()
    }
    fn barrier_takes(&self) -> Duration {
        let (least, more) = self.delays.barrier_us;
        let stalled = self.delays.stalled_us.load(Relaxed);
        Duration::from_micros(least + self.delays.chance.lock().below(more + 1) + stalled)
    }
    fn close(&self) {
        self.store.close();
    }
}
