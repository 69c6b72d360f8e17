//! `Gpu`: an opened adapter. Everything that is allocated on it passes the budget and an error scope.

use crate::{
    budget::{MemoryBudget, MemoryKind, OverBudget, Reservation},
    error::ModelError,
    gpu::{Abilities, Blocks, block::Block},
    limits,
};
use dialogue::ports::ScoreError;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use wgpu::{CooperativeScalarType, Device, DeviceType, ErrorFilter, Features, Queue};

/// Does the adapter multiply such blocks?
fn multiplies(adapter: &wgpu::Adapter, blocks: Blocks) -> bool {
    let halves = adapter.features().contains(Features::SHADER_F16);
    let factors = if blocks.halves() { CooperativeScalarType::F16 } else { CooperativeScalarType::F32 };
    let sides = |p: &wgpu::CooperativeMatrixProperties| [p.m_size, p.n_size, p.k_size] == [blocks.side(); 3];
    let types = |p: &wgpu::CooperativeMatrixProperties| (p.ab_type, p.cr_type) == (factors, CooperativeScalarType::F32);
    (halves || !blocks.halves()) && adapter.cooperative_matrix_properties().iter().any(|p| sides(p) && types(p))
}

/// Why the device did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// Refused before the allocation.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The driver has no memory left although the ledger has; the device is well otherwise.
    #[error("the driver is out of memory: {0}")]
    OutOfMemory(String),
    /// The device cannot run this model; it is well otherwise.
    #[error("{0}")]
    Unsupported(String),
    /// The device failed: the driver's words, or ours about it.
    #[error("{0}")]
    Device(String),
}

impl From<GpuError> for ModelError {
    fn from(e: GpuError) -> Self {
        match e {
            GpuError::OverBudget(o) => ModelError::OverBudget(o),
            other => ModelError::Device(other.to_string()),
        }
    }
}

impl From<GpuError> for ScoreError {
    fn from(e: GpuError) -> Self {
        match e {
            GpuError::OverBudget(o) => o.into(),
            other => ScoreError::Device(other.to_string()),
        }
    }
}

const COOPERATIVE: Features = Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
/// What is asked for where the adapter has it. The clock is for measurements only.
const WANTED: Features =
    Features::SUBGROUP.union(Features::TIMESTAMP_QUERY).union(Features::SHADER_F16).union(COOPERATIVE);

/// An open device with its queue.
#[derive(Debug)]
pub struct Gpu {
    /// The device.
    pub device: Device,
    /// Its queue.
    pub queue: Queue,
    name: String,
    driver: String,
    abilities: Abilities,
    /// For what belongs to no model.
    pub(super) budget: MemoryBudget,
    /// What uploads go through; made when it is first needed.
    pub(super) staging: Mutex<Option<Block>>,
    _own: Reservation,
    /// Why the device is gone, once it is.
    lost: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// The best adapter; a software adapter only where `software` allows it.
    pub fn find(software: bool) -> Option<wgpu::Adapter> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let rank = |a: &wgpu::Adapter| match a.get_info().device_type {
            DeviceType::DiscreteGpu => 0,
            DeviceType::IntegratedGpu => 1,
            DeviceType::VirtualGpu => 2,
            DeviceType::Other => 3,
            DeviceType::Cpu => 4,
        };
        adapters.into_iter().filter(|a| software || rank(a) < 4).min_by_key(rank)
    }

    /// Opens the best adapter. `None`: there is no such adapter.
    pub fn open(software: bool, budget: MemoryBudget) -> Result<Option<Self>, GpuError> {
        Self::find(software).map(|adapter| Self::open_adapter(&adapter, budget)).transpose()
    }

    /// A device that computes nothing but checks everything that is asked of it: for tests without an adapter.
    #[cfg(test)]
    pub(crate) fn open_noop(budget: MemoryBudget) -> Result<Self, GpuError> {
        // What every device offers: the kernels ask for no more.
        Self::open_noop_within(wgpu::Limits::default(), budget)
    }

    /// The same, of other limits.
    #[cfg(test)]
    pub(crate) fn open_noop_within(limits: wgpu::Limits, budget: MemoryBudget) -> Result<Self, GpuError> {
        let noop = wgpu::NoopBackendOptions {
            features: Some(Features::SUBGROUP | Features::SHADER_F16 | COOPERATIVE),
            limits: Some(limits),
            subgroup_min_size: Some(8),
            subgroup_max_size: Some(8),
            ..wgpu::NoopBackendOptions::enabled()
        };
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: wgpu::Backends::NOOP,
            backend_options: wgpu::BackendOptions { noop, ..wgpu::BackendOptions::default() },
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::NOOP));
        Self::open_adapter(adapters.first().expect("the noop adapter is there"), budget)
    }

    /// Opens an adapter.
    pub fn open_adapter(adapter: &wgpu::Adapter, budget: MemoryBudget) -> Result<Self, GpuError> {
        let info = adapter.get_info();
        let kind = if info.device_type == DeviceType::Cpu { ", software" } else { "" };
        let name = format!("{} ({}{kind})", info.name, info.backend);
        let driver = format!("{} {}", info.driver, info.driver_info).trim().to_owned();
        let wanted = WANTED & adapter.features();
        let lanes = (info.subgroup_min_size == info.subgroup_max_size).then_some(info.subgroup_max_size);
        let abilities = Abilities {
            subgroup_lanes: lanes.filter(|_| wanted.contains(Features::SUBGROUP)),
            blocks: Blocks::ALL.map(|blocks| wanted.contains(COOPERATIVE) && multiplies(adapter, blocks)),
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("tertulia"),
            required_features: wanted,
            experimental_features: adapter::experimental_features(),
            required_limits: adapter.limits(),
            // The ledger counts bytes: the driver's allocator should take few more.
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..wgpu::DeviceDescriptor::default()
        }))
        .map_err(|e| GpuError::Device(format!("{name}: {e}")))?;
        let lost = Arc::new(Mutex::new(None));
        let note = |lost: &Mutex<Option<String>>, why: String| {
            lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        };
        let gone = lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            note(&gone, format!("the device is lost ({reason:?}): {message}"));
        });
        let failed = lost.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| note(&failed, e.to_string())));
        // wgpu keeps a buffer of zeros of its own; it is counted like everything else.
        let own = device.generate_allocator_report().map_or(0, |report| report.total_allocated_bytes);
        let _own = budget.reserve(MemoryKind::Staging, own)?;
        Ok(Self { device, queue, name, driver, abilities, budget, staging: Mutex::default(), _own, lost })
    }

    /// For people: the adapter and its driver.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The driver with its version.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// What it can beside the rest.
    pub fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// An error once the device is gone: it does not come back.
    pub fn check(&self) -> Result<(), GpuError> {
        match &*self.lost.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(why) => Err(GpuError::Device(why.clone())),
            None => Ok(()),
        }
    }

    /// Runs `work` and turns any error that the device raises meanwhile into ours.
    pub fn scoped<R>(&self, work: impl FnOnce() -> R) -> Result<R, GpuError> {
        self.check()?;
        let memory = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(ErrorFilter::Validation);
        let internal = self.device.push_error_scope(ErrorFilter::Internal);
        let result = work();
        let [internal, validation, memory] = [internal.pop(), validation.pop(), memory.pop()].map(pollster::block_on);
        if let Some(e) = internal.or(validation) {
            return Err(GpuError::Device(format!("{}: {e}", self.name)));
        }
        match memory {
            None => Ok(result),
            Some(e) => {
                // Where it costs more than what was asked for, the device is gone.
                self.check()?;
                Err(GpuError::OutOfMemory(format!("{}: {e}", self.name)))
            }
        }
    }

    /// Waits for everything that was submitted.
    pub fn wait(&self) -> Result<(), GpuError> {
        let timeout = Some(Duration::from_secs(limits::DEVICE_WAIT_SECONDS_MAX));
        let waited = self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout });
        self.check()?;
        waited.map(drop).map_err(|e| GpuError::Device(format!("{}: {e}", self.name)))
    }

    /// The figure of the driver's allocator of what it has handed out, in bytes, where it has one.
    pub fn allocated_bytes(&self) -> Option<u64> {
        self.device.generate_allocator_report().map(|report| report.total_allocated_bytes)
    }

    /// Lets the driver have back what was dropped.
    pub fn reclaim(&self) {
        // An error here is one of the device: whoever uses it next meets it.
        let _ = self.wait();
    }

    /// Bytes that one binding may have.
    pub fn binding_bytes_max(&self) -> u64 {
        self.device.limits().max_storage_buffer_binding_size.min(limits::BINDING_BYTES_MAX)
    }
}
