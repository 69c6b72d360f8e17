//! `Compute`: where encoders run. One adapter, one set of threads and one ledger of each memory, shared by all of them.

use crate::{
    budget::{MemoryBudget, MemoryUsage},
    cpu::Threads,
    error::ModelError,
    gpu::{DeviceReport, GpuError, GpuHost},
};
use cluster_config::{Device, InferenceOptions};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What is to be known of it, for metrics and status.
#[derive(Debug, Clone, PartialEq)]
pub struct ComputeReport {
    /// The device, where there is one.
    pub device: Option<DeviceReport>,
    /// The ledger of the memory of the CPU path.
    pub host: MemoryUsage,
    /// Passes that the CPU path ran because the device could not.
    pub fallbacks: u64,
}

#[derive(Debug)]
struct Inner {
    options: InferenceOptions,
    threads: Arc<Threads>,
    host: MemoryBudget,
    device: Option<GpuHost>,
    fallbacks: AtomicU64,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Compute(Arc<Inner>);

impl Compute {
    /// Opens the device that the options name, and starts the threads of the CPU path.
    pub fn open(options: &InferenceOptions) -> Result<Self, ModelError> {
        let tunings = crate::model::cache_folder().map(|cache| cache.join("devices"));
        let open = |software| GpuHost::open(software, options.precision, options.device_memory_max, tunings);
        let device = match options.device {
            Device::Cpu => None,
            Device::Gpu => {
                let hint = "no adapter was found, not even a software one (Debian: install mesa-vulkan-drivers)";
                Some(open(true)?.ok_or_else(|| GpuError::Device(hint.into()))?)
            }
            Device::Auto => match open(false) {
                Ok(None) => {
                    tracing::info!("no GPU was found: the CPU path serves");
                    None
                }
                Ok(device) => device,
                // A GPU that does not open must not keep the node from serving.
                Err(error) => {
                    tracing::warn!(%error, "the GPU does not open: the CPU path serves");
                    None
                }
            },
        };
        Ok(Self(Arc::new(Inner {
            threads: Arc::new(Threads::new(options.cpu_threads)?),
            host: MemoryBudget::new(options.host_memory_bytes_max),
            options: options.clone(),
            device,
            fallbacks: AtomicU64::new(0),
        })))
    }

    /// What is to be known of it now.
    pub fn report(&self) -> ComputeReport {
        ComputeReport {
            device: self.device().map(GpuHost::report),
            host: self.0.host.usage(),
            fallbacks: self.0.fallbacks.load(Ordering::Relaxed),
        }
    }

    /// The options that it was opened with.
    pub fn options(&self) -> &InferenceOptions {
        &self.0.options
    }

    /// The device, where there is one.
    pub fn device(&self) -> Option<&GpuHost> {
        self.0.device.as_ref()
    }

    /// The ledger of the memory of the CPU path.
    pub fn host_budget(&self) -> &MemoryBudget {
        &self.0.host
    }

    pub(crate) fn threads(&self) -> &Arc<Threads> {
        &self.0.threads
    }

    pub(crate) fn count_fallback(&self) {
        self.0.fallbacks.fetch_add(1, Ordering::Relaxed);
    }
}
