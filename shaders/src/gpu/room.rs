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
    readout::Widths,
};
use std::time::Duration;
use wgpu::{BindGroup, BufferUsages, CommandEncoder, QuerySet};

/// A batch's room grows in steps of so many tokens and sequences.
const TOKENS_STEP: usize = 64;
const SEQUENCES_STEP: usize = 8;

/// How large a batch is, or may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// T.
    pub tokens: usize,
    /// S.
    pub sequences: usize,
    /// Numbers of each row that comes back.
    pub widths: Widths,
    /// Numbers of each row that heads make.
    pub scores: Widths,
}

impl Size {
    /// The size of a batch with heads of such widths or, without any, of one whose states come back, `h` numbers wide.
    pub fn of(batch: &PackedBatch, h: usize, heads: Option<Widths>) -> Self {
        let scores = heads.unwrap_or_default();
        let widths = heads.unwrap_or(Widths { sentence: h, token: h });
        Self { tokens: batch.tokens(), sequences: batch.sequences(), widths, scores }
    }

    /// Does a batch of the `other` size fit?
    pub fn holds(self, other: Self) -> bool {
        self.max(other) == self
    }

    /// The larger of both in everything, in whole steps.
    pub fn grown(self, old: Self) -> Self {
        let most = self.max(old);
        let (tokens, sequences) = (most.tokens.next_multiple_of(TOKENS_STEP), most.sequences);
        Self { tokens, sequences: sequences.next_multiple_of(SEQUENCES_STEP), ..most }
    }

    fn max(self, other: Self) -> Self {
        let wider = |a: Widths, b: Widths| Widths { sentence: a.sentence.max(b.sentence), token: a.token.max(b.token) };
        Self {
            tokens: self.tokens.max(other.tokens),
            sequences: self.sequences.max(other.sequences),
            widths: wider(self.widths, other.widths),
            scores: wider(self.scores, other.scores),
        }
    }
}

/// Room for batches up to a size.
#[derive(Debug)]
pub struct Room {
    size: Size,
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
    /// `[T, token width]`: what heads say of tokens.
    pub token_scores: Block,
    /// `[S, sentence width]`: what they say of sentences.
    pub sentence_scores: Block,
    /// States and embeddings, or scores, and readings of the clock, to be read by the processor.
    pub staging: Block,
    pub embed: BindGroup,
    /// qkv, attention, out, norm, up, down, norm of each layer.
    pub layers: Vec<[BindGroup; 7]>,
    pub pool: BindGroup,
    /// Where the device tells the time.
    pub clock: Option<Clock>,
}

impl Room {
    /// Allocates it for batches up to a size.
    pub fn new(
        gpu: &Gpu,
        budget: &MemoryBudget,
        config: &BertConfig,
        kernels: &Kernels,
        weights: &DeviceWeights,
        size: Size,
    ) -> Result<Self, GpuError> {
        let Size { tokens: t, sequences: s, widths, scores } = size;
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
        let token_scores = storage("scores of tokens", t * scores.token, output)?;
        let sentence_scores = storage("scores of sentences", s * scores.sentence, output)?;
        let staged = Purse { kind: MemoryKind::Staging, ..purse };
        let upload_bytes = 4 * (4 + 3 * t + s + 1) as u64;
        let writable = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
        let upload = gpu.allocate_for(staged, "input", upload_bytes, writable)?;
        let readable = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let numbers = t * widths.token + s * widths.sentence;
        let staging = gpu.allocate_for(staged, "result", 4 * numbers as u64 + CLOCK_BYTES, readable)?;
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
        Ok(Self {
            size,
            batch,
            tokens,
            sequence,
            offsets,
            upload,
            x,
            _between,
            embeddings,
            token_scores,
            sentence_scores,
            staging,
            embed,
            layers,
            pool,
            clock,
        })
    }

    /// The largest batch that fits.
    pub fn size(&self) -> Size {
        self.size
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
