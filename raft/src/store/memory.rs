//! A store in memory that crashes, fills up, stalls and lies on demand: the twin of the database for simulation.

use super::{Change, Store, Visit};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{collections::BTreeMap, io, sync::Arc};

/// Pairs that a scan copies at once, so that it holds no lock while it shows them.
const SCAN_PAIRS: usize = 64;

/// What a crash leaves of the batches behind the last completed barrier. Those in front of it always survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survivors {
    /// None: nothing was written before it had to be.
    Synced,
    /// All but the last one, which was torn.
    AllButLast,
    /// All.
    All,
    /// A prefix whose length the seed chooses.
    Seeded,
}

/// A [`Store`] in memory with the crash semantics of the real one: batches are atomic, and a [crash](Self::crash)
/// leaves a prefix of them, at least up to the last completed barrier. Whatever it chooses comes from its seed.
///
/// Every [`apply`](Store::apply), also [in order](Store::apply_in_order), and every [`barrier`](Store::barrier) is a
/// step; [`stop_at`](Self::stop_at) and [`fail_at`](Self::fail_at) name steps by their number.
pub struct MemoryStore {
    inner: Mutex<Inner>,
    /// Woken when barriers go on or the power goes off.
    gate: Condvar,
}

struct Inner {
    /// What everybody sees.
    map: BTreeMap<Vec<u8>, Bytes>,
    /// What the last barrier made safe.
    synced: BTreeMap<Vec<u8>, Bytes>,
    /// The batches since then, in order.
    unsynced: Vec<Vec<Change>>,
    chance: SmallRng,
    steps: u64,
    stop_at: Option<u64>,
    fail_at: Option<u64>,
    written_bytes: u64,
    bytes_max: u64,
    barriers_held: bool,
    barriers_lie: bool,
    off: bool,
}

impl MemoryStore {
    /// An empty store without faults.
    pub fn new(seed: u64) -> Arc<Self> {
        Self::holding(BTreeMap::new(), SmallRng::seed_from_u64(seed))
    }

    fn holding(map: BTreeMap<Vec<u8>, Bytes>, chance: SmallRng) -> Arc<Self> {
        let inner = Inner {
            synced: map.clone(),
            map,
            unsynced: Vec::new(),
            chance,
            steps: 0,
            stop_at: None,
            fail_at: None,
            written_bytes: 0,
            bytes_max: u64::MAX,
            barriers_held: false,
            barriers_lie: false,
            off: false,
        };
        Arc::new(Self { inner: Mutex::new(inner), gate: Condvar::new() })
    }

    /// Batches and barriers so far.
    pub fn steps(&self) -> u64 {
        self.inner.lock().steps
    }

    /// The power fails at a step, which fails like everything after it; step 0 is the first of all.
    pub fn stop_at(&self, step: u64) {
        self.inner.lock().stop_at = Some(step);
    }

    /// One step fails with an I/O error and has no effect; the store goes on.
    pub fn fail_at(&self, step: u64) {
        self.inner.lock().fail_at = Some(step);
    }

    /// Batches fail with [`io::ErrorKind::StorageFull`] once so many bytes were written in all.
    pub fn set_bytes_max(&self, bytes: u64) {
        self.inner.lock().bytes_max = bytes;
    }

    /// Barriers begin but do not end while `held`, as on a disk that stalls.
    pub fn hold_barriers(&self, held: bool) {
        self.inner.lock().barriers_held = held;
        self.gate.notify_all();
    }

    /// Barriers that say that they are done and did nothing: a check of crashes must find it.
    pub fn lie_about_barriers(&self) {
        self.inner.lock().barriers_lie = true;
    }

    /// Flips one bit of a value, chosen by the seed; says whether there was one.
    pub fn flip_bit(&self, key: &[u8]) -> bool {
        let inner = &mut *self.inner.lock();
        let Some(value) = inner.map.get(key).filter(|v| !v.is_empty()) else { return false };
        let mut value = value.to_vec();
        let at = inner.chance.random_range(0..value.len() * 8);
        value[at / 8] ^= 1 << (at % 8);
        let value = Bytes::from(value);
        inner.map.insert(key.to_vec(), value.clone());
        inner.synced.insert(key.to_vec(), value);
        true
    }

    /// The power goes off: this store fails from now on. Gives what is found when it comes back, without any fault.
    pub fn crash(&self, survivors: Survivors) -> Arc<Self> {
        let inner = &mut *self.inner.lock();
        inner.off = true;
        self.gate.notify_all();
        let batches = inner.unsynced.len();
        let keep = match survivors {
            Survivors::Synced => 0,
            Survivors::AllButLast => batches.saturating_sub(1),
            Survivors::All => batches,
            Survivors::Seeded => inner.chance.random_range(0..=batches),
        };
        let mut map = inner.synced.clone();
        inner.unsynced.iter().take(keep).for_each(|batch| change(&mut map, batch));
        Self::holding(map, SmallRng::seed_from_u64(inner.chance.random()))
    }

    /// All keys and values as they are seen now.
    pub fn contents(&self) -> BTreeMap<Vec<u8>, Bytes> {
        self.inner.lock().map.clone()
    }
}

fn change(map: &mut BTreeMap<Vec<u8>, Bytes>, batch: &[Change]) {
    for (key, value) in batch {
        match value {
            Some(value) => drop(map.insert(key.clone(), value.clone())),
            None => drop(map.remove(key)),
        }
    }
}

impl Inner {
    fn alive(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    fn step(&mut self) -> io::Result<()> {
        let step = self.steps;
        self.steps += 1;
        self.off |= self.stop_at.is_some_and(|at| step >= at);
        self.alive()?;
        if self.fail_at == Some(step) {
            return Err(io::Error::other(format!("step {step} fails")));
        }
        Ok(())
    }

    /// Makes changes visible, if there is room.
    fn take(&mut self, changes: &[Change]) -> io::Result<()> {
        self.step()?;
        let bytes: usize = changes.iter().map(|(k, v)| k.len() + v.as_ref().map_or(0, Bytes::len)).sum();
        if self.written_bytes + bytes as u64 > self.bytes_max {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"));
        }
        self.written_bytes += bytes as u64;
        change(&mut self.map, changes);
        Ok(())
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> io::Result<Option<sled::IVec>> {
        let inner = self.inner.lock();
        inner.alive()?;
        Ok(inner.map.get(key).map(|v| (**v).into()))
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> io::Result<()> {
        let (mut from, to) = (from.to_vec(), to.to_vec());
        while from < to {
            let piece: Vec<(Vec<u8>, Bytes)> = {
                let inner = self.inner.lock();
                inner.alive()?;
                let range = inner.map.range(from.clone()..to.clone());
                range.take(SCAN_PAIRS).map(|(k, v)| (k.clone(), v.clone())).collect()
            };
            for (key, value) in &piece {
                if !visit(key, value)? {
                    return Ok(());
                }
            }
            match piece.last() {
                Some((last, _)) if piece.len() == SCAN_PAIRS => from = [last, &[0][..]].concat(),
                _ => break,
            }
        }
        Ok(())
    }

    fn apply(&self, changes: Vec<Change>) -> io::Result<()> {
        let inner = &mut *self.inner.lock();
        inner.take(&changes)?;
        inner.unsynced.push(changes);
        Ok(())
    }

    fn apply_in_order(&self, changes: Vec<Change>) -> io::Result<()> {
        let inner = &mut *self.inner.lock();
        inner.take(&changes)?;
        inner.unsynced.extend(changes.into_iter().map(|change| vec![change]));
        Ok(())
    }

    fn barrier(&self) -> io::Result<()> {
        let mut inner = self.inner.lock();
        inner.step()?;
        if inner.barriers_lie {
            return Ok(());
        }
        // What comes in while it is under way waits for the next one.
        let batches = inner.unsynced.len();
        while inner.barriers_held && !inner.off {
            self.gate.wait(&mut inner);
        }
        inner.alive()?;
        let Inner { synced, unsynced, .. } = &mut *inner;
        let done = batches.min(unsynced.len());
        unsynced.drain(..done).for_each(|batch| change(synced, &batch));
        Ok(())
    }

    fn close(&self) {
        self.inner.lock().off = true;
        self.gate.notify_all();
    }
}

#[cfg(test)]
mod tests;
