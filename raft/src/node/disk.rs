//! The disk quota: writes are refused while there is still room to stop in good order.

use crate::net::PeerRefusal;
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Free space of the data folder as last seen, and the least that writes need.
pub(crate) struct DiskGuard {
    free_bytes: AtomicU64,
    free_bytes_min: AtomicU64,
    /// What a simulation says instead of the disk.
    simulated: Option<Arc<AtomicU64>>,
}

impl DiskGuard {
    pub(crate) fn new(free_bytes_min: u64, simulated: Option<Arc<AtomicU64>>) -> Self {
        Self { free_bytes: AtomicU64::new(u64::MAX), free_bytes_min: AtomicU64::new(free_bytes_min), simulated }
    }

    /// Looks at the disk: its free bytes. Reads nothing from it.
    pub(super) fn look(&self, folder: &Path) -> io::Result<u64> {
        match &self.simulated {
            Some(free_bytes) => Ok(free_bytes.load(Relaxed)),
            None => {
                let disk = rustix::fs::statvfs(folder)?;
                Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
            }
        }
    }

    /// Would so few free bytes be too few for writes?
    pub(super) fn is_too_little(&self, free_bytes: u64) -> bool {
        free_bytes < self.free_bytes_min.load(Relaxed)
    }

    /// From now on writes are taken or refused by what was seen.
    pub(super) fn saw(&self, free_bytes: u64) {
        let min = self.free_bytes_min.load(Relaxed);
        let before = self.free_bytes.swap(free_bytes, Relaxed);
        if (before < min) != (free_bytes < min) {
            if free_bytes < min {
                tracing::error!(free_bytes, free_bytes_min = min, "the data folder is full: writes are refused");
            } else {
                tracing::info!(free_bytes, free_bytes_min = min, "the data folder has room again: writes are taken");
            }
        }
        metrics::gauge!("tertulia_disk_free_bytes").set(free_bytes as f64);
    }

    pub(super) fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Relaxed)
    }

    pub(crate) fn set_min(&self, free_bytes_min: u64) {
        self.free_bytes_min.store(free_bytes_min, Relaxed);
    }

    /// Says what is wrong, if a follower must not take so many bytes from its leader: it holds out longer than those who
    /// propose, because the cluster lives on what followers take.
    pub(crate) fn follower_refusal(&self, bytes: u64) -> Option<PeerRefusal> {
        let (free_bytes, needed_bytes) = (self.free_bytes(), self.free_bytes_min.load(Relaxed) / 2);
        let full = free_bytes.saturating_sub(bytes) < needed_bytes;
        full.then_some(PeerRefusal::StorageFull { free_bytes, needed_bytes })
    }

    /// Says what is wrong, if a write must be refused.
    pub(crate) fn refusal(&self) -> Option<String> {
        let (free, min) = (self.free_bytes(), self.free_bytes_min.load(Relaxed));
        (free < min).then(|| format!("{free} bytes are free, raft.free_disk_bytes_min is {min}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_refused_below_the_minimum_and_taken_again_above() {
        let guard = DiskGuard::new(1000, None);
        assert_eq!(guard.refusal(), None, "nothing was seen yet");
        guard.saw(999);
        assert_eq!(guard.refusal().as_deref(), Some("999 bytes are free, raft.free_disk_bytes_min is 1000"));
        assert_eq!(guard.follower_refusal(499), None, "a follower holds out longer");
        assert!(guard.follower_refusal(500).is_some(), "but not with what comes in");
        guard.saw(499);
        let full = PeerRefusal::StorageFull { free_bytes: 499, needed_bytes: 500 };
        assert_eq!(guard.follower_refusal(0), Some(full));
        guard.saw(1000);
        assert_eq!((guard.refusal(), guard.follower_refusal(0)), (None, None));
        assert!(![0, 1000].contains(&guard.look(Path::new("/")).unwrap()));
    }
}
