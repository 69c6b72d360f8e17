//! The CPU path, and at the same time the twin of every WGSL kernel: the reader learns the maths here.
//!
//! All matrices are row-major. The same kernels run inside [`CpuEncoder`] and in the tests that compare the GPU's.

mod activations;
pub mod attention;
pub mod embed;
mod forward;
pub mod gemm;
pub mod math;
pub mod matmul;
pub mod norm;
mod panels;
pub mod pool;
mod threads;

pub use forward::CpuEncoder;
pub use threads::Threads;
