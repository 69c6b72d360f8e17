//! `Profile`: where the time of a pass goes, by the device's own clock.

use crate::gpu::{
    Gpu, GpuError,
    forward::{Step, record},
};
use std::time::Duration;
use wgpu::BufferUsages;

/// Time of each kernel in one pass, in the order of their first dispatch.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Name of the kernel, time of all of its dispatches, and how many these were.
    pub kernels: Vec<(&'static str, Duration, usize)>,
}

impl Profile {
    /// Runs the steps, each in a pass of its own, between two readings of the clock.
    pub(crate) fn measure(gpu: &Gpu, steps: &[Step<'_>]) -> Result<Option<Self>, GpuError> {
        if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let count = 2 * steps.len() as u32;
        let bytes = u64::from(count) * 8;
        let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        let readings = gpu.allocate("readings of the clock", bytes, usage)?;
        let staging = gpu.allocate("staging", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST)?;
        gpu.scoped(|| {
            let clock = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            for (i, step) in steps.iter().enumerate() {
                let writes = wgpu::ComputePassTimestampWrites {
                    query_set: &clock,
                    beginning_of_pass_write_index: Some(2 * i as u32),
                    end_of_pass_write_index: Some(2 * i as u32 + 1),
                };
                record(&mut encoder, std::slice::from_ref(step), Some(writes));
            }
            encoder.resolve_query_set(&clock, 0..count, &readings.buffer, 0);
            encoder.copy_buffer_to_buffer(&readings.buffer, 0, &staging.buffer, 0, bytes);
            gpu.queue.submit([encoder.finish()]);
        })?;
        let words = gpu.read_back_words(&staging.buffer, 2 * count as usize)?;
        let ticks: Vec<u64> = words.chunks_exact(2).map(|w| u64::from(w[0]) | u64::from(w[1]) << 32).collect();
        let period = f64::from(gpu.queue.get_timestamp_period());
        let mut kernels: Vec<(&'static str, Duration, usize)> = Vec::new();
        for (step, pair) in steps.iter().zip(ticks.chunks_exact(2)) {
            let time = Duration::from_secs_f64(pair[1].saturating_sub(pair[0]) as f64 * period / 1e9);
            match kernels.iter_mut().find(|(name, _, _)| *name == step.name) {
                Some((_, sum, times)) => (*sum, *times) = (*sum + time, *times + 1),
                None => kernels.push((step.name, time, 1)),
            }
        }
        Ok(Some(Self { kernels }))
    }

    /// Time of all kernels.
    pub fn total(&self) -> Duration {
        self.kernels.iter().map(|(_, time, _)| *time).sum()
    }
}
