//! The writer thread: the only one that makes things durable, for all groups of a node.

use super::{Change, Store};
use crate::{
    limits::{WRITER_BATCH_BYTES_MAX, WRITER_BATCH_OPS_MAX, WRITER_QUEUE_OPS_MAX},
    types::IOFlushed,
};
use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release},
    },
    thread::JoinHandle,
};
use tokio::sync::{mpsc, oneshot};

/// Who is told when an operation is done.
pub enum Ack {
    /// Nobody: it keeps its place in the order and becomes durable with the next barrier.
    None,
    /// openraft, after the barrier.
    Flushed(IOFlushed),
    /// Somebody who waits for the barrier.
    Durable(oneshot::Sender<io::Result<()>>),
}

/// Changes that are applied together, in the order in which they were submitted.
pub struct WriteOp {
    /// What changes.
    pub changes: Vec<Change>,
    /// Set to the number once the changes are in the store.
    pub stored: Option<(Arc<AtomicU64>, u64)>,
    /// Who is told.
    pub ack: Ack,
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
    failure: OnceLock<String>,
}

enum Message {
    Op(WriteOp),
    Close(oneshot::Sender<()>),
}

/// A handle to the writer thread.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Message>,
    shared: Arc<Shared>,
}

impl Writer {
    /// Starts the thread over a store.
    pub fn start(store: Arc<dyn Store>) -> io::Result<(Self, JoinHandle<()>)> {
        let (queue, inbox) = mpsc::channel(WRITER_QUEUE_OPS_MAX);
        let shared = Arc::new(Shared::default());
        let state = shared.clone();
        let thread =
            std::thread::Builder::new().name("log-writer".into()).spawn(move || run(&*store, inbox, &state))?;
        Ok((Self { queue, shared }, thread))
    }

    /// Puts an operation into the queue; waits while the queue is full.
    pub async fn submit(&self, op: WriteOp) -> io::Result<()> {
        self.queue.send(Message::Op(op)).await.map_err(|_| self.gone())
    }

    /// Applies changes and returns when they, and everything submitted before them, are durable.
    pub async fn write_durably(&self, changes: Vec<Change>) -> io::Result<()> {
        let (tx, rx) = oneshot::channel();
        self.submit(WriteOp { changes, stored: None, ack: Ack::Durable(tx) }).await?;
        rx.await.unwrap_or_else(|_| Err(self.gone()))
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

    /// Writes what is queued, then ends the thread.
    pub async fn close(&self) {
        let (tx, rx) = oneshot::channel();
        if self.queue.send(Message::Close(tx)).await.is_ok() {
            let _ = rx.await;
        }
    }

    fn gone(&self) -> io::Error {
        io::Error::other(self.failure().unwrap_or("the log writer has stopped").to_owned())
    }
}

fn run(store: &dyn Store, mut inbox: mpsc::Receiver<Message>, shared: &Shared) {
    let mut closing = None;
    while closing.is_none()
        && let Some(first) = inbox.blocking_recv()
    {
        let mut ops = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Op(op) => {
                    bytes += op.changes.iter().map(size).sum::<usize>();
                    ops.push(op);
                }
                Message::Close(done) => {
                    closing = Some(done);
                    break;
                }
            }
            let full = ops.len() >= WRITER_BATCH_OPS_MAX || bytes >= WRITER_BATCH_BYTES_MAX;
            next = if full { None } else { inbox.try_recv().ok() };
        }
        drain(store, ops, shared);
    }
    if let Some(done) = closing {
        let _ = done.send(());
    }
}

fn size((key, value): &Change) -> usize {
    key.len() + value.as_ref().map_or(0, Vec::len)
}

/// One batch, one barrier, then the callbacks in order.
fn drain(store: &dyn Store, ops: Vec<WriteOp>, shared: &Shared) {
    let mut changes = Vec::new();
    let mut acks = Vec::with_capacity(ops.len());
    let mut stored = Vec::with_capacity(ops.len());
    for op in ops {
        changes.extend(op.changes);
        stored.extend(op.stored);
        acks.push(op.ack);
    }
    let result = write(store, changes, &stored, acks.iter().any(|a| !matches!(a, Ack::None)), shared);
    if let Err(e) = &result {
        // After a failed write or fsync nobody knows what is on the disk: nothing is acknowledged ever again.
        let first = shared.failure.set(format!("the log cannot be written: {e}")).is_ok();
        if first {
            tracing::error!(error = %e, "the log cannot be written; this node stops taking part");
        }
    }
    let result = || result.as_ref().map(|_| ()).map_err(|e| io::Error::new(e.kind(), e.to_string()));
    for ack in acks {
        match ack {
            Ack::None => {}
            Ack::Flushed(callback) => callback.io_completed(result()),
            Ack::Durable(waiter) => drop(waiter.send(result())),
        }
    }
}

fn write(
    store: &dyn Store,
    changes: Vec<Change>,
    stored: &[(Arc<AtomicU64>, u64)],
    barrier: bool,
    shared: &Shared,
) -> io::Result<()> {
    if let Some(failure) = shared.failure.get() {
        return Err(io::Error::other(failure.clone()));
    }
    if !changes.is_empty() {
        let records = changes.len() as u64;
        let bytes: usize = changes.iter().map(size).sum();
        store.apply(changes)?;
        shared.batches.fetch_add(1, Relaxed);
        shared.records.fetch_add(records, Relaxed);
        metrics::counter!("tertulia_log_records_total").increment(records);
        metrics::counter!("tertulia_log_bytes_total").increment(bytes as u64);
    }
    for (at, number) in stored {
        at.fetch_max(*number, Release);
    }
    if barrier {
        let start = std::time::Instant::now();
        store.barrier()?;
        shared.barriers.fetch_add(1, Relaxed);
        metrics::counter!("tertulia_log_barriers_total").increment(1);
        metrics::histogram!("tertulia_log_barrier_seconds").record(start.elapsed().as_secs_f64());
    }
    Ok(())
}
