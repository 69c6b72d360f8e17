//! How fast a matrix product of the family is on a device.

use crate::gpu::{Gpu, GpuError, Kernel, device::Block};
use std::time::{Duration, Instant};
use wgpu::{BindGroup, BufferUsages};

/// One kernel of the matrix product with matrices of a size to run it on.
#[derive(Debug)]
pub struct MatmulProbe {
    kernel: Kernel,
    group: BindGroup,
    groups: (u32, u32),
    _blocks: [Block; 5],
}

impl MatmulProbe {
    /// Kernel `name` for a product of `[m, k]` and `[k, n]`, compiled and run once.
    pub fn new(gpu: &Gpu, name: &str, (m, k, n): (u32, u32, u32)) -> Result<Self, GpuError> {
        let kernel = Kernel::new(gpu, name, &[("K", f64::from(k)), ("N", f64::from(n)), ("GELU", 0.0)])?;
        let filled = |label, count: u32| gpu.upload(label, &vec![0.25; count as usize]);
        let blocks = [
            gpu.allocate("batch", 16, BufferUsages::UNIFORM | BufferUsages::COPY_DST)?,
            filled("x", m * k)?,
            filled("w", k * n)?,
            filled("bias", n)?,
            gpu.allocate("y", 4 * u64::from(m * n), BufferUsages::STORAGE)?,
        ];
        gpu.queue.write_buffer(&blocks[0].buffer, 0, bytemuck::cast_slice(&[m, 0, 0, 0]));
        let group = gpu.scoped(|| kernel.bind(gpu, &blocks.each_ref().map(|block| &block.buffer)))?;
        let probe = Self { kernel, group, groups: (n.div_ceil(32), m.div_ceil(32)), _blocks: blocks };
        // Drivers compile at the first dispatch.
        probe.run(gpu, 1)?;
        Ok(probe)
    }

    /// How long so many products take, with one submission and one wait.
    pub fn run(&self, gpu: &Gpu, times: usize) -> Result<Duration, GpuError> {
        let begun = Instant::now();
        gpu.scoped(|| {
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                pass.set_pipeline(self.kernel.pipeline());
                pass.set_bind_group(0, &self.group, &[]);
                (0..times).for_each(|_| pass.dispatch_workgroups(self.groups.0, self.groups.1, 1));
            }
            gpu.queue.submit([encoder.finish()]);
        })?;
        gpu.wait()?;
        Ok(begun.elapsed())
    }
}
