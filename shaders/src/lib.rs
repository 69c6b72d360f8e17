//! WGSL kernels, the encoder, heads and their training, with a CPU twin for every kernel.

pub mod budget;
pub mod cpu;
mod encoder;
mod error;
mod hidden;
pub mod limits;
pub mod model;
pub mod packed;

pub use budget::{MemoryBudget, OverBudget, Reservation};
pub use encoder::{Encoder, EncoderId};
pub use error::{ModelError, TrainError};
pub use hidden::Hidden;
