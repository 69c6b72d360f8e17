//! `Model`: one of the models that share the device.

use super::pace::Pace;
use dialogue::ports::Scorer;
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

/// A model and how fast it has been.
pub(super) struct Model {
    /// Tells batches apart: no two models have the same.
    pub id: usize,
    pub scorer: Arc<dyn Scorer>,
    pace: Mutex<Pace>,
}

impl Model {
    pub(super) fn new(scorer: Arc<dyn Scorer>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), scorer, pace: Mutex::default() }
    }

    /// What is known of its pace.
    pub(super) fn pace(&self) -> Pace {
        *self.pace.lock()
    }

    /// A batch of so many tokens took so long.
    pub(super) fn observe(&self, tokens: usize, took: Duration) {
        self.pace.lock().observe(tokens, took);
    }
}
