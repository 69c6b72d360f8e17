//! etcd under the same drills, in the same zones: who lays hands on its members, and what its clients lived through.

use super::{Etcd, Side, Writer};
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use drills::act::Act;
use drills::cluster::ZONES;
use drills::drill::{Drill, Peer, Scene, Step};
use drills::lab::{Condition, Way, Zones};
use drills::limits::{POLL_PAUSE, READY_DEADLINE};
use drills::pauses::unserved_ns;
use drills::stopwatch::Stopwatch;
use parking_lot::Mutex;
use rustix::process::Signal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// As many as our own load has.
const CLIENTS: usize = 16;
/// How long a node may leave something unanswered before its client asks the next one, on both sides.
pub const ATTEMPT: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it runs whole before each fault.
const WHOLE: Duration = Duration::from_millis(1_000);

/// Three members under faults.
pub struct EtcdPeer {
    etcd: Etcd,
    think_time: Duration,
    zones: Option<Arc<Zones>>,
}

impl EtcdPeer {
    /// Can this drill be played on it? Disks, clocks, certificates and versions are ours alone to change.
    pub fn can(drill: &Drill) -> bool {
        let scene = Scene { victim: 0, other: Some(1), targets: ZONES.len(), round: 0 };
        (drill.plan)(&scene).acts().all(|(_, act)| is_possible(&act)) && !drill.from_previous_version
    }

    /// Starts it in these zones; `timing` is heartbeat and election timeout, in milliseconds, and `think_time` what its
    /// clients rest before each write, on average.
    pub async fn start(
        place: &Path,
        timing: (u64, u64),
        think_time: Duration,
        zones: Option<Arc<Zones>>,
    ) -> Result<Self> {
        Ok(Self { etcd: Etcd::start_in(place, timing, zones.as_deref()).await?, think_time, zones })
    }

    fn zones(&self) -> Result<&Zones> {
        self.zones.as_deref().context("there are no zones")
    }

    async fn act(&mut self, member: usize, act: &Act) -> Result<()> {
        match *act {
            Act::Kill => self.etcd.processes().kill(member),
            Act::Stop => self.etcd.processes().stop(member).await,
            Act::Start => self.etcd.processes().start(member),
            Act::Freeze => self.etcd.processes().signal(member, Signal::STOP),
            Act::Thaw => self.etcd.processes().signal(member, Signal::CONT),
            Act::Cut => self.zones()?.cut(member, &[Way::Outgoing, Way::Incoming]),
            Act::CutOutgoing => self.zones()?.cut(member, &[Way::Outgoing]),
            Act::CutIncoming => self.zones()?.cut(member, &[Way::Incoming]),
            Act::Lossy { percent } => {
                self.zones()?.condition(member, Condition { loss_percent: percent, ..Condition::default() });
                Ok(())
            }
            Act::SlowLink { delay_ms, kilobit } => {
                let delay = Duration::from_millis(delay_ms);
                self.zones()?.condition(member, Condition { delay, kilobit, ..Condition::default() });
                Ok(())
            }
            Act::MendLink => self.zones()?.mend(member),
            _ => bail!("{act} is not for etcd"),
        }
    }

    async fn all(&mut self, steps: &[Step]) -> Result<()> {
        for step in steps {
            match step {
                Step::Act(member, act) => self.act(*member, act).await?,
                Step::Wait(time) => tokio::time::sleep(*time).await,
                Step::Ready(member) => self.until_ready(*member).await?,
                // etcd's leader stays where it is until it is told to move, which is the same moment.
                Step::Leads(member) => self.etcd.give_back(*member).await?,
            }
        }
        Ok(())
    }

    async fn until_ready(&self, member: usize) -> Result<()> {
        let deadline = Instant::now() + READY_DEADLINE;
        while !self.etcd.is_ready(member).await {
            if Instant::now() > deadline {
                bail!("member {member} is not ready within {READY_DEADLINE:?}");
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
        Ok(())
    }
}

fn is_possible(act: &Act) -> bool {
    !matches!(
        act,
        Act::StartPrevious
            | Act::SlowDisk { .. }
            | Act::MendDisk
            | Act::FillDisk
            | Act::FreeDisk
            | Act::StepClock { .. }
            | Act::WrongCertificate
            | Act::RightCertificate
    )
}

#[async_trait]
impl Peer for EtcdPeer {
    fn name(&self) -> String {
        "etcd 3.4".into()
    }

    async fn round(&mut self, drill: &Drill, round: usize, hold: Option<Duration>) -> Result<f64> {
        // Its one leader is always hit, as ours is that leads most.
        let victim = self.etcd.leader().await?;
        let scene = Scene { victim, other: Some((victim + 1 + round % 2) % ZONES.len()), targets: ZONES.len(), round };
        let plan = (drill.plan)(&scene);
        let stopwatch = Stopwatch::start();
        let writers = self.etcd.writers(&format!("{}-{round}", drill.name), CLIENTS)?;
        let load = Load::start(writers, self.think_time, stopwatch);
        tokio::time::sleep(WHOLE).await;
        self.all(&plan.prepare).await?;
        let struck_ns = stopwatch.now_ns();
        self.all(&plan.strike).await?;
        tokio::time::sleep(hold.unwrap_or(plan.hold)).await;
        let healed_ns = stopwatch.now_ns();
        self.all(&plan.heal).await?;
        for member in 0..ZONES.len() {
            self.until_ready(member).await?;
        }
        let waits = load.end().await?;
        Ok(unserved_ns(&waits, struck_ns, healed_ns) as f64 / 1e6)
    }
}

/// When writes began and were acknowledged, in nanoseconds of the round.
type Waits = Arc<Mutex<Vec<(u64, u64)>>>;

/// Clients that write, and rest before each write.
struct Load {
    stop: Arc<AtomicBool>,
    waits: Waits,
    tasks: Vec<tokio::task::JoinHandle<Result<()>>>,
}

impl Load {
    fn start(writers: Vec<impl Writer>, think_time: Duration, stopwatch: Stopwatch) -> Self {
        let (stop, waits) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let task = |mut writer| {
            let (stop, waits): (Arc<AtomicBool>, Waits) = (stop.clone(), waits.clone());
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    if !think_time.is_zero() {
                        tokio::time::sleep(think_time.mul_f64(rand::random_range(0.0..2.0))).await;
                    }
                    let begun = stopwatch.now_ns();
                    write(&mut writer).await?;
                    waits.lock().push((begun, stopwatch.now_ns()));
                }
                Ok(())
            })
        };
        let tasks = writers.into_iter().map(task).collect();
        Self { stop, waits, tasks }
    }

    async fn end(self) -> Result<Vec<(u64, u64)>> {
        self.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await.context("a client has panicked")??;
        }
        Ok(std::mem::take(&mut *self.waits.lock()))
    }
}

async fn write(writer: &mut impl Writer) -> Result<()> {
    writer.write(ATTEMPT, PATIENCE).await
}
