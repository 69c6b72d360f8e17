//! The GPU actor: a bounded queue in front of the one thread that owns the device, shared by several models.
//!
//! Batches form while the device is busy: a free device takes what is there at once, so that a lone request never waits
//! for company. What may wait is counted before a message is sent ([`gate`]); what goes next is decided without a clock or a
//! channel ([`queue`]); how long it takes, and how long it takes to bring a model to the device, is learned ([`pace`], [`loads`]).
//! What was understood before is not asked again ([`cache`]).

mod actor;
mod cache;
mod device;
mod gate;
mod handle;
mod loads;
mod model;
mod pace;
mod queue;
#[cfg(test)]
mod tests;

pub use handle::{GpuHandle, InferError, ModelHandle};
pub use queue::Class;
