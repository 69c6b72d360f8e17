//! The writer of a simulation: a task of the node instead of a thread, on the simulated clock.

use super::{Batch, Shared};
use crate::{
    limits::WRITER_LAZY_WAIT,
    store::{Store, queue::Queue},
};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::{sync::Notify, time::timeout};

/// The task, as the handles of its writer see it.
pub(super) struct Simulated {
    store: Arc<dyn Store>,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    /// What is in the store while its barrier is under way.
    syncing: Mutex<Option<Batch>>,
    wake: Notify,
}

impl Simulated {
    pub(super) fn start(store: Arc<dyn Store>, queue: Arc<Queue>, shared: Arc<Shared>) -> Arc<Self> {
        let this = Arc::new(Self { store, queue, shared, syncing: Mutex::default(), wake: Notify::new() });
        tokio::spawn(this.clone().run());
        this
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    async fn run(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            if !self.queue.is_urgent() {
                // As the thread does: what nobody waits for rides along with what somebody does wait for.
                let _ = timeout(WRITER_LAZY_WAIT, self.wake.notified()).await;
            }
            while let Some(ops) = self.queue.try_pop_batch() {
                let batch = Batch::apply(&*self.store, ops, &self.shared);
                let takes = batch.barrier.then(|| self.store.barrier_takes());
                *self.syncing.lock() = Some(batch);
                if let Some(takes) = takes {
                    tokio::time::sleep(takes).await;
                }
                self.end_batch();
            }
            if self.queue.is_closed() {
                return;
            }
        }
    }

    fn end_batch(&self) {
        let batch = self.syncing.lock().take();
        if let Some(batch) = batch {
            batch.end(&*self.store, &self.shared);
        }
    }

    /// Does all that is queued at once, for who may not wait.
    pub(super) fn drain(&self) {
        self.end_batch();
        while let Some(ops) = self.queue.try_pop_batch() {
            Batch::apply(&*self.store, ops, &self.shared).end(&*self.store, &self.shared);
        }
        self.wake();
    }
}
