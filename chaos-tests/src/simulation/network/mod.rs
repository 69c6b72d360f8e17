//! The simulated network: streams that are delayed, held up, cut and reset as TCP's are, and datagrams that are lost,
//! doubled and overtaken.
//!
//! Everything happens at a time of the simulation's own clock, and in one order: what is due at the same time comes in the
//! order in which it was sent. A stream loses nothing: a lost packet arrives later, as after a retransmission, and what
//! a partition holds up goes on when it heals. Whether a dead end answers is what tells a killed process (its kernel
//! resets the connection) from a power failure (nothing is heard).

mod pipe;
mod stream;

use super::chance::Chance;
use parking_lot::Mutex;
use pipe::{Packet, Pipe, wake};
use raft::simulation::Connection;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, sync::Arc};
pub(super) use stream::MachineWire;
use tokio::sync::mpsc;

/// When a lost packet, or a connection that nobody has answered, is tried again, in microseconds.
const RETRANSMIT_US: u64 = 200_000;
/// The same for the first packet of a connection.
const SYN_AGAIN_US: u64 = 1_000_000;

/// A machine, by its number; the clients' own is the last.
pub(super) type MachineId = usize;

/// One direction between two machines.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Link {
    /// Shortest delay, in microseconds.
    pub latency_us: u64,
    /// Added at random up to this, in microseconds.
    pub jitter_us: u64,
    /// Probability that a packet is lost.
    pub loss: f64,
    /// Probability that a datagram comes twice.
    pub twice: f64,
}

/// What answers at a machine's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// The process listens.
    Yes,
    /// The process is gone, its kernel answers.
    Resets,
    /// Nothing answers.
    No,
}

/// Something that a client sends, or that it is sent back.
pub(super) struct Datagram<T> {
    pub(super) to: MachineId,
    pub(super) body: T,
}

/// What happens on the network, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkCounts {
    /// Segments of streams that arrived.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that were lost.
    pub lost: u64,
    /// Datagrams that came twice.
    pub doubled: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Connections that were reset.
    pub resets: u64,
}

/// The network; a cheap handle. `T` is what datagrams carry.
pub(super) struct Network<T>(Arc<Mutex<Inner<T>>>);

impl<T> Clone for Network<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Inner<T> {
    now_us: u64,
    chance: Chance,
    links: Vec<Vec<Link>>,
    blocked: Vec<Vec<bool>>,
    answers: Vec<Answers>,
    addresses: BTreeMap<String, MachineId>,
    listeners: BTreeMap<MachineId, mpsc::UnboundedSender<Connection>>,
    pipes: BTreeMap<u64, Pipe>,
    next_pipe: u64,
    due: BTreeMap<(u64, u64), Event<T>>,
    next_event: u64,
    held: Vec<Held<T>>,
    counts: NetworkCounts,
    /// Over everything that arrived and when.
    digest: u32,
}

/// What a partition holds up.
struct Held<T> {
    from: MachineId,
    to: MachineId,
    event: Event<T>,
}

enum Event<T> {
    /// A packet of a stream arrives at the end that reads it.
    Arrives {
        pipe: u64,
        end: usize,
        number: u64,
        what: Packet,
    },
    /// Somebody wants to connect.
    Connects {
        pipe: u64,
    },
    /// The caller hears what became of it.
    Answered {
        pipe: u64,
        taken: bool,
    },
    /// The other end is gone.
    Resets {
        pipe: u64,
        end: usize,
    },
    Datagram(Datagram<T>),
}

impl<T: Clone + Send + 'static> Network<T> {
    /// All machines are reachable over the same link until it is said otherwise.
    pub(super) fn new(machines: usize, link: Link, chance: Chance) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            now_us: 0,
            chance,
            links: vec![vec![link; machines]; machines],
            blocked: vec![vec![false; machines]; machines],
            answers: vec![Answers::Resets; machines],
            addresses: BTreeMap::new(),
            listeners: BTreeMap::new(),
            pipes: BTreeMap::new(),
            next_pipe: 0,
            due: BTreeMap::new(),
            next_event: 0,
            held: Vec::new(),
            counts: NetworkCounts::default(),
            digest: 0,
        })))
    }

    pub(super) fn name(&self, address: String, machine: MachineId) {
        self.0.lock().addresses.insert(address, machine);
    }

    pub(super) fn set_link(&self, from: MachineId, to: MachineId, link: Link) {
        self.0.lock().links[from][to] = link;
    }

    /// Nothing gets through in this direction until it is opened again.
    pub(super) fn block(&self, from: MachineId, to: MachineId, blocked: bool) {
        let inner = &mut *self.0.lock();
        inner.blocked[from][to] = blocked;
        if !blocked {
            let (goes, stays) = std::mem::take(&mut inner.held).into_iter().partition(|h| (h.from, h.to) == (from, to));
            inner.held = stays;
            let goes: Vec<Held<T>> = goes;
            for Held { event, .. } in goes {
                // When the sender tries again.
                let wait = inner.chance.below(RETRANSMIT_US);
                inner.send_after(from, to, wait, event);
            }
        }
    }

    /// What answers at the machine from now on. A process that has gone leaves its connections to the kernel, or to nobody.
    pub(super) fn set_answers(&self, machine: MachineId, answers: Answers) {
        let inner = &mut *self.0.lock();
        inner.answers[machine] = answers;
        if answers != Answers::Yes {
            inner.listeners.remove(&machine);
        }
    }

    /// The process of the machine is gone: so are its ends of connections.
    pub(super) fn kill(&self, machine: MachineId, answers: Answers) {
        self.set_answers(machine, answers);
        let inner = &mut *self.0.lock();
        let of_it: Vec<(u64, usize)> = inner
            .pipes
            .iter()
            .flat_map(|(id, pipe)| (0..2).filter(|end| pipe.machines[*end] == machine).map(|end| (*id, end)))
            .collect();
        for (pipe, end) in of_it {
            inner.let_go(pipe, end, false);
        }
    }

    pub(super) fn now_us(&self) -> u64 {
        self.0.lock().now_us
    }

    pub(super) fn counts(&self) -> NetworkCounts {
        self.0.lock().counts
    }

    pub(super) fn digest(&self) -> u32 {
        self.0.lock().digest
    }

    pub(super) fn send(&self, from: MachineId, to: MachineId, body: T) {
        let inner = &mut *self.0.lock();
        let link = inner.links[from][to];
        if inner.chance.hits(link.twice) {
            inner.counts.doubled += 1;
            inner.send_after(from, to, 0, Event::Datagram(Datagram { to, body: body.clone() }));
        }
        if inner.chance.hits(link.loss) || inner.blocked[from][to] {
            inner.counts.lost += 1;
            return;
        }
        inner.send_after(from, to, 0, Event::Datagram(Datagram { to, body }));
    }

    /// Lets time pass, and gives the datagrams that have arrived.
    pub(super) fn pass(&self, now_us: u64) -> Vec<Datagram<T>> {
        let mut arrived = Vec::new();
        loop {
            let inner = &mut *self.0.lock();
            let Some(entry) = inner.due.first_entry().filter(|e| e.key().0 <= now_us) else {
                inner.now_us = now_us;
                return arrived;
            };
            let ((at, _), event) = entry.remove_entry();
            inner.now_us = at;
            if let Some(datagram) = inner.happens(event) {
                arrived.push(datagram);
            }
        }
    }

    /// The wires of one machine.
    pub(super) fn wire(&self, machine: MachineId) -> Arc<MachineWire<T>> {
        Arc::new(MachineWire::new(self.clone(), machine))
    }
}

impl<T: Clone> Inner<T> {
    fn schedule(&mut self, at: u64, event: Event<T>) {
        self.due.insert((at, self.next_event), event);
        self.next_event += 1;
    }

    fn delay(&mut self, from: MachineId, to: MachineId) -> u64 {
        let link = self.links[from][to];
        link.latency_us + self.chance.below(link.jitter_us + 1)
    }

    fn send_after(&mut self, from: MachineId, to: MachineId, wait: u64, event: Event<T>) {
        let at = self.now_us + wait + self.delay(from, to);
        self.schedule(at, event);
    }

    /// Sends a packet of a stream: lost, it comes later.
    fn send_packet(&mut self, from: MachineId, to: MachineId, event: Event<T>) {
        let (loss, mut wait) = (self.links[from][to].loss, 0);
        while self.chance.hits(loss) && wait < 20 * RETRANSMIT_US {
            self.counts.lost += 1;
            wait += RETRANSMIT_US;
        }
        self.send_after(from, to, wait, event);
    }

    fn direction(&self, event: &Event<T>) -> Option<(MachineId, MachineId)> {
        let between = |pipe: &u64, to: usize| {
            let machines = self.pipes.get(pipe)?.machines;
            Some((machines[1 - to], machines[to]))
        };
        match event {
            Event::Arrives { pipe, end, .. } | Event::Resets { pipe, end } => between(pipe, *end),
            Event::Connects { pipe } => between(pipe, 1),
            Event::Answered { pipe, .. } => between(pipe, 0),
            Event::Datagram(_) => None,
        }
    }

    fn happens(&mut self, event: Event<T>) -> Option<Datagram<T>> {
        if let Some((from, to)) = self.direction(&event)
            && self.blocked[from][to]
        {
            self.held.push(Held { from, to, event });
            return None;
        }
        match event {
            Event::Datagram(datagram) => return Some(datagram),
            Event::Arrives { pipe, end, number, what } => self.arrives(pipe, end, number, what),
            Event::Connects { pipe } => self.connects(pipe),
            Event::Answered { pipe, taken } => self.answered(pipe, taken),
            Event::Resets { pipe, end } => self.reset(pipe, end),
        }
        None
    }

    fn arrives(&mut self, id: u64, end: usize, number: u64, what: Packet) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        if let Packet::Data(bytes) = &what {
            self.counts.segments += 1;
            self.counts.bytes += bytes.len() as u64;
            self.digest = crc32c::crc32c_append(self.digest, bytes);
        }
        self.digest = crc32c::crc32c_append(self.digest, &self.now_us.to_le_bytes());
        let here = &mut pipe.ends[end];
        if !here.gone {
            return here.take_in(number, what);
        }
        let (machine, other) = (pipe.machines[end], pipe.machines[1 - end]);
        if self.answers[machine] != Answers::No {
            self.send_after(machine, other, 0, Event::Resets { pipe: id, end: 1 - end });
        }
    }

    fn connects(&mut self, id: u64) {
        let Some(pipe) = self.pipes.get(&id) else { return };
        let [from, to] = pipe.machines;
        if pipe.ends[0].gone {
            self.pipes.remove(&id);
            return;
        }
        match (self.answers[to], self.listeners.get(&to)) {
            (Answers::No, _) => {
                let again = self.now_us + SYN_AGAIN_US;
                self.schedule(again, Event::Connects { pipe: id });
            }
            (Answers::Yes, Some(_)) => self.send_after(to, from, 0, Event::Answered { pipe: id, taken: true }),
            _ => self.send_after(to, from, 0, Event::Answered { pipe: id, taken: false }),
        }
    }

    fn answered(&mut self, id: u64, taken: bool) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        let caller = pipe.caller.take();
        if taken {
            self.counts.connections += 1;
            if let Some(caller) = caller {
                drop(caller.send(Ok(())));
            }
            return;
        }
        self.pipes.remove(&id);
        if let Some(caller) = caller {
            drop(caller.send(Err(io::ErrorKind::ConnectionRefused.into())));
        }
    }

    fn reset(&mut self, id: u64, end: usize) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        self.counts.resets += 1;
        let here = &mut pipe.ends[end];
        here.reset = true;
        wake(&mut here.reader);
        wake(&mut pipe.ends[1 - end].writer);
        if pipe.ends.iter().all(|e| e.gone) {
            self.pipes.remove(&id);
        }
    }

    /// The process lets go of its end; in good order the other one hears so.
    fn let_go(&mut self, id: u64, end: usize, in_order: bool) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        if std::mem::replace(&mut pipe.ends[end].gone, true) {
            return;
        }
        pipe.ends[end].reader = None;
        pipe.ends[1 - end].writer = None;
        let (from, to) = (pipe.machines[end], pipe.machines[1 - end]);
        if in_order && pipe.caller.is_none() {
            let number = pipe.ends[1 - end].next_out;
            pipe.ends[1 - end].next_out += 1;
            self.send_packet(from, to, Event::Arrives { pipe: id, end: 1 - end, number, what: Packet::End });
        } else if self.answers[from] == Answers::Resets {
            // Its kernel says so for it.
            self.send_after(from, to, 0, Event::Resets { pipe: id, end: 1 - end });
        }
        if self.pipes[&id].ends.iter().all(|e| e.gone || e.reset) && self.pipes[&id].ends.iter().any(|e| e.reset) {
            self.pipes.remove(&id);
        }
    }
}
