//! Benches of inference: the encoder, its kernels, and the actor before them.

pub mod agreement;
pub mod bare;
pub mod budget;
pub mod encoder;
pub mod export;
pub mod gpu_actor;
pub mod kernels;
pub mod peer;
pub mod sentences;
pub mod understanding;
