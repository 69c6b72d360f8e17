//! The network between zones: a small router in user space. Each zone has a TUN device, whose other end is here; packets are
//! passed on as they are, or late, or not at all. So what is lost is lost to the kernel's own TCP, which repeats it.

use crate::limits::{RELAY_MTU, RELAY_PACKETS_LATE_MAX};
use anyhow::{Context, Result};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tun_rs::{AsyncDevice, DeviceBuilder, Layer};

/// What happens to packets between two ends, each way.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Condition {
    /// Of a hundred packets so many are lost.
    pub loss_percent: u32,
    /// How much later they arrive.
    pub delay: Duration,
    /// What passes in a second, in kilobit; 0 for no limit.
    pub kilobit: u64,
}

/// The router. Dropping it takes its devices away.
pub struct Relay {
    conditions: Arc<Conditions>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Conditions {
    /// By the end that is in trouble: what passes between it and any other of these.
    of: Mutex<HashMap<Ipv4Addr, Condition>>,
    /// Ends that are in no zone: what passes to and from them is never touched.
    outside: Vec<Ipv4Addr>,
}

impl Conditions {
    fn between(&self, from: Ipv4Addr, to: Ipv4Addr) -> Condition {
        if self.outside.contains(&from) || self.outside.contains(&to) {
            return Condition::default();
        }
        let of = self.of.lock();
        of.get(&from).or_else(|| of.get(&to)).copied().unwrap_or_default()
    }
}

impl Relay {
    /// Makes a device for each end, of that name, and begins to route. The devices are in this process's network namespace
    /// and down; whoever moves them and gives them their addresses is the caller. `outside` are ends that no condition is for.
    pub fn start(ends: &[(String, Ipv4Addr)], outside: &[Ipv4Addr], seed: u64) -> Result<Self> {
        let conditions = Arc::new(Conditions { outside: outside.to_vec(), ..Conditions::default() });
        let (stop, stopped) = oneshot::channel();
        let (made, was_made) = std::sync::mpsc::sync_channel(1);
        let (ends, shared) = (ends.to_vec(), conditions.clone());
        // A thread and a runtime of its own: the load must not make the network late.
        let thread = std::thread::Builder::new().name("relay".into()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(e) => return drop(made.send(Err(anyhow::Error::new(e)))),
            };
            runtime.block_on(async move {
                match devices(&ends) {
                    Ok(devices) => {
                        let ready = made.send(Ok(()));
                        if ready.is_ok() {
                            route(devices, shared, seed, stopped).await;
                        }
                    }
                    Err(e) => drop(made.send(Err(e))),
                }
            });
        });
        let thread = thread.context("cannot start the relay's thread")?;
        was_made.recv().context("the relay ended at once")??;
        Ok(Self { conditions, stop: Some(stop), thread: Some(thread) })
    }

    /// From now on this holds between `end` and every other zone, until it is told again.
    pub fn set(&self, end: Ipv4Addr, condition: Condition) {
        let mut of = self.conditions.of.lock();
        if condition == Condition::default() {
            of.remove(&end);
        } else {
            of.insert(end, condition);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.take();
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

type Devices = HashMap<Ipv4Addr, Arc<AsyncDevice>>;

fn devices(ends: &[(String, Ipv4Addr)]) -> Result<Devices> {
    let device = |(name, address): &(String, Ipv4Addr)| {
        let builder = DeviceBuilder::new().name(name).layer(Layer::L3).mtu(RELAY_MTU).inherit_enable_state();
        let device = builder.build_async().with_context(|| format!("cannot make the TUN device {name}"))?;
        Ok((*address, Arc::new(device)))
    };
    ends.iter().map(device).collect()
}

async fn route(devices: Devices, conditions: Arc<Conditions>, seed: u64, stopped: oneshot::Receiver<()>) {
    let late = Arc::new(Late::default());
    let mut tasks = tokio::task::JoinSet::new();
    for (i, device) in (0..).zip(devices.values().cloned()) {
        let router = Router { devices: devices.clone(), conditions: conditions.clone(), late: late.clone() };
        tasks.spawn(router.read(device, SmallRng::seed_from_u64(seed ^ i)));
    }
    tasks.spawn({
        let (devices, late) = (devices.clone(), late.clone());
        async move { late.send(&devices).await }
    });
    // Told, or its owner is gone.
    drop(stopped.await);
    tasks.shutdown().await;
}

struct Router {
    devices: Devices,
    conditions: Arc<Conditions>,
    late: Arc<Late>,
}

impl Router {
    async fn read(self, device: Arc<AsyncDevice>, mut random: SmallRng) {
        let mut buffer = vec![0; usize::from(RELAY_MTU)];
        // When the last packet of each way has passed, where there is a limit.
        let mut free: HashMap<(Ipv4Addr, Ipv4Addr), Instant> = HashMap::new();
        loop {
            let length = match device.recv(&mut buffer).await {
                Ok(length) => length,
                // The device is down until its zone has it, and again at the end.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                }
            };
            let packet = &buffer[..length];
            let Some((from, to)) = addresses(packet) else { continue };
            let Some(target) = self.devices.get(&to) else { continue };
            let Condition { loss_percent, delay, kilobit } = self.conditions.between(from, to);
            if loss_percent > 0 && random.random_range(0..100) < loss_percent {
                continue;
            }
            if delay.is_zero() && kilobit == 0 {
                // What a full queue does not take is lost, as on any wire.
                drop(target.try_send(packet));
                continue;
            }
            let now = Instant::now();
            let mut passes = now;
            if let Some(micros) = (length as u64 * 8 * 1_000).checked_div(kilobit) {
                let free = free.entry((from, to)).or_insert(now);
                passes = (*free).max(now) + Duration::from_micros(micros);
                *free = passes;
            }
            self.late.push(passes + delay, to, packet);
        }
    }
}

/// Source and destination of an IPv4 packet (RFC 791, 3.1); none of anything else.
fn addresses(packet: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let at = |i: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(i..i + 4)?).ok()?));
    (packet.first()? >> 4 == 4).then_some(())?;
    Some((at(12)?, at(16)?))
}

/// When a packet arrives, its number, where to, and what it is.
type Packet = (Instant, u64, Ipv4Addr, Vec<u8>);

/// Packets on their way, the next to arrive first.
#[derive(Default)]
struct Late {
    heap: Mutex<BinaryHeap<Reverse<Packet>>>,
    /// Packets so far: those of one moment keep their order.
    count: AtomicU64,
    pushed: Notify,
}

impl Late {
    fn push(&self, at: Instant, to: Ipv4Addr, packet: &[u8]) {
        let mut heap = self.heap.lock();
        // A queue that is full loses what comes.
        if heap.len() < RELAY_PACKETS_LATE_MAX {
            let order = self.count.fetch_add(1, Relaxed);
            heap.push(Reverse((at, order, to, packet.to_vec())));
            self.pushed.notify_one();
        }
    }

    async fn send(&self, devices: &Devices) {
        loop {
            let next = self.heap.lock().peek().map(|Reverse((at, ..))| *at);
            match next {
                None => self.pushed.notified().await,
                Some(at) if at > Instant::now() => {
                    tokio::select! {
                        () = tokio::time::sleep_until(at) => {}
                        () = self.pushed.notified() => {}
                    }
                }
                Some(_) => {
                    let due = self.heap.lock().pop();
                    if let Some(Reverse((_, _, to, packet))) = due
                        && let Some(device) = devices.get(&to)
                    {
                        drop(device.try_send(&packet));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_says_where_it_goes() {
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet[12..16].copy_from_slice(&[198, 19, 0, 1]);
        packet[16..20].copy_from_slice(&[198, 19, 0, 2]);
        assert_eq!(addresses(&packet), Some(([198, 19, 0, 1].into(), [198, 19, 0, 2].into())));
        packet[0] = 0x60;
        assert_eq!(addresses(&packet), None, "version 6");
        assert_eq!(addresses(&[0x45, 0]), None, "cut off");
    }

    #[test]
    fn a_condition_is_for_one_zones_ways_to_others_and_never_for_clients() {
        let end = |n: u8| Ipv4Addr::new(198, 19, 0, n);
        let conditions = Conditions { outside: vec![end(100)], ..Conditions::default() };
        let lossy = Condition { loss_percent: 10, ..Condition::default() };
        conditions.of.lock().insert(end(1), lossy);
        assert_eq!(conditions.between(end(1), end(2)), lossy);
        assert_eq!(conditions.between(end(3), end(1)), lossy);
        assert_eq!(conditions.between(end(2), end(3)), Condition::default());
        assert_eq!(conditions.between(end(100), end(1)), Condition::default());
    }
}
