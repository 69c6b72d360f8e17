//! WGSL kernels, the encoder, heads and their training, with a CPU twin for every kernel.

pub mod budget;
mod compute;
pub mod cpu;
mod encoder;
mod error;
pub mod gpu;
mod heads;
mod hidden;
pub mod limits;
pub mod model;
mod nlu_model;
pub mod packed;
mod readout;
mod train;

pub use budget::{MemoryBudget, MemoryKind, MemoryUsage, OverBudget, Reservation};
pub use compute::{Compute, ComputeReport};
pub use encoder::{Encoder, EncoderId};
pub use error::{ModelError, TrainError};
pub use gpu::DeviceReport;
pub use heads::{Heads, LabelHead, policy_from_bytes, policy_to_bytes};
pub use hidden::Hidden;
pub use nlu_model::NluModel;
pub use train::{Corpus, Fingerprints, Kept, TrainOptions, TrainProgress, train, train_policy, train_rest};
