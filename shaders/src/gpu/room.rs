//! `Room`: the buffers between kernels, kept from batch to batch, with everything bound to them.

use crate::{
    gpu::{
        Gpu, GpuError, Kernel,
        device::Block,
        forward::Kernels,
        weights::{DeviceWeights, Layer, Linear},
    },
    model::BertConfig,
    packed::PackedBatch,
};
use wgpu::{BindGroup, BufferUsages};

/// Room for batches up to a size.
#[derive(Debug)]
pub struct Room {
    tokens_max: usize,
    sequences_max: usize,
    batch: Block,
    tokens: Block,
    sequence: Block,
    offsets: Block,
    /// `[T, H]`: the states.
    pub x: Block,
    _between: [Block; 4],
    /// `[S, H]`.
    pub embeddings: Block,
    /// States, then embeddings, to be read by the processor.
    pub staging: Block,
    pub embed: BindGroup,
    /// qkv, attention, out, norm, up, down, norm of each layer.
    pub layers: Vec<[BindGroup; 7]>,
    pub pool: BindGroup,
}

impl Room {
    /// Allocates it for so many tokens and sequences.
    pub fn new(
        gpu: &Gpu,
        config: &BertConfig,
        kernels: &Kernels,
        weights: &DeviceWeights,
        (t, s): (usize, usize),
    ) -> Result<Self, GpuError> {
        let (h, f) = (config.hidden_size, config.intermediate_size);
        let storage = |label, count: usize, more| gpu.allocate(label, 4 * count as u64, BufferUsages::STORAGE | more);
        let (input, output, inner) = (BufferUsages::COPY_DST, BufferUsages::COPY_SRC, BufferUsages::empty());
        let batch = gpu.allocate("batch", 16, BufferUsages::UNIFORM | input)?;
        let tokens = storage("ids and positions of tokens", 2 * t, input)?;
        let sequence = storage("sequence of tokens", t, input)?;
        let offsets = storage("offsets", s + 1, input)?;
        let x = storage("states", t * h, output)?;
        let qkv = storage("queries, keys, values", t * 3 * h, inner)?;
        let context = storage("context", t * h, inner)?;
        let sum = storage("sums", t * h, inner)?;
        let wide = storage("feed-forward", t * f, inner)?;
        let embeddings = storage("embeddings", s * h, output)?;
        let mappable = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let staging = gpu.allocate("staging", 4 * ((t + s) * h) as u64, mappable)?;
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
            x,
            _between,
            embeddings,
            staging,
            embed,
            layers,
            pool,
        })
    }

    /// Most tokens and sequences.
    pub fn size(&self) -> (usize, usize) {
        (self.tokens_max, self.sequences_max)
    }

    /// Writes what the kernels are told of a batch.
    pub fn put(&self, gpu: &Gpu, batch: &PackedBatch) {
        let put = |block: &Block, data: &[u32]| gpu.queue.write_buffer(&block.buffer, 0, bytemuck::cast_slice(data));
        put(&self.batch, &[batch.tokens() as u32, batch.sequences() as u32, 0, 0]);
        put(&self.tokens, &batch.ids.iter().zip(&batch.positions).flat_map(|(i, p)| [*i, *p]).collect::<Vec<_>>());
        put(&self.sequence, &batch.sequence);
        put(&self.offsets, &batch.offsets);
    }
}
