//! `GpuEncoder`: the forward pass of BERT on a GPU.

use crate::{
    gpu::{Gpu, GpuError, Kernel, device::Block},
    hidden::Hidden,
    model::{BertConfig, LayerWeights, Weights},
    packed::PackedBatch,
};
use std::sync::{Mutex, PoisonError};
use wgpu::{BindGroup, BufferUsages};

/// The model on the device. One caller at a time records, submits and waits: the lock owns the device.
#[derive(Debug)]
pub struct GpuEncoder {
    config: BertConfig,
    name: String,
    owner: Mutex<Owner>,
}

#[derive(Debug)]
struct Owner {
    gpu: Gpu,
    kernels: Kernels,
    words: Block,
    positions: Block,
    embedding_norm: Block,
    layers: Vec<Layer>,
    activations: Option<Activations>,
}

#[derive(Debug)]
struct Kernels {
    embed: Kernel,
    qkv: Kernel,
    attention: Kernel,
    out: Kernel,
    add_norm: Kernel,
    up: Kernel,
    down: Kernel,
    pool: Kernel,
}

#[derive(Debug)]
struct Layer {
    qkv: Block,
    qkv_bias: Block,
    out: Block,
    out_bias: Block,
    attention_norm: Block,
    up: Block,
    up_bias: Block,
    down: Block,
    down_bias: Block,
    output_norm: Block,
}

/// Buffers for batches up to a size, kept from batch to batch, with everything bound to them.
#[derive(Debug)]
struct Activations {
    tokens_max: usize,
    sequences_max: usize,
    batch: Block,
    ids: Block,
    places: Block,
    sequence: Block,
    offsets: Block,
    x: Block,
    _between: [Block; 4],
    embeddings: Block,
    staging: Block,
    embed: BindGroup,
    /// qkv, attention, out, norm, up, down, norm of each layer.
    layers: Vec<[BindGroup; 7]>,
    pool: BindGroup,
}

impl GpuEncoder {
    /// Puts the weights on the device, compiles the kernels and runs them once.
    pub fn new(config: BertConfig, weights: &Weights, gpu: Gpu) -> Result<Self, GpuError> {
        let norm =
            |label: &str, (scale, shift): &(Vec<f32>, Vec<f32>)| gpu.upload(label, &[&scale[..], shift].concat());
        let layer = |w: &LayerWeights| {
            Ok(Layer {
                qkv: gpu.upload("qkv", &w.qkv)?,
                qkv_bias: gpu.upload("qkv bias", &w.qkv_bias)?,
                out: gpu.upload("out", &w.out)?,
                out_bias: gpu.upload("out bias", &w.out_bias)?,
                attention_norm: norm("attention norm", &w.attention_norm)?,
                up: gpu.upload("up", &w.up)?,
                up_bias: gpu.upload("up bias", &w.up_bias)?,
                down: gpu.upload("down", &w.down)?,
                down_bias: gpu.upload("down bias", &w.down_bias)?,
                output_norm: norm("output norm", &w.output_norm)?,
            })
        };
        let owner = Owner {
            kernels: Kernels::new(&gpu, &config)?,
            words: gpu.upload("word vectors", &weights.words)?,
            positions: gpu.upload("position vectors", &weights.positions)?,
            embedding_norm: norm("embedding norm", &weights.embedding_norm)?,
            layers: weights.layers.iter().map(layer).collect::<Result<_, GpuError>>()?,
            activations: None,
            gpu,
        };
        let name = owner.gpu.name().to_owned();
        let encoder = Self { config, name, owner: Mutex::new(owner) };
        // Drivers compile at the first dispatch: better now than under the first user's turn.
        let warm_up = PackedBatch { ids: vec![0, 0], positions: vec![0, 1], sequence: vec![0, 0], offsets: vec![0, 2] };
        let hidden = encoder.forward(&warm_up)?;
        if hidden.embeddings.iter().all(|x| x.is_finite()) {
            return Ok(encoder);
        }
        Err(GpuError::Device(format!("{}: the kernels compute numbers that are not finite", encoder.name)))
    }

    /// For people: the adapter.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs one packed batch: one submission, one wait.
    pub fn forward(&self, batch: &PackedBatch) -> Result<Hidden, GpuError> {
        let mut owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        owner.gpu.check()?;
        owner.make_room(&self.config, batch.tokens(), batch.sequences())?;
        let numbers = owner.gpu.scoped(|| owner.submit(&self.config, batch))?;
        let room = owner.activations.as_ref().expect("make_room left some");
        let mut tokens = owner.gpu.read_back(&room.staging.buffer, numbers)?;
        let h = self.config.hidden_size;
        let embeddings = tokens.split_off(batch.tokens() * h);
        let offsets = batch.offsets.iter().map(|o| *o as usize).collect();
        Ok(Hidden { hidden_size: h, tokens, offsets, embeddings })
    }
}

impl Kernels {
    fn new(gpu: &Gpu, config: &BertConfig) -> Result<Self, GpuError> {
        let (width, f) = (config.hidden_size, config.intermediate_size);
        let h = width as f64;
        let eps = f64::from(config.layer_norm_eps);
        Ok(Self {
            embed: Kernel::new(gpu, "embed_layernorm", &[("H", h), ("EPS", eps)])?,
            qkv: Kernel::matmul(gpu, width, 3 * width, false)?,
            attention: Kernel::new(gpu, "attention", &[("H", h), ("HEADS", config.num_attention_heads as f64)])?,
            out: Kernel::matmul(gpu, width, width, false)?,
            add_norm: Kernel::new(gpu, "add_layernorm", &[("H", h), ("EPS", eps)])?,
            up: Kernel::matmul(gpu, width, f, true)?,
            down: Kernel::matmul(gpu, f, width, false)?,
            pool: Kernel::new(gpu, "pool_l2", &[("H", h)])?,
        })
    }
}

impl Owner {
    /// Sees to it that the activations hold the batch; the old ones go first, so that both never stand side by side.
    fn make_room(&mut self, config: &BertConfig, tokens: usize, sequences: usize) -> Result<(), GpuError> {
        let fits = |a: &Activations| a.tokens_max >= tokens && a.sequences_max >= sequences;
        if self.activations.as_ref().is_some_and(fits) {
            return Ok(());
        }
        let old = self.activations.take().map_or((0, 0), |a| (a.tokens_max, a.sequences_max));
        let (tokens, sequences) = (tokens.max(old.0), sequences.max(old.1));
        self.activations = Some(self.activations(config, tokens, sequences)?);
        Ok(())
    }

    fn activations(&self, config: &BertConfig, t: usize, s: usize) -> Result<Activations, GpuError> {
        let (h, f) = (config.hidden_size, config.intermediate_size);
        let gpu = &self.gpu;
        let storage = |label, count: usize, more| gpu.allocate(label, 4 * count as u64, BufferUsages::STORAGE | more);
        let (input, output, inner) = (BufferUsages::COPY_DST, BufferUsages::COPY_SRC, BufferUsages::empty());
        let batch = gpu.allocate("batch", 16, BufferUsages::UNIFORM | input)?;
        let ids = storage("token ids", t, input)?;
        let places = storage("positions", t, input)?;
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
        let k = &self.kernels;
        let bind = |kernel: &Kernel, blocks: &[&Block]| {
            kernel.bind(gpu, &blocks.iter().map(|b| &b.buffer).collect::<Vec<_>>())
        };
        let (embed, layers, pool) = gpu.scoped(|| {
            let bind_layer = |l: &Layer| {
                [
                    bind(&k.qkv, &[&batch, &x, &l.qkv, &l.qkv_bias, &qkv]),
                    bind(&k.attention, &[&qkv, &sequence, &offsets, &context]),
                    bind(&k.out, &[&batch, &context, &l.out, &l.out_bias, &sum]),
                    bind(&k.add_norm, &[&sum, &l.attention_norm, &x]),
                    bind(&k.up, &[&batch, &x, &l.up, &l.up_bias, &wide]),
                    bind(&k.down, &[&batch, &wide, &l.down, &l.down_bias, &sum]),
                    bind(&k.add_norm, &[&sum, &l.output_norm, &x]),
                ]
            };
            (
                bind(&k.embed, &[&ids, &places, &self.words, &self.positions, &self.embedding_norm, &x]),
                self.layers.iter().map(bind_layer).collect(),
                bind(&k.pool, &[&x, &offsets, &embeddings]),
            )
        })?;
        let _between = [qkv, context, sum, wide];
        let (tokens_max, sequences_max) = (t, s);
        Ok(Activations {
            tokens_max,
            sequences_max,
            batch,
            ids,
            places,
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

    /// Records and submits the whole pass with the copy of its results; answers how many numbers were copied.
    fn submit(&self, config: &BertConfig, batch: &PackedBatch) -> usize {
        let (h, f) = (config.hidden_size as u32, config.intermediate_size as u32);
        let (t, s) = (batch.tokens() as u32, batch.sequences() as u32);
        let a = self.activations.as_ref().expect("make_room left some");
        let put = |block: &Block, data: &[u32]| {
            self.gpu.queue.write_buffer(&block.buffer, 0, bytemuck::cast_slice(data));
        };
        put(&a.batch, &[t, s, 0, 0]);
        put(&a.ids, &batch.ids);
        put(&a.places, &batch.positions);
        put(&a.sequence, &batch.sequence);
        put(&a.offsets, &batch.offsets);
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let mut run = |kernel: &Kernel, group: &BindGroup, x: u32, y: u32| {
                pass.set_pipeline(kernel.pipeline());
                pass.set_bind_group(0, group, &[]);
                pass.dispatch_workgroups(x, y, 1);
            };
            // A workgroup of a matmul makes 32 rows and 32 columns.
            let (rows, columns) = (t.div_ceil(32), |n: u32| n.div_ceil(32));
            let k = &self.kernels;
            run(&k.embed, &a.embed, t, 1);
            for [qkv, attention, out, norm, up, down, last_norm] in &a.layers {
                run(&k.qkv, qkv, columns(3 * h), rows);
                run(&k.attention, attention, t, config.num_attention_heads as u32);
                run(&k.out, out, columns(h), rows);
                run(&k.add_norm, norm, t, 1);
                run(&k.up, up, columns(f), rows);
                run(&k.down, down, columns(h), rows);
                run(&k.add_norm, last_norm, t, 1);
            }
            run(&k.pool, &a.pool, s, 1);
        }
        let (states, embeddings) = (u64::from(4 * t * h), u64::from(4 * s * h));
        encoder.copy_buffer_to_buffer(&a.x.buffer, 0, &a.staging.buffer, 0, states);
        encoder.copy_buffer_to_buffer(&a.embeddings.buffer, 0, &a.staging.buffer, states, embeddings);
        self.gpu.queue.submit([encoder.finish()]);
        ((t + s) * h) as usize
    }
}
