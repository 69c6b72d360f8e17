//! `GpuHost`: one device with all models on it: who is there, who has to go, and what happens when the device is lost.

use crate::{
    budget::{MemoryBudget, MemoryUsage, OverBudget},
    cpu::CpuEncoder,
    gpu::{
        Gpu, GpuError, Precision,
        residents::{Choice, Residents, Seat, Tally},
    },
    hidden::Hidden,
    packed::PackedBatch,
    readout::{Readout, Scores},
};
use cluster_config::{MemoryLimit, Precision as Wanted};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// Pauses before each further attempt to get a lost device back; the last one stays.
const REBUILD_PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// The ledger beside the driver's allocator at one moment, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciled {
    /// Reserved.
    pub ledger_bytes: u64,
    /// Handed out by the allocator.
    pub allocator_bytes: u64,
}

/// What is to be known of the device.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceReport {
    /// The adapter, for people.
    pub adapter: String,
    /// How weights lie there.
    pub precision: Precision,
    /// Is it there now?
    pub open: bool,
    /// The ledger.
    pub usage: MemoryUsage,
    /// The ledger beside the driver's allocator, where that reports, at the latest moment between two batches that was seen.
    pub reconciled: Option<Reconciled>,
    /// Passes that the device ran.
    pub passes: u64,
    /// Models brought to the device.
    pub loads: u64,
    /// Models that had to go for another.
    pub evictions: u64,
    /// Times that the device was lost.
    pub losses: u64,
}

/// The device and its models. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GpuHost(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    software: bool,
    choice: Choice,
    budget: MemoryBudget,
    adapter: String,
    tally: Arc<Tally>,
    losses: AtomicU64,
    reconciled: Mutex<Option<Reconciled>>,
    open: AtomicBool,
    /// The device beside its lock, to be destroyed under whatever runs on it.
    destroy: Mutex<Option<wgpu::Device>>,
    /// Nothing while the device is lost.
    device: Mutex<Option<Residents>>,
}

impl GpuHost {
    /// Opens the best adapter; a software adapter only where `software` allows it. `None`: there is no such adapter.
    pub fn open(
        software: bool,
        precision: Wanted,
        limit: MemoryLimit,
        tunings: Option<PathBuf>,
    ) -> Result<Option<Self>, GpuError> {
        let Some(adapter) = Gpu::find(software) else { return Ok(None) };
        let limit = limit_bytes(&adapter, limit)?;
        let budget = MemoryBudget::new(limit);
        let gpu = Gpu::open_adapter(&adapter, budget.clone())?;
        let (choice, tally) = (Choice { precision, tunings }, Arc::<Tally>::default());
        let inner = Inner {
            software,
            budget,
            adapter: gpu.name().to_owned(),
            losses: AtomicU64::new(0),
            reconciled: Mutex::default(),
            open: AtomicBool::new(true),
            destroy: Mutex::new(Some(gpu.device.clone())),
            device: Mutex::new(Some(Residents::new(gpu, choice.clone(), tally.clone()))),
            choice,
            tally,
        };
        Ok(Some(Self(Arc::new(inner))))
    }

    /// A seat for a model, of which `floor_bytes` are its own; it is brought to the device when it is first used.
    pub fn seat(&self, name: &str, source: Arc<CpuEncoder>, floor_bytes: u64) -> Result<Arc<Seat>, OverBudget> {
        let budget = self.0.budget.for_model(floor_bytes)?;
        Ok(Arc::new(Seat::new(name, source, budget, floor_bytes)))
    }

    /// Brings a model to the device, if it is not there.
    pub fn load(&self, seat: &Arc<Seat>) -> Result<(), GpuError> {
        self.with_device(|residents| residents.bring(seat))
    }

    /// Runs one packed batch of a model, which is brought to the device first if it is not there. A refusal costs nothing; any other
    /// error means that the device is lost, and it is built anew while others serve.
    pub fn forward(&self, seat: &Arc<Seat>, batch: &PackedBatch) -> Result<Hidden, GpuError> {
        let rows = self.with_device(|residents| residents.run(seat, batch, None))?;
        let (hidden_size, offsets) = (rows.widths.token, rows.offsets);
        Ok(Hidden { hidden_size, tokens: rows.tokens, offsets, embeddings: rows.sentences })
    }

    /// The same with the dense layers of heads behind the encoder, which are brought there too.
    pub fn score(&self, seat: &Arc<Seat>, batch: &PackedBatch, readout: &Arc<Readout>) -> Result<Scores, GpuError> {
        self.with_device(|residents| residents.run(seat, batch, Some(readout)))
    }

    /// Would a batch of this model be answered at once? One whose device is lost is, by the CPU path.
    pub fn is_ready(&self, seat: &Seat) -> bool {
        seat.is_loaded() || !self.is_open()
    }

    /// Is the device there?
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Acquire)
    }

    /// The adapter, for people.
    pub fn adapter(&self) -> &str {
        &self.0.adapter
    }

    /// How weights lie there.
    pub fn precision(&self) -> Precision {
        *lock(&self.0.tally.precision)
    }

    /// What is to be known of it now.
    pub fn report(&self) -> DeviceReport {
        // A pass may take long: then the allocator's report of before it stands.
        if let Ok(device) = self.0.device.try_lock() {
            let allocator_bytes = device.as_ref().and_then(|residents| residents.gpu().allocated_bytes());
            let ledger_bytes = self.0.budget.used_bytes();
            *lock(&self.0.reconciled) =
                allocator_bytes.map(|bytes| Reconciled { ledger_bytes, allocator_bytes: bytes });
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let tally = &self.0.tally;
        DeviceReport {
            adapter: self.0.adapter.clone(),
            precision: self.precision(),
            open: self.is_open(),
            usage: self.0.budget.usage(),
            reconciled: *lock(&self.0.reconciled),
            passes: count(&tally.passes),
            loads: count(&tally.loads),
            evictions: count(&tally.evictions),
            losses: count(&self.0.losses),
        }
    }

    /// Destroys the device under whatever runs on it, as a driver's reset would: for drills and tests.
    pub fn destroy_device(&self) {
        if let Some(device) = lock(&self.0.destroy).as_ref() {
            device.destroy();
        }
    }

    fn with_device<R>(&self, work: impl FnOnce(&mut Residents) -> Result<R, GpuError>) -> Result<R, GpuError> {
        let mut device = lock(&self.0.device);
        let Some(residents) = device.as_mut() else {
            return Err(GpuError::Device(format!("{} is lost, and not back yet", self.0.adapter)));
        };
        let result = work(residents);
        if let Err(GpuError::Device(why)) = &result {
            self.lose(&mut device, why);
        }
        result
    }

    /// Gives up a device that failed, and starts to get it back.
    fn lose(&self, device: &mut Option<Residents>, why: &str) {
        tracing::error!(adapter = self.0.adapter, why, "the device is lost: the CPU path serves until it is back");
        self.0.open.store(false, Ordering::Release);
        self.0.losses.fetch_add(1, Ordering::Relaxed);
        let Some(residents) = device.take() else { return };
        let seats: Vec<Weak<Seat>> = residents.seats().map(Arc::downgrade).collect();
        drop(residents);
        let host = Arc::downgrade(&self.0);
        let started =
            std::thread::Builder::new().name("tertulia-device-rebuild".into()).spawn(move || rebuild(&host, &seats));
        if let Err(error) = started {
            tracing::error!(%error, "cannot start the thread that gets the device back: the CPU path serves from now on");
        }
    }
}

/// Tries until the device is back with the models that were on it, or until nobody wants it any more.
fn rebuild(host: &Weak<Inner>, seats: &[Weak<Seat>]) {
    let mut pauses = REBUILD_PAUSES.into_iter();
    let mut pause = Duration::ZERO;
    loop {
        pause = pauses.next().unwrap_or(pause);
        std::thread::sleep(pause);
        let Some(host) = host.upgrade() else { return };
        let seats: Vec<Arc<Seat>> = seats.iter().filter_map(Weak::upgrade).collect();
        match host.reopen(&seats) {
            Ok(()) => {
                tracing::info!(adapter = host.adapter, models = seats.len(), "the device is back");
                return;
            }
            Err(error) => tracing::warn!(%error, adapter = host.adapter, "the device is not back yet"),
        }
    }
}

impl Inner {
    /// Opens the device again, with the models; nothing of it is used before all of it is there.
    fn reopen(&self, seats: &[Arc<Seat>]) -> Result<(), GpuError> {
        let gone = || GpuError::Device("there is no adapter".into());
        let adapter = Gpu::find(self.software).ok_or_else(gone)?;
        let gpu = Gpu::open_adapter(&adapter, self.budget.clone())?;
        let mut residents = Residents::new(gpu, self.choice.clone(), self.tally.clone());
        for seat in seats {
            residents.bring(seat)?;
        }
        *lock(&self.destroy) = Some(residents.gpu().device.clone());
        *lock(&self.device) = Some(residents);
        self.open.store(true, Ordering::Release);
        Ok(())
    }
}

/// The limit in bytes on this adapter.
fn limit_bytes(adapter: &wgpu::Adapter, limit: MemoryLimit) -> Result<u64, GpuError> {
    match limit {
        MemoryLimit::Bytes(bytes) => Ok(bytes),
        MemoryLimit::Percent(percent) => match adapter::device_local_bytes(adapter) {
            Some(bytes) => Ok(bytes / 100 * u64::from(percent)),
            None => Err(GpuError::Device(format!(
                "{}: it does not say how much memory it has: device_memory_max must be in bytes, not {limit}",
                adapter.get_info().name
            ))),
        },
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done: what a pass leaves behind in a panic is looked at anew.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
