//! The bounded queue in front of the writer thread, in the order of submission.

use super::WriteOp;
use crate::limits::{
    WRITER_BATCH_BYTES_MAX, WRITER_BATCH_OPS_MAX, WRITER_LAZY_WAIT, WRITER_PLACE_BYTES, WRITER_QUEUE_PLACES_MAX,
};
use parking_lot::{Condvar, Mutex};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Operations that wait for the writer thread. What nobody waits for to become durable is lazy: it rides along with
/// what somebody does wait for, or goes alone after [`WRITER_LAZY_WAIT`].
pub(super) struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Inner {
    /// With the places that they give back when the thread takes them.
    ops: VecDeque<(WriteOp, Option<OwnedSemaphorePermit>)>,
    /// How many of them somebody waits for.
    urgent: usize,
    closed: bool,
}

/// The queue takes nothing any more.
pub(super) struct Closed;

impl Inner {
    fn pop_batch(&mut self) -> Option<Vec<WriteOp>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < WRITER_BATCH_OPS_MAX
            && bytes < WRITER_BATCH_BYTES_MAX
            && let Some((op, _place)) = self.ops.pop_front()
        {
            self.urgent -= usize::from(op.is_urgent());
            bytes += op.bytes();
            batch.push(op);
        }
        (!batch.is_empty()).then_some(batch)
    }
}

impl Queue {
    pub(super) fn new() -> Self {
        let room = Arc::new(Semaphore::new(WRITER_QUEUE_PLACES_MAX as usize));
        Self { inner: Mutex::default(), wake: Condvar::new(), room }
    }

    /// Room for one operation of about so many bytes; waits while the queue is full.
    pub(super) async fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Closed> {
        let places = (1 + bytes / WRITER_PLACE_BYTES).min(WRITER_QUEUE_PLACES_MAX as usize) as u32;
        self.room.clone().acquire_many_owned(places).await.map_err(|_| Closed)
    }

    /// Takes an operation in. Without a place it may be one more than the bound: for the few callers that block a
    /// thread, one for each group at most.
    pub(super) fn push(&self, op: WriteOp, place: Option<OwnedSemaphorePermit>) -> Result<(), Closed> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(Closed);
        }
        let urgent = op.is_urgent();
        inner.urgent += usize::from(urgent);
        inner.ops.push_back((op, place));
        // The thread sleeps when there is nothing, or nothing urgent.
        if (urgent && inner.urgent == 1) || inner.ops.len() == 1 {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// The next batch, or nothing when the queue is closed and empty.
    pub(super) fn pop_batch(&self) -> Option<Vec<WriteOp>> {
        let mut inner = self.inner.lock();
        while inner.ops.is_empty() && !inner.closed {
            self.wake.wait(&mut inner);
        }
        if inner.urgent == 0 && !inner.closed && self.room.available_permits() > 0 {
            self.wake.wait_for(&mut inner, WRITER_LAZY_WAIT);
        }
        inner.pop_batch()
    }

    /// The next batch, if there is anything.
    pub(super) fn try_pop_batch(&self) -> Option<Vec<WriteOp>> {
        self.inner.lock().pop_batch()
    }

    /// Does anybody wait for what is queued?
    pub(super) fn is_urgent(&self) -> bool {
        self.inner.lock().urgent > 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inner.lock().closed
    }

    /// Takes nothing any more; what is there is still written.
    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
        self.room.close();
        self.wake.notify_one();
    }
}
