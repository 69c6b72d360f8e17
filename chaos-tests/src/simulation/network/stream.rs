//! Connections as processes hold them: how they are made, read and written.

use super::{
    Event, MachineId, Network,
    pipe::{Packet, Pipe, wake},
};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use raft::simulation::{Connection, Wire};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{mpsc, oneshot},
};

/// Bytes on their way in one direction of a connection, at most.
const WINDOW_BYTES: usize = 256 << 10;
/// Bytes that travel together.
const SEGMENT_BYTES: usize = 16 << 10;

/// How a machine reaches others and is reached.
pub(in super::super) struct MachineWire<T> {
    network: Network<T>,
    machine: MachineId,
}

impl<T> MachineWire<T> {
    pub(super) fn new(network: Network<T>, machine: MachineId) -> Self {
        Self { network, machine }
    }
}

impl<T: Clone + Send + 'static> Wire for MachineWire<T> {
    fn dial(&self, address: String) -> BoxFuture<'static, io::Result<Connection>> {
        let (network, from) = (self.network.clone(), self.machine);
        async move {
            let (heard, stream) = {
                let inner = &mut *network.0.lock();
                let to = *inner.addresses.get(&address).ok_or(io::ErrorKind::HostUnreachable)?;
                let (caller, heard) = oneshot::channel();
                let id = inner.next_pipe;
                inner.next_pipe += 1;
                inner.pipes.insert(id, Pipe { machines: [from, to], ends: Default::default(), caller: Some(caller) });
                inner.send_packet(from, to, Event::Connects { pipe: id });
                (heard, Stream { network: network.clone(), pipe: id, end: 0 })
            };
            heard.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            // The other end is there from now on: what it is sent comes behind this.
            let inner = &mut *network.0.lock();
            let to = inner.pipes.get(&stream.pipe).map(|p| p.machines[1]);
            let called = Stream { network: network.clone(), pipe: stream.pipe, end: 1 };
            let listener = to.and_then(|to| inner.listeners.get(&to)).cloned();
            if listener.is_none_or(|l| l.send(Connection::new(called)).is_err()) {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Ok(Connection::new(stream))
        }
        .boxed()
    }

    fn listen(&self) -> BoxStream<'static, io::Result<Connection>> {
        let (tx, rx) = mpsc::unbounded_channel();
        self.network.0.lock().listeners.insert(self.machine, tx);
        futures::stream::unfold(rx, |mut rx| async move { rx.recv().await.map(|c| (Ok(c), rx)) }).boxed()
    }
}

/// One end of a connection, as its process holds it.
struct Stream<T: Clone> {
    network: Network<T>,
    pipe: u64,
    end: usize,
}

impl<T: Clone> Drop for Stream<T> {
    fn drop(&mut self) {
        // Dropped while the network is at work it would wait for itself: nothing does that but a listener that is gone,
        // whose connection is cut by the caller's error.
        if let Some(mut inner) = self.network.0.try_lock() {
            inner.let_go(self.pipe, self.end, true);
        }
    }
}

impl<T: Clone> AsyncRead for Stream<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.network.0.lock();
        let Some(pipe) = inner.pipes.get_mut(&self.pipe) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let here = &mut pipe.ends[self.end];
        if let Some(mut bytes) = here.ready.pop_front() {
            let piece = bytes.split_to(bytes.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !bytes.is_empty() {
                here.ready.push_front(bytes);
            }
            here.unread -= piece.len();
            wake(&mut here.writer);
            return Poll::Ready(Ok(()));
        }
        if here.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if here.ended {
            return Poll::Ready(Ok(()));
        }
        here.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T: Clone> AsyncWrite for Stream<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let inner = &mut *self.network.0.lock();
        let broken = || Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        let Some(pipe) = inner.pipes.get_mut(&self.pipe) else { return broken() };
        if pipe.ends[self.end].reset || pipe.ends[self.end].gone {
            return broken();
        }
        let there = &mut pipe.ends[1 - self.end];
        let room = WINDOW_BYTES.saturating_sub(there.unread).min(SEGMENT_BYTES);
        if room == 0 {
            there.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let piece = Bytes::copy_from_slice(&buf[..buf.len().min(room)]);
        let length = piece.len();
        there.unread += length;
        let number = there.next_out;
        there.next_out += 1;
        let (from, to) = (pipe.machines[self.end], pipe.machines[1 - self.end]);
        let event = Event::Arrives { pipe: self.pipe, end: 1 - self.end, number, what: Packet::Data(piece) };
        inner.send_packet(from, to, event);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.network.0.lock();
        if let Some(pipe) = inner.pipes.get_mut(&self.pipe) {
            let number = pipe.ends[1 - self.end].next_out;
            pipe.ends[1 - self.end].next_out += 1;
            let (from, to) = (pipe.machines[self.end], pipe.machines[1 - self.end]);
            inner.send_packet(
                from,
                to,
                Event::Arrives { pipe: self.pipe, end: 1 - self.end, number, what: Packet::End },
            );
        }
        Poll::Ready(Ok(()))
    }
}
