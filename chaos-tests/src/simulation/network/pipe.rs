//! A connection: what each end has to read, and who waits for it.

use super::MachineId;
use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    task::Waker,
};
use tokio::sync::oneshot;

#[derive(Clone)]
pub(super) enum Packet {
    Data(Bytes),
    End,
}

/// A connection: end 0 has called, end 1 was called.
pub(super) struct Pipe {
    pub(super) machines: [MachineId; 2],
    pub(super) ends: [End; 2],
    /// Who waits to hear that the connection is there.
    pub(super) caller: Option<oneshot::Sender<io::Result<()>>>,
}

/// What one end has to read, and whether it is there.
#[derive(Default)]
pub(super) struct End {
    /// Packets that overtook others.
    early: BTreeMap<u64, Packet>,
    next_in: u64,
    pub(super) next_out: u64,
    pub(super) ready: VecDeque<Bytes>,
    /// Bytes that the other end has sent and this one has not read.
    pub(super) unread: usize,
    pub(super) ended: bool,
    pub(super) reset: bool,
    /// The process has let go of it.
    pub(super) gone: bool,
    pub(super) reader: Option<Waker>,
    /// Of the other end, which waits for room.
    pub(super) writer: Option<Waker>,
}

impl End {
    pub(super) fn take_in(&mut self, number: u64, what: Packet) {
        self.early.insert(number, what);
        while let Some(packet) = self.early.remove(&self.next_in) {
            self.next_in += 1;
            match packet {
                Packet::Data(bytes) => self.ready.push_back(bytes),
                Packet::End => self.ended = true,
            }
        }
        wake(&mut self.reader);
    }
}

pub(super) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
