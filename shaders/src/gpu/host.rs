//! `GpuHost`: one device with all models on it: who is there, who has to go, and what happens when the device is lost.

use crate::{
    budget::{MemoryBudget, MemoryUsage, OverBudget},
    cpu::CpuEncoder,
    gpu::{Gpu, GpuError, GpuModel, Kernels, Precision, Tuning, TuningKey},
    hidden::Hidden,
    packed::PackedBatch,
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

/// How much less time narrower weights must take to be chosen: they are a little less exact.
const FASTER: f64 = 0.9;

/// A model that may be on the device: its weights in the memory of the host, from which it is brought there.
#[derive(Debug)]
pub struct Seat {
    /// For people.
    pub name: String,
    /// The weights.
    pub source: Arc<CpuEncoder>,
    budget: MemoryBudget,
    floor_bytes: u64,
    loaded: AtomicBool,
}

/// What has happened on the device since it was first opened.
#[derive(Debug, Default)]
struct Counters {
    loads: AtomicU64,
    evictions: AtomicU64,
    losses: AtomicU64,
    busy_ns: AtomicU64,
}

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
    /// Models brought to the device.
    pub loads: u64,
    /// Models that had to go for another.
    pub evictions: u64,
    /// Times that the device was lost.
    pub losses: u64,
    /// Time that the device has worked, by its own clock.
    pub busy: Duration,
}

/// The device and its models. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GpuHost(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    software: bool,
    precision: Wanted,
    /// What that came to for the model that was brought last.
    chosen: Mutex<Precision>,
    /// The folder where measurements are kept.
    tunings: Option<PathBuf>,
    budget: MemoryBudget,
    adapter: String,
    counters: Counters,
    reconciled: Mutex<Option<Reconciled>>,
    open: AtomicBool,
    /// The device beside its lock, to be destroyed under whatever runs on it.
    destroy: Mutex<Option<wgpu::Device>>,
    /// Nothing while the device is lost.
    device: Mutex<Option<Open>>,
}

/// An open device. Whoever has the lock owns it: one pass at a time.
#[derive(Debug)]
struct Open {
    gpu: Gpu,
    /// Compiled once for all models of a shape, also for one that comes back.
    kernels: Vec<Arc<Kernels>>,
    /// The most recently used one last.
    models: Vec<(Arc<Seat>, GpuModel)>,
}

impl Seat {
    /// Is the model on the device?
    fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }
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
        let inner = Inner {
            software,
            precision,
            chosen: Mutex::default(),
            tunings,
            budget,
            adapter: gpu.name().to_owned(),
            counters: Counters::default(),
            reconciled: Mutex::default(),
            open: AtomicBool::new(true),
            destroy: Mutex::new(Some(gpu.device.clone())),
            device: Mutex::new(Some(Open { gpu, kernels: Vec::new(), models: Vec::new() })),
        };
        Ok(Some(Self(Arc::new(inner))))
    }

    /// A seat for a model, of which `floor_bytes` are its own; it is brought to the device when it is first used.
    pub fn seat(&self, name: &str, source: Arc<CpuEncoder>, floor_bytes: u64) -> Result<Arc<Seat>, OverBudget> {
        let budget = self.0.budget.for_model(floor_bytes)?;
        Ok(Arc::new(Seat { name: name.to_owned(), source, budget, floor_bytes, loaded: AtomicBool::new(false) }))
    }

    /// Brings a model to the device, if it is not there.
    pub fn load(&self, seat: &Arc<Seat>) -> Result<(), GpuError> {
        self.with_device(|open, host| open.bring(seat, host).map(drop))
    }

    /// Runs one packed batch of a model, which is brought to the device first if it is not there. A refusal costs nothing; any other
    /// error means that the device is lost, and it is built anew while others serve.
    pub fn forward(&self, seat: &Arc<Seat>, batch: &PackedBatch) -> Result<Hidden, GpuError> {
        self.with_device(|open, host| open.forward(seat, batch, host))
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
        *lock(&self.0.chosen)
    }

    /// What is to be known of it now.
    pub fn report(&self) -> DeviceReport {
        // A pass may take long: then the allocator's report of before it stands.
        if let Ok(device) = self.0.device.try_lock() {
            let allocator_bytes = device.as_ref().and_then(|open| open.gpu.allocated_bytes());
            let ledger_bytes = self.0.budget.used_bytes();
            *lock(&self.0.reconciled) =
                allocator_bytes.map(|bytes| Reconciled { ledger_bytes, allocator_bytes: bytes });
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.0.counters;
        DeviceReport {
            adapter: self.0.adapter.clone(),
            precision: self.precision(),
            open: self.is_open(),
            usage: self.0.budget.usage(),
            reconciled: *lock(&self.0.reconciled),
            loads: count(&counters.loads),
            evictions: count(&counters.evictions),
            losses: count(&counters.losses),
            busy: Duration::from_nanos(count(&counters.busy_ns)),
        }
    }

    /// Destroys the device under whatever runs on it, as a driver's reset would: for drills and tests.
    pub fn destroy_device(&self) {
        if let Some(device) = lock(&self.0.destroy).as_ref() {
            device.destroy();
        }
    }

    fn with_device<R>(&self, work: impl FnOnce(&mut Open, &Inner) -> Result<R, GpuError>) -> Result<R, GpuError> {
        let mut device = lock(&self.0.device);
        let Some(open) = device.as_mut() else {
            return Err(GpuError::Device(format!("{} is lost, and not back yet", self.0.adapter)));
        };
        let result = work(open, &self.0);
        if let Err(GpuError::Device(why)) = &result {
            self.lose(&mut device, why);
        }
        result
    }

    /// Gives up a device that failed, and starts to get it back.
    fn lose(&self, device: &mut MutexGuard<'_, Option<Open>>, why: &str) {
        tracing::error!(adapter = self.0.adapter, why, "the device is lost: the CPU path serves until it is back");
        self.0.open.store(false, Ordering::Release);
        self.0.counters.losses.fetch_add(1, Ordering::Relaxed);
        let Some(open) = device.take() else { return };
        let seats: Vec<Weak<Seat>> = open.models.iter().map(|(seat, _)| Arc::downgrade(seat)).collect();
        open.models.iter().for_each(|(seat, _)| seat.loaded.store(false, Ordering::Release));
        drop(open);
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
        let mut open = Open { gpu, kernels: Vec::new(), models: Vec::new() };
        for seat in seats {
            open.bring(seat, self)?;
        }
        *lock(&self.destroy) = Some(open.gpu.device.clone());
        *lock(&self.device) = Some(open);
        self.open.store(true, Ordering::Release);
        Ok(())
    }
}

impl Open {
    /// One pass of a model, for which others make room.
    fn forward(&mut self, seat: &Arc<Seat>, batch: &PackedBatch, host: &Inner) -> Result<Hidden, GpuError> {
        self.bring(seat, host)?;
        loop {
            let (_, model) = self.models.last_mut().expect("who was brought is the last");
            match model.forward(&self.gpu, &seat.budget, batch) {
                Ok((hidden, busy)) => {
                    host.counters.busy_ns.fetch_add(busy.as_nanos() as u64, Ordering::Relaxed);
                    return Ok(hidden);
                }
                Err(GpuError::OverBudget(refusal)) => self.free_some(seat, refusal, host)?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Sees to it that a model is there, and the last of the list.
    fn bring(&mut self, seat: &Arc<Seat>, host: &Inner) -> Result<(), GpuError> {
        if let Some(at) = self.models.iter().position(|(s, _)| Arc::ptr_eq(s, seat)) {
            self.models[at..].rotate_left(1);
            return Ok(());
        }
        self.forget_orphans();
        let kernels = self.kernels_for(seat, host)?;
        let model = loop {
            match GpuModel::new(&self.gpu, &seat.budget, kernels.clone(), &*seat.source) {
                Ok(model) => break model,
                Err(GpuError::OverBudget(refusal)) => self.free_some(seat, refusal, host)?,
                Err(error) => return Err(error),
            }
        };
        host.counters.loads.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(model = seat.name, "brought to the device");
        self.models.push((seat.clone(), model));
        seat.loaded.store(true, Ordering::Release);
        Ok(())
    }

    /// Models that nobody has a handle of any more go first, without being counted as evicted.
    fn forget_orphans(&mut self) {
        self.models.retain(|(seat, _)| Arc::strong_count(seat) > 1);
        self.gpu.reclaim();
    }

    /// Takes memory from the model that was not used for the longest: first what it works in, then its weights, but never what its
    /// floor keeps for it. The refusal is the answer where nobody has any.
    fn free_some(&mut self, seat: &Arc<Seat>, refusal: OverBudget, host: &Inner) -> Result<(), GpuError> {
        let others = || (0..self.models.len()).filter(|i| !Arc::ptr_eq(&self.models[*i].0, seat));
        let above_floor = |i: &usize| self.models[*i].0.budget.own_bytes() > self.models[*i].0.floor_bytes;
        if let Some(at) = others().filter(above_floor).find(|i| self.models[*i].1.has_room()) {
            self.models[at].1.drop_room();
        } else if let Some(at) = others().find(above_floor) {
            let (evicted, model) = self.models.remove(at);
            evicted.loaded.store(false, Ordering::Release);
            drop(model);
            host.counters.evictions.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(model = evicted.name, "evicted for {}", seat.name);
        } else {
            return Err(refusal.into());
        }
        self.gpu.reclaim();
        Ok(())
    }

    /// The compiled kernels for a model's shape.
    fn kernels_for(&mut self, seat: &Arc<Seat>, host: &Inner) -> Result<Arc<Kernels>, GpuError> {
        let config = seat.source.config();
        if let Some(kernels) = self.kernels.iter().find(|kernels| kernels.suit(config)) {
            return Ok(kernels.clone());
        }
        let tuning = match host.precision {
            Wanted::F32 => self.tuning(seat, host, Precision::F32)?,
            Wanted::F16 => self.tuning(seat, host, Precision::F16)?,
            Wanted::Int8 => self.tuning(seat, host, Precision::Int8)?,
            Wanted::Auto => {
                let (f32, f16) = (self.tuning(seat, host, Precision::F32)?, self.tuning(seat, host, Precision::F16)?);
                if f16.matmul_seconds < FASTER * f32.matmul_seconds { f16 } else { f32 }
            }
        };
        *lock(&host.chosen) = tuning.key.precision;
        let kernels = Arc::new(Kernels::new(&self.gpu, config, tuning.key.precision, tuning)?);
        self.kernels.push(kernels.clone());
        Ok(kernels)
    }
}

impl Open {
    /// The kernels that were measured to be the fastest for a model, in this run of the process or an earlier one.
    fn tuning(&mut self, seat: &Arc<Seat>, host: &Inner, precision: Precision) -> Result<Tuning, GpuError> {
        let config = seat.source.config();
        let file = TuningKey::new(&self.gpu, config, precision).file_name();
        let path = host.tunings.as_ref().map(|folder| folder.join(file));
        loop {
            match Tuning::load_or_measure(path.as_deref(), &self.gpu, config, precision) {
                Err(GpuError::OverBudget(refusal)) => self.free_some(seat, refusal, host)?,
                tuning => return tuning,
            }
        }
    }
}

/// The limit in bytes on this adapter.
fn limit_bytes(adapter: &wgpu::Adapter, limit: MemoryLimit) -> Result<u64, GpuError> {
    match limit {
        MemoryLimit::Bytes(bytes) => Ok(bytes),
        MemoryLimit::Percent(percent) => match adapter_memory::device_local_bytes(adapter) {
            Some(bytes) => Ok(bytes / 100 * u64::from(percent)),
            None => Err(GpuError::Device(format!(
                "{}: it does not say how much memory it has: device_memory_max must be in bytes, not {limit}",
                adapter.get_info().name
            ))),
        },
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done: what a pass leaves behind in a panic is looked at anew.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
