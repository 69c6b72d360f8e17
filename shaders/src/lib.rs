//! WGSL kernels, the encoder, heads and their training, with a CPU twin for every kernel.
