//! `GpuEncoder`: the forward pass of BERT on a GPU.

use crate::{
    gpu::{
        Attention, Gpu, GpuError, Kernel, Precision, Profile, Tuning, Variant, device::Block, room::Room,
        weights::DeviceWeights,
    },
    hidden::Hidden,
    model::{BertConfig, Weights},
    packed::PackedBatch,
};
use std::sync::{Mutex, PoisonError};
use wgpu::{BindGroup, CommandEncoder};

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
    weights: DeviceWeights,
    room: Option<Room>,
}

/// The kernels of a pass.
#[derive(Debug)]
pub struct Kernels {
    tuning: Tuning,
    pub embed: Kernel,
    pub qkv: Kernel,
    pub attention: Kernel,
    pub out: Kernel,
    pub add_norm: Kernel,
    pub up: Kernel,
    pub down: Kernel,
    pub pool: Kernel,
}

/// One dispatch of a pass.
#[derive(Debug)]
pub struct Step<'a> {
    /// For people: the kernel's part in the model.
    pub name: &'static str,
    pub kernel: &'a Kernel,
    pub group: &'a BindGroup,
    pub groups: (u32, u32),
}

impl GpuEncoder {
    /// Puts the weights on the device as they are, compiles the kernels and runs them once.
    pub fn new(config: BertConfig, weights: &Weights, gpu: Gpu) -> Result<Self, GpuError> {
        Self::with_precision(config, weights, gpu, Precision::F32)
    }

    /// The same with weights stored in `precision`, and the kernels that are the fastest on this device.
    pub fn with_precision(
        config: BertConfig,
        weights: &Weights,
        gpu: Gpu,
        precision: Precision,
    ) -> Result<Self, GpuError> {
        let tuning = Tuning::measure(&gpu, &config, precision)?;
        Self::with_tuning(config, weights, gpu, precision, tuning)
    }

    /// The same with the kernels of `tuning`.
    pub fn with_tuning(
        config: BertConfig,
        weights: &Weights,
        gpu: Gpu,
        precision: Precision,
        tuning: Tuning,
    ) -> Result<Self, GpuError> {
        let weights = DeviceWeights::new(&gpu, &config, weights, precision)?;
        let kernels = Kernels::new(&gpu, &config, precision, tuning, weights.words.rows)?;
        let owner = Owner { kernels, weights, room: None, gpu };
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
        let room = owner.room.as_ref().expect("make_room left some");
        let mut tokens = owner.gpu.read_back(&room.staging.buffer, numbers)?;
        let h = self.config.hidden_size;
        let embeddings = tokens.split_off(batch.tokens() * h);
        let offsets = batch.offsets.iter().map(|o| *o as usize).collect();
        Ok(Hidden { hidden_size: h, tokens, offsets, embeddings })
    }

    /// Where the time of a pass goes; `None` on a device that does not tell the time.
    pub fn profile(&self, batch: &PackedBatch) -> Result<Option<Profile>, GpuError> {
        let mut owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        owner.make_room(&self.config, batch.tokens(), batch.sequences())?;
        let room = owner.room.as_ref().expect("make_room left some");
        room.put(&owner.gpu, batch);
        let size = (batch.tokens(), batch.sequences());
        Profile::measure(&owner.gpu, &owner.kernels.steps(&self.config, room, size))
    }

    /// The kernels that it runs.
    pub fn tuning(&self) -> Tuning {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner).kernels.tuning.clone()
    }
}

impl Kernels {
    fn new(
        gpu: &Gpu,
        config: &BertConfig,
        precision: Precision,
        tuning: Tuning,
        words_of_a_part: usize,
    ) -> Result<Self, GpuError> {
        let (h, f) = (config.hidden_size, config.intermediate_size);
        let rows = tuning.rows;
        let norm = [("H", h as f64), ("EPS", f64::from(config.layer_norm_eps))];
        let embed = [norm[0], norm[1], ("PART_ROWS", words_of_a_part as f64)];
        let matmul = |shape, gelu| Kernel::matmul(gpu, tuning.matmul_for(gpu, shape), precision, shape, gelu);
        Ok(Self {
            embed: Kernel::new(gpu, Variant::Embed(rows, precision), &embed)?,
            qkv: matmul((h, 3 * h), false)?,
            attention: Kernel::attention(gpu, tuning.attention, h, config.num_attention_heads)?,
            out: matmul((h, h), false)?,
            add_norm: Kernel::new(gpu, Variant::AddNorm(rows), &norm)?,
            up: matmul((h, f), true)?,
            down: matmul((f, h), false)?,
            pool: Kernel::new(gpu, Variant::Pool(rows), &[("H", h as f64)])?,
            tuning,
        })
    }

    /// What attention's bindings are given, in order.
    pub fn attention_bindings<'a>(
        &self,
        qkv: &'a Block,
        sequence: &'a Block,
        offsets: &'a Block,
        batch: &'a Block,
        context: &'a Block,
    ) -> Vec<&'a Block> {
        match self.tuning.attention {
            Attention::Workgroup => vec![qkv, sequence, offsets, context],
            Attention::Subgroup => vec![qkv, sequence, offsets, batch, context],
        }
    }

    /// The dispatches of a pass over so many tokens and sequences.
    fn steps<'a>(&'a self, config: &BertConfig, room: &'a Room, (t, s): (usize, usize)) -> Vec<Step<'a>> {
        let (h, f) = (config.hidden_size, config.intermediate_size);
        let step = |name, kernel: &'a Kernel, group: &'a BindGroup, x, y| {
            let groups = kernel.groups(x, y);
            Step { name, kernel, group, groups }
        };
        let mut steps = vec![step("embed", &self.embed, &room.embed, t, 1)];
        for [qkv, attention, out, norm, up, down, last_norm] in &room.layers {
            steps.extend([
                step("qkv", &self.qkv, qkv, 3 * h, t),
                step("attention", &self.attention, attention, t, config.num_attention_heads),
                step("out", &self.out, out, h, t),
                step("norm", &self.add_norm, norm, t, 1),
                step("up", &self.up, up, f, t),
                step("down", &self.down, down, h, t),
                step("norm", &self.add_norm, last_norm, t, 1),
            ]);
        }
        steps.push(step("pool", &self.pool, &room.pool, s, 1));
        steps
    }
}

impl Owner {
    /// Sees to it that there is room for the batch; the old one goes first, so that both never stand side by side.
    fn make_room(&mut self, config: &BertConfig, tokens: usize, sequences: usize) -> Result<(), GpuError> {
        let fits = |(t, s): (usize, usize)| t >= tokens && s >= sequences;
        if self.room.as_ref().is_some_and(|room| fits(room.size())) {
            return Ok(());
        }
        let old = self.room.take().map_or((0, 0), |room| room.size());
        let size = (tokens.max(old.0), sequences.max(old.1));
        self.room = Some(Room::new(&self.gpu, config, &self.kernels, &self.weights, size)?);
        Ok(())
    }

    /// Records and submits the whole pass with the copy of its results; answers how many numbers were copied.
    fn submit(&self, config: &BertConfig, batch: &PackedBatch) -> usize {
        let h = config.hidden_size as u64;
        let (t, s) = (batch.tokens(), batch.sequences());
        let room = self.room.as_ref().expect("make_room left some");
        room.put(&self.gpu, batch);
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut encoder, &self.kernels.steps(config, room, (t, s)), None);
        let (states, embeddings) = (4 * t as u64 * h, 4 * s as u64 * h);
        encoder.copy_buffer_to_buffer(&room.x.buffer, 0, &room.staging.buffer, 0, states);
        encoder.copy_buffer_to_buffer(&room.embeddings.buffer, 0, &room.staging.buffer, states, embeddings);
        self.gpu.queue.submit([encoder.finish()]);
        (t + s) * config.hidden_size
    }
}

/// Records dispatches into one compute pass.
pub fn record(
    encoder: &mut CommandEncoder,
    steps: &[Step<'_>],
    timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
) {
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
    for step in steps {
        pass.set_pipeline(step.kernel.pipeline());
        pass.set_bind_group(0, step.group, &[]);
        pass.dispatch_workgroups(step.groups.0, step.groups.1, 1);
    }
}
