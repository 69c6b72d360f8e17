//! `Gpu`: an opened adapter. Everything that is allocated on it passes the budget and an error scope.

use crate::{
    budget::{MemoryBudget, OverBudget, Reservation},
    error::ModelError,
    limits,
};
use dialogue::ports::ScoreError;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use wgpu::{Buffer, BufferUsages, Device, DeviceType, ErrorFilter, Queue};

/// Why the device did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// Refused before the allocation.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The driver's words, or ours about it.
    #[error("{0}")]
    Device(String),
}

impl From<GpuError> for ModelError {
    fn from(e: GpuError) -> Self {
        match e {
            GpuError::OverBudget(o) => ModelError::OverBudget(o),
            GpuError::Device(message) => ModelError::Device(message),
        }
    }
}

impl From<GpuError> for ScoreError {
    fn from(e: GpuError) -> Self {
        match e {
            GpuError::OverBudget(o) => o.into(),
            GpuError::Device(message) => ScoreError::Device(message),
        }
    }
}

/// A buffer with the bytes that it holds in the ledger.
#[derive(Debug)]
pub struct Block {
    /// The buffer.
    pub buffer: Buffer,
    _reservation: Reservation,
}

/// An open device with its queue.
#[derive(Debug)]
pub struct Gpu {
    /// The device.
    pub device: Device,
    /// Its queue.
    pub queue: Queue,
    name: String,
    driver: String,
    subgroup_lanes: Option<u32>,
    budget: MemoryBudget,
    /// Why the device is gone, once it is.
    lost: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// Opens the best adapter; a software adapter only where `software` allows it. `None`: there is no such adapter.
    pub fn open(software: bool, budget: MemoryBudget) -> Result<Option<Self>, GpuError> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let rank = |a: &wgpu::Adapter| match a.get_info().device_type {
            DeviceType::DiscreteGpu => 0,
            DeviceType::IntegratedGpu => 1,
            DeviceType::VirtualGpu => 2,
            DeviceType::Other => 3,
            DeviceType::Cpu => 4,
        };
        let adapter = adapters.into_iter().filter(|a| software || rank(a) < 4).min_by_key(rank);
        adapter.map(|adapter| Self::with_adapter(&adapter, budget)).transpose()
    }

    /// A device that computes nothing but checks everything that is asked of it: for tests without an adapter.
    #[cfg(test)]
    pub(crate) fn open_noop(budget: MemoryBudget) -> Result<Self, GpuError> {
        let noop = wgpu::NoopBackendOptions {
            features: Some(wgpu::Features::SUBGROUP),
            // What every device offers: the kernels ask for no more.
            limits: Some(wgpu::Limits::default()),
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
        Self::with_adapter(adapters.first().expect("the noop adapter is there"), budget)
    }

    fn with_adapter(adapter: &wgpu::Adapter, budget: MemoryBudget) -> Result<Self, GpuError> {
        let info = adapter.get_info();
        let kind = if info.device_type == DeviceType::Cpu { ", software" } else { "" };
        let name = format!("{} ({}{kind})", info.name, info.backend);
        let driver = format!("{} {}", info.driver, info.driver_info).trim().to_owned();
        let subgroups = adapter.features() & wgpu::Features::SUBGROUP;
        let lanes = (info.subgroup_min_size == info.subgroup_max_size).then_some(info.subgroup_max_size);
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("tertulia"),
            // The clock is for measurements only.
            required_features: subgroups | adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
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
        let subgroup_lanes = lanes.filter(|_| !subgroups.is_empty());
        Ok(Self { device, queue, name, driver, subgroup_lanes, budget, lost })
    }

    /// For people: the adapter and its driver.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The driver with its version.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// How many lanes a subgroup has, where the device has subgroups and all are of one size.
    pub fn subgroup_lanes(&self) -> Option<u32> {
        self.subgroup_lanes
    }

    /// An error once the device is gone: it does not come back.
    pub fn check(&self) -> Result<(), GpuError> {
        match &*self.lost.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(why) => Err(GpuError::Device(why.clone())),
            None => Ok(()),
        }
    }

    /// Reserves and then allocates `bytes`, at least 16 and a multiple of 4.
    pub fn allocate(&self, label: &str, bytes: u64, usage: BufferUsages) -> Result<Block, GpuError> {
        let size = bytes.next_multiple_of(4).max(16);
        let binding = self.device.limits().max_storage_buffer_binding_size.min(limits::BINDING_BYTES_MAX);
        if usage.contains(BufferUsages::STORAGE) && size > binding {
            return Err(GpuError::Device(format!("{label} takes {size} bytes, one binding holds {binding}")));
        }
        let reservation = self.budget.reserve(size)?;
        let buffer = self.scoped(|| {
            let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
            self.device.create_buffer(&descriptor)
        })?;
        Ok(Block { buffer, _reservation: reservation })
    }

    /// A storage buffer with these numbers in it.
    pub fn upload<T: bytemuck::NoUninit>(&self, label: &str, numbers: &[T]) -> Result<Block, GpuError> {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let block = self.allocate(label, size_of_val(numbers) as u64, usage)?;
        self.queue.write_buffer(&block.buffer, 0, bytemuck::cast_slice(numbers));
        // Sends the copy off, so that the staging memory of all weights does not pile up.
        self.queue.submit([]);
        Ok(block)
    }

    /// Runs `work` and turns any error that the device raises meanwhile into ours.
    pub fn scoped<R>(&self, work: impl FnOnce() -> R) -> Result<R, GpuError> {
        self.check()?;
        let memory = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(ErrorFilter::Validation);
        let internal = self.device.push_error_scope(ErrorFilter::Internal);
        let result = work();
        let errors = [internal.pop(), validation.pop(), memory.pop()].map(pollster::block_on);
        match errors.into_iter().flatten().next() {
            Some(e) => Err(GpuError::Device(format!("{}: {e}", self.name))),
            None => Ok(result),
        }
    }

    /// Waits for everything that was submitted.
    pub fn wait(&self) -> Result<(), GpuError> {
        let timeout = Some(Duration::from_secs(limits::DEVICE_WAIT_SECONDS_MAX));
        let waited = self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout });
        self.check()?;
        waited.map(drop).map_err(|e| GpuError::Device(format!("{}: {e}", self.name)))
    }

    /// Reads the first `count` numbers of a mappable buffer after the work before it is done.
    pub fn read_back(&self, staging: &Buffer, count: usize) -> Result<Vec<f32>, GpuError> {
        Ok(self.read_back_words(staging, count)?.into_iter().map(f32::from_bits).collect())
    }

    /// The same for numbers of 32 bits of any kind.
    pub fn read_back_words(&self, staging: &Buffer, count: usize) -> Result<Vec<u32>, GpuError> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let slice = staging.slice(..4 * count as u64);
        slice.map_async(wgpu::MapMode::Read, move |mapped| {
            // The receiver waits below; it is gone only when this call has failed already.
            let _ = sender.send(mapped);
        });
        self.wait()?;
        let device = |e: String| GpuError::Device(format!("{}: {e}", self.name));
        receiver
            .try_recv()
            .map_err(|_| device("the result was not mapped".into()))?
            .map_err(|e| device(e.to_string()))?;
        let numbers = {
            let view = slice.get_mapped_range().map_err(|e| device(e.to_string()))?;
            view.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        staging.unmap();
        Ok(numbers)
    }
}
