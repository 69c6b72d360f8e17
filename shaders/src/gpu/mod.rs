//! The GPU path: WGSL kernels on wgpu, one submission and one wait a batch.

mod device;
mod forward;
mod kernels;
mod measure;
#[cfg(test)]
mod twins;

pub use device::{Gpu, GpuError};
pub use forward::GpuEncoder;
pub use kernels::{KERNELS, Kernel};
pub use measure::MatmulProbe;
