//! The writer thread: the only one that makes things durable, for all groups of a node.

mod simulated;

use super::{
    Change, Store,
    queue::{Closed, Queue},
};
use crate::{failpoints, simulation, types::IOFlushed};
use cluster_config::planted_bug;
use futures::FutureExt;
use simulated::Simulated;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release},
    },
    thread::JoinHandle,
};
use tokio::sync::{OwnedSemaphorePermit, SetOnce, oneshot};

/// Who is told when an operation is durable.
pub enum Ack {
    /// Nobody: it keeps its place in the order and becomes durable with the next barrier.
    None,
    /// openraft.
    Flushed(IOFlushed),
    /// Somebody who waits for it.
    Durable(oneshot::Sender<io::Result<()>>),
}

/// Changes that are applied together, in the order in which they were submitted.
pub struct WriteOp {
    /// What changes. A crash keeps all of it or nothing.
    pub changes: Vec<Change>,
    /// Set to the number once the changes are in the store.
    pub stored: Option<(Arc<AtomicU64>, u64)>,
    /// Who is told.
    pub ack: Ack,
}

impl WriteOp {
    pub(super) fn is_urgent(&self) -> bool {
        !matches!(self.ack, Ack::None)
    }

    pub(super) fn bytes(&self) -> usize {
        self.changes.iter().map(size).sum()
    }
}

fn size((key, value): &Change) -> usize {
    key.len() + value.as_ref().map_or(0, |v| v.len())
}

/// What the writer thread has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterCounts {
    /// Barriers: `flush` and `fdatasync`.
    pub barriers: u64,
    /// Batches applied to the store; some need no barrier.
    pub batches: u64,
    /// Keys written or removed.
    pub records: u64,
}

#[derive(Default)]
struct Shared {
    barriers: AtomicU64,
    batches: AtomicU64,
    records: AtomicU64,
    failure: SetOnce<String>,
}

/// A handle to the writer thread. The thread ends when it is [closed](Writer::close) or the last handle is dropped.
#[derive(Clone)]
pub struct Writer {
    queue: Arc<Handle>,
    shared: Arc<Shared>,
    /// In a simulation a task stands in for the thread.
    simulated: Option<Arc<Simulated>>,
}

/// The end of a closed [`Writer`].
pub struct WriterEnd(Option<JoinHandle<()>>);

impl WriterEnd {
    /// Returns when everything that was queued is written. Blocks.
    pub fn wait(self) {
        if let Some(thread) = self.0 {
            // One that panicked has said so.
            drop(thread.join());
        }
    }
}

/// A place in the queue of a [`Writer`]; given back when it is dropped.
pub struct Place(OwnedSemaphorePermit);

/// Closes the queue when the last writer handle goes; the thread holds the queue itself.
struct Handle(Arc<Queue>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Writer {
    /// Starts the thread over a store.
    pub fn start(store: Arc<dyn Store>) -> io::Result<(Self, WriterEnd)> {
        let queue = Arc::new(Queue::new());
        let shared = Arc::new(Shared::default());
        if simulation::is_on() {
            let simulated = Some(Simulated::start(store, queue.clone(), shared.clone()));
            return Ok((Self { queue: Arc::new(Handle(queue)), shared, simulated }, WriterEnd(None)));
        }
        let (inbox, state) = (queue.clone(), shared.clone());
        let run = move || {
            while let Some(ops) = inbox.pop_batch() {
                failpoints::pass("writer-popped");
                drain(&*store, ops, &state);
            }
        };
        let thread = std::thread::Builder::new().name("log-writer".into()).spawn(run)?;
        Ok((Self { queue: Arc::new(Handle(queue)), shared, simulated: None }, WriterEnd(Some(thread))))
    }

    /// A place in the queue for one operation of about so many bytes; waits while the queue is full.
    pub async fn reserve(&self, bytes: usize) -> io::Result<Place> {
        Ok(Place(self.queue.0.reserve(bytes).await.map_err(|Closed| self.gone())?))
    }

    /// Puts an operation into its place: at once, so that the caller can do it under a lock that keeps an order.
    /// Without a place it may be one more than the bound: for the few that come one at a time for each group.
    pub fn submit_into(&self, place: Option<Place>, op: WriteOp) -> io::Result<()> {
        self.queue.0.push(op, place.map(|p| p.0)).map_err(|Closed| self.gone())?;
        self.simulated.iter().for_each(|task| task.wake());
        Ok(())
    }

    /// Puts an operation into the queue; waits while the queue is full.
    pub async fn submit(&self, op: WriteOp) -> io::Result<()> {
        let place = self.reserve(op.bytes()).await?;
        self.submit_into(Some(place), op)
    }

    /// Applies changes and returns when they, and everything submitted before them, are durable.
    pub async fn write_durably(&self, changes: Vec<Change>) -> io::Result<()> {
        let (tx, rx) = oneshot::channel();
        self.submit(WriteOp { changes, stored: None, ack: Ack::Durable(tx) }).await?;
        rx.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// Returns when everything submitted before is durable. For threads that may block.
    pub fn barrier_blocking(&self) -> io::Result<()> {
        let (tx, rx) = oneshot::channel();
        let op = WriteOp { changes: Vec::new(), stored: None, ack: Ack::Durable(tx) };
        self.queue.0.push(op, None).map_err(|Closed| self.gone())?;
        if let Some(task) = &self.simulated {
            task.drain();
            return rx.now_or_never().and_then(Result::ok).unwrap_or_else(|| Err(self.gone()));
        }
        rx.blocking_recv().unwrap_or_else(|_| Err(self.gone()))
    }

    /// What was done so far.
    pub fn counts(&self) -> WriterCounts {
        WriterCounts {
            barriers: self.shared.barriers.load(Relaxed),
            batches: self.shared.batches.load(Relaxed),
            records: self.shared.records.load(Relaxed),
        }
    }

    /// Why nothing is written any more, if so.
    pub fn failure(&self) -> Option<&str> {
        self.shared.failure.get().map(String::as_str)
    }

    /// Returns when nothing is written any more because a write or a barrier has failed, and says why.
    pub async fn failed(&self) -> &str {
        self.shared.failure.wait().await
    }

    /// Takes nothing any more; the thread writes what is queued and ends.
    pub fn close(&self) {
        self.queue.0.close();
        self.simulated.iter().for_each(|task| task.drain());
    }

    fn gone(&self) -> io::Error {
        io::Error::other(self.failure().unwrap_or("the log writer has stopped").to_owned())
    }
}

/// One batch, one barrier if anybody waits for it, then the callbacks in order.
fn drain(store: &dyn Store, ops: Vec<WriteOp>, shared: &Shared) {
    Batch::apply(store, ops, shared).end(store, shared);
}

/// What is in the store, or failed to get there, and whose barrier and callbacks are to come.
struct Batch {
    applied: io::Result<()>,
    barrier: bool,
    acks: Vec<Ack>,
}

impl Batch {
    fn apply(store: &dyn Store, ops: Vec<WriteOp>, shared: &Shared) -> Self {
        let barrier = ops.iter().any(WriteOp::is_urgent);
        // Operations of one change each need no batch of the store to be kept whole, and that is what it is under load: an
        // entry for each group that is at work.
        let whole = ops.iter().any(|op| op.changes.len() > 1);
        let mut changes = Vec::new();
        let mut acks = Vec::with_capacity(ops.len());
        let mut stored = Vec::with_capacity(ops.len());
        for op in ops {
            changes.extend(op.changes);
            stored.extend(op.stored);
            acks.push(op.ack);
        }
        let applied = apply(store, changes, whole, &stored, shared);
        Self { applied, barrier, acks }
    }

    fn end(self, store: &dyn Store, shared: &Shared) {
        let sync = || if self.barrier { sync(store, shared) } else { Ok(()) };
        let result = self.applied.and_then(|()| sync());
        if let Err(e) = &result {
            // After a failed write or fsync nobody knows what is on the disk: nothing is acknowledged ever again.
            let first = shared.failure.set(format!("the log cannot be written: {e}")).is_ok();
            if first {
                tracing::error!(error = %e, "the log cannot be written; this node stops taking part");
            }
        }
        let result = || result.as_ref().map(|_| ()).map_err(|e| io::Error::new(e.kind(), e.to_string()));
        for ack in self.acks {
            match ack {
                Ack::None => {}
                Ack::Flushed(callback) => callback.io_completed(result()),
                Ack::Durable(waiter) => drop(waiter.send(result())),
            }
        }
    }
}

fn works(shared: &Shared) -> io::Result<()> {
    shared.failure.get().map_or(Ok(()), |failure| Err(io::Error::other(failure.clone())))
}

fn apply(
    store: &dyn Store,
    changes: Vec<Change>,
    whole: bool,
    stored: &[(Arc<AtomicU64>, u64)],
    shared: &Shared,
) -> io::Result<()> {
    works(shared)?;
    if !changes.is_empty() {
        let records = changes.len() as u64;
        let bytes: usize = changes.iter().map(size).sum();
        if whole {
            store.apply(changes)?
        } else {
            store.apply_in_order(changes)?
        }
        failpoints::pass("writer-applied");
        shared.batches.fetch_add(1, Relaxed);
        shared.records.fetch_add(records, Relaxed);
        metrics::counter!("tertulia_log_records_total").increment(records);
        metrics::counter!("tertulia_log_bytes_total").increment(bytes as u64);
    }
    for (at, number) in stored {
        at.fetch_max(*number, Release);
    }
    Ok(())
}

fn sync(store: &dyn Store, shared: &Shared) -> io::Result<()> {
    works(shared)?;
    if planted_bug("skip-fsync") {
        return Ok(());
    }
    let start = std::time::Instant::now();
    store.barrier()?;
    failpoints::pass("writer-synced");
    shared.barriers.fetch_add(1, Relaxed);
    metrics::counter!("tertulia_log_barriers_total").increment(1);
    metrics::histogram!("tertulia_log_barrier_seconds").record(start.elapsed().as_secs_f64());
    Ok(())
}
