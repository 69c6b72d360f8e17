//! `Room`: the buffers between kernels, kept from batch to batch, with everything bound to them.

use crate::{
    budget::{MemoryBudget, MemoryKind},
    gpu::{
        Gpu, GpuError, Kernel,
        block::{Block, Purse},
        forward::Kernels,
        weights::{DeviceWeights, Layer, Linear},
    },
    model::BertConfig,
    packed::PackedBatch,
};
use std::time::Duration;
use wgpu::{BindGroup, BufferUsages, CommandEncoder, QuerySet};

/// Room for batches up to a size.
#[derive(Debug)]
pub struct Room {
    tokens_max: usize,
    sequences_max: usize,
    batch: Block,
    tokens: Block,
    sequence: Block,
    offsets: Block,
    /// What the kernels are told of a batch, on its way.
    upload: Block,
    /// `[T, H]`: the states.
    pub x: Block,
    _between: [Block; 4],
    /// `[S, H]`.
    pub embeddings: Block,
    /// States, embeddings and readings of the clock, to be read by the processor.
    pub staging: Block,
    pub embed: BindGroup,
    /// qkv, attention, out, norm, up, down, norm of each layer.
    pub layers: Vec<[BindGroup; 7]>,
    pub pool: BindGroup,
    /// Where the device tells the time.
    pub clock: Option<Clock>,
}

impl Room {
    /// Allocates it for so many tokens and sequences.
    pub fn new(
        gpu: &Gpu,
        budget: &MemoryBudget,
        config: &BertConfig,
        kernels: &Kernels,
        weights: &DeviceWeights,
        (t, s): (usize, usize),
    ) -> Result<Self, GpuError> {
        let (h, f) = (config.hidden_size, config.intermediate_size);
        let purse = Purse { budget, kind: MemoryKind::Activations };
        let storage =
            |label, count: usize, more| gpu.allocate_for(purse, label, 4 * count as u64, BufferUsages::STORAGE | more);
        let (input, output, inner) = (BufferUsages::COPY_DST, BufferUsages::COPY_SRC, BufferUsages::empty());
        let batch = gpu.allocate_for(purse, "batch", 16, BufferUsages::UNIFORM | input)?;
        let tokens = storage("ids and positions of tokens", 2 * t, input)?;
        let sequence = storage("sequence of tokens", t, input)?;
        let offsets = storage("offsets", s + 1, input)?;
        let x = storage("states", t * h, output)?;
        let qkv = storage("queries, keys, values", t * 3 * h, inner)?;
        let context = storage("context", t * h, inner)?;
        let sum = storage("sums", t * h, inner)?;
        let wide = storage("feed-forward", t * f, inner)?;
        let embeddings = storage("embeddings", s * h, output)?;
        let staged = Purse { kind: MemoryKind::Staging, ..purse };
        let upload_bytes = 4 * (4 + 3 * t + s + 1) as u64;
        let writable = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
        let upload = gpu.allocate_for(staged, "input", upload_bytes, writable)?;
        let readable = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let staging = gpu.allocate_for(staged, "result", 4 * ((t + s) * h) as u64 + CLOCK_BYTES, readable)?;
        let clock = Clock::new(gpu, purse)?;
        let k = kernels;
        let bind = |kernel: &Kernel, blocks: &[&Block]| {
            kernel.bind(gpu, &blocks.iter().map(|b| &b.buffer).collect::<Vec<_>>())
        };
        let linear = |kernel: &Kernel, from: &Block, l: &Linear, to: &Block| {
            bind(kernel, &[&batch, from, &l.weight, &l.bias, to])
        };
        let (embed, layers, pool) = gpu.scoped(|| {
            let attention = k.attention_bindings(&qkv, &sequence, &offsets, &batch, &context);
            let layer = |l: &Layer| {
                [
                    linear(&k.qkv, &x, &l.qkv, &qkv),
                    bind(&k.attention, &attention),
                    linear(&k.out, &context, &l.out, &sum),
                    bind(&k.add_norm, &[&sum, &l.attention_norm, &x]),
                    linear(&k.up, &x, &l.up, &wide),
                    linear(&k.down, &wide, &l.down, &sum),
                    bind(&k.add_norm, &[&sum, &l.output_norm, &x]),
                ]
            };
            let [a, b, c, d] = weights.words.bindings();
            (
                bind(&k.embed, &[&tokens, a, b, c, d, &weights.positions, &weights.norm, &x]),
                weights.layers.iter().map(layer).collect(),
                bind(&k.pool, &[&x, &offsets, &embeddings]),
            )
        })?;
        let _between = [qkv, context, sum, wide];
        let (tokens_max, sequences_max) = (t, s);
        Ok(Self {
            tokens_max,
            sequences_max,
            batch,
            tokens,
            sequence,
            offsets,
            upload,
            x,
            _between,
            embeddings,
            staging,
            embed,
            layers,
            pool,
            clock,
        })
    }

    /// Most tokens and sequences.
    pub fn size(&self) -> (usize, usize) {
        (self.tokens_max, self.sequences_max)
    }

    /// Writes what the kernels are told of a batch, and records the copies to where they read it.
    pub fn put(&self, gpu: &Gpu, batch: &PackedBatch, encoder: &mut CommandEncoder) -> Result<(), GpuError> {
        let head = [batch.tokens() as u32, batch.sequences() as u32, 0, 0];
        let tokens: Vec<u32> = batch.ids.iter().zip(&batch.positions).flat_map(|(i, p)| [*i, *p]).collect();
        let parts: [(&Block, &[u32]); 4] = [
            (&self.batch, &head),
            (&self.tokens, &tokens),
            (&self.sequence, &batch.sequence),
            (&self.offsets, &batch.offsets),
        ];
        gpu.fill(&self.upload.buffer, bytemuck::cast_slice(&parts.map(|(_, words)| words).concat()))?;
        let mut at = 0;
        for (block, words) in parts {
            let bytes = size_of_val(words) as u64;
            encoder.copy_buffer_to_buffer(&self.upload.buffer, at, &block.buffer, 0, bytes);
            at += bytes;
        }
        Ok(())
    }
}

/// Bytes of two readings of the device's clock.
pub const CLOCK_BYTES: u64 = 16;

/// Two readings of the device's clock: at the beginning and at the end of a pass.
#[derive(Debug)]
pub struct Clock {
    /// Where the device writes them.
    pub set: QuerySet,
    /// Where they can be copied from.
    pub readings: Block,
}

impl Clock {
    fn new(gpu: &Gpu, purse: Purse<'_>) -> Result<Option<Self>, GpuError> {
        if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        let readings = gpu.allocate_for(purse, "readings of the clock", CLOCK_BYTES, usage)?;
        let descriptor = wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count: 2 };
        let set = gpu.scoped(|| gpu.device.create_query_set(&descriptor))?;
        Ok(Some(Self { set, readings }))
    }

    /// What two readings say, each as its low and its high word.
    pub fn elapsed(gpu: &Gpu, words: &[u32]) -> Duration {
        let reading = |i: usize| u64::from(words[2 * i]) | u64::from(words[2 * i + 1]) << 32;
        let ticks = reading(1).saturating_sub(reading(0));
        Duration::from_nanos((ticks as f64 * f64::from(gpu.queue.get_timestamp_period())) as u64)
    }
}
