//! The GPU path: WGSL kernels on wgpu, one submission and one wait a batch.

mod block;
mod candidates;
mod device;
mod forward;
mod heads;
mod host;
mod kernels;
mod measure;
#[cfg(test)]
mod noop;
mod precision;
mod profile;
mod residents;
mod room;
pub mod sample;
mod source;
mod stored;
mod tuning;
#[cfg(test)]
mod twins;
mod variant;
mod weights;

pub use device::{Gpu, GpuError};
pub use forward::{GpuModel, Kernels};
pub use host::{DeviceReport, GpuHost, Reconciled};
pub use kernels::Kernel;
pub use measure::Probe;
pub use precision::Precision;
pub use profile::Profile;
pub use residents::Seat;
pub use source::source;
pub use tuning::{Tuning, TuningKey};
pub use variant::{Abilities, Attention, Blocks, Matmul, Rows, Variant};
