//! Session actors, the router that finds them, the GPU actor that feeds the encoder, and the admission before every
//! mailbox.
//!
//! An actor here is a cache: it may be killed at any moment, since the truth is the journal's. ractor's mailboxes are
//! unbounded, so every message that costs something carries a permit that was counted before it was sent.

mod admission;
mod gpu;
mod router;
mod session;
mod session_wake;
mod sessions;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timers;
mod turn;

pub use admission::{Admission, Permit};
pub use gpu::{Class, GpuHandle, InferError, ModelHandle};
pub use router::{Peers, Router};
pub use sessions::{Brain, Sessions};
pub use timers::Timers;
pub use turn::{ServedBy, TurnError, TurnReply, TurnRequest};
