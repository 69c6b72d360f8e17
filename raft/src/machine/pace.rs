//! Snapshots have time; who writes meanwhile has not.

use crate::limits::SNAPSHOT_PAUSE_MAX;
use std::thread::sleep;
use tokio::time::Instant;

/// Work on a snapshot in pieces, each followed by a pause of twice its length: two thirds of a core and of a disk stay free.
pub(super) struct Pace(Instant);

impl Pace {
    /// A piece begins.
    pub(super) fn begin() -> Self {
        Self(Instant::now())
    }

    /// It is done. Blocks.
    pub(super) fn pause(self) {
        sleep((2 * self.0.elapsed()).min(SNAPSHOT_PAUSE_MAX));
    }
}
