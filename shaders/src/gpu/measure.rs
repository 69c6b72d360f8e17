//! `Probe`: one kernel with data to run it on: is it right on this device, and how fast?

use crate::gpu::{
    Attention, Gpu, GpuError, Kernel, Matmul, Precision, Rows, Variant,
    block::Block,
    sample::{numbers, sample_batch},
    stored::Stored,
};
use std::time::{Duration, Instant};
use wgpu::{BindGroup, BufferUsages};

/// One kernel, bound to numbers of a size.
#[derive(Debug)]
pub struct Probe {
    kernel: Kernel,
    group: BindGroup,
    groups: (u32, u32),
    /// What is bound, the result last.
    blocks: Vec<Block>,
    result_len: usize,
}

const STORAGE: BufferUsages = BufferUsages::STORAGE.union(BufferUsages::COPY_DST);

impl Probe {
    /// A product of `[m, k]` and `[k, n]`, with a GELU behind it where `gelu`; run once, for drivers compile then.
    pub fn matmul(
        gpu: &Gpu,
        variant: Matmul,
        precision: Precision,
        (m, k, n): (usize, usize, usize),
        gelu: bool,
    ) -> Result<Self, GpuError> {
        let kernel = Kernel::matmul(gpu, variant, precision, (k, n), gelu)?;
        let stored = Stored::new(precision, &numbers(k * n, 2), &numbers(n, 3));
        let blocks = vec![
            batch_block(gpu, m)?,
            gpu.upload("x", &numbers(m * k, 1))?,
            gpu.upload("w", &stored.weight)?,
            gpu.upload("bias", &stored.bias)?,
        ];
        let groups = kernel.groups(n, m);
        Self::new(gpu, kernel, blocks, groups, m * n)
    }

    /// Attention inside sequences of these lengths.
    pub fn attention(
        gpu: &Gpu,
        variant: Attention,
        h: usize,
        heads: usize,
        lengths: &[usize],
    ) -> Result<Self, GpuError> {
        let kernel = Kernel::attention(gpu, variant, h, heads)?;
        let batch = sample_batch(lengths, 2);
        let t = batch.tokens();
        let mut blocks = vec![
            gpu.upload("qkv", &numbers(t * 3 * h, 5))?,
            gpu.upload("sequence", &batch.sequence)?,
            gpu.upload("offsets", &batch.offsets)?,
        ];
        if variant == Attention::Subgroup {
            blocks.push(batch_block(gpu, t)?);
        }
        let groups = kernel.groups(t, heads);
        Self::new(gpu, kernel, blocks, groups, t * h)
    }

    /// LayerNorm of `t` rows of `h` numbers, of which each run makes another one.
    pub fn add_norm(gpu: &Gpu, rows: Rows, t: usize, h: usize) -> Result<Self, GpuError> {
        let kernel = Kernel::new(gpu, Variant::AddNorm(rows), &[("H", h as f64), ("EPS", 1e-12)])?;
        let blocks = vec![gpu.upload("residual", &numbers(t * h, 6))?, gpu.upload("norm", &numbers(2 * h, 7))?];
        let groups = kernel.groups(t, 1);
        Self::new(gpu, kernel, blocks, groups, t * h)
    }

    fn new(
        gpu: &Gpu,
        kernel: Kernel,
        mut blocks: Vec<Block>,
        groups: (u32, u32),
        result_len: usize,
    ) -> Result<Self, GpuError> {
        blocks.push(gpu.allocate("result", 4 * result_len as u64, STORAGE | BufferUsages::COPY_SRC)?);
        let buffers: Vec<_> = blocks.iter().map(|block| &block.buffer).collect();
        let group = gpu.scoped(|| kernel.bind(gpu, &buffers))?;
        let probe = Self { kernel, group, groups, blocks, result_len };
        probe.run(gpu, 1)?;
        Ok(probe)
    }

    /// How long so many runs take, with one submission and one wait.
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

    /// The least time of one run over some rounds, of about `round` each.
    pub fn least(&self, gpu: &Gpu, rounds: usize, round: Duration) -> Result<Duration, GpuError> {
        let once = self.run(gpu, 1)?;
        let times = (round.as_secs_f64() / once.as_secs_f64().max(1e-6)).clamp(1.0, 100.0) as usize;
        let mut least = once;
        for _ in 0..rounds {
            least = least.min(self.run(gpu, times)? / times as u32);
        }
        Ok(least)
    }

    /// What the last run left.
    pub fn result(&self, gpu: &Gpu) -> Result<Vec<f32>, GpuError> {
        let bytes = 4 * self.result_len as u64;
        let staging = gpu.allocate("staging", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST)?;
        let result = self.blocks.last().expect("the result is bound");
        gpu.scoped(|| {
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(&result.buffer, 0, &staging.buffer, 0, bytes);
            gpu.queue.submit([encoder.finish()]);
        })?;
        gpu.read_back(&staging.buffer, self.result_len)
    }
}

fn batch_block(gpu: &Gpu, tokens: usize) -> Result<Block, GpuError> {
    let block = gpu.allocate("batch", 16, BufferUsages::UNIFORM | BufferUsages::COPY_DST)?;
    gpu.queue.write_buffer(&block.buffer, 0, bytemuck::cast_slice(&[tokens as u32, 0, 0, 0]));
    Ok(block)
}
