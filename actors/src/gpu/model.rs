//! `Model`: one of the models that share the device.

use super::{loads::LoadTime, pace::Pace};
use dialogue::ports::Scorer;
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;
use tokio::time::Instant;

/// A model, how fast it has been, and how long it took to bring it to the device.
pub(super) struct Model {
    /// Tells batches apart: no two models have the same.
    pub id: usize,
    pub scorer: Arc<dyn Scorer>,
    pace: Mutex<Pace>,
    loads: Mutex<LoadTime>,
}

impl Model {
    pub(super) fn new(scorer: Arc<dyn Scorer>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { id, scorer, pace: Mutex::default(), loads: Mutex::default() }
    }

    /// What is known of its pace.
    pub(super) fn pace(&self) -> Pace {
        *self.pace.lock()
    }

    /// What is known of its loads.
    pub(super) fn loads(&self) -> LoadTime {
        *self.loads.lock()
    }

    /// A batch of so many tokens took so long, with the model on the device.
    pub(super) fn observe(&self, tokens: usize, took: Duration) {
        self.pace.lock().observe(tokens, took);
    }

    /// A batch of so many tokens took so long, for which the model was brought to the device first.
    pub(super) fn observe_load(&self, tokens: usize, took: Duration, now: Instant) {
        let batch = self.pace().estimate(tokens).unwrap_or_default();
        self.loads.lock().observe(took.saturating_sub(batch), now);
    }

    /// How long a request will take from now on, with nobody before it and its model brought to the device if it is not there. What is
    /// not known counts for nothing.
    pub(super) fn alone(&self, tokens: usize, now: Instant, deadline: Instant) -> Duration {
        self.load(now, deadline).unwrap_or_default() + self.pace().estimate(tokens).unwrap_or_default()
    }

    /// How long it will take to bring the model for a request; nothing where it is there, or where nobody knows.
    pub(super) fn load(&self, now: Instant, deadline: Instant) -> Option<Duration> {
        if self.scorer.is_loaded() {
            return None;
        }
        self.loads().estimate_within(deadline.saturating_duration_since(now), now)
    }
}
