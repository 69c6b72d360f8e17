//! `GpuModel`: one model on a device, and its forward pass.

use crate::{
    budget::MemoryBudget,
    gpu::{
        Attention, Gpu, GpuError, Kernel, Precision, Profile, Tuning, Variant,
        block::Block,
        heads::{DeviceHeads, HeadGroups, HeadWeights},
        room::{CLOCK_BYTES, Clock, Room, Size},
        weights::{DeviceWeights, Words},
    },
    model::{BertConfig, Pooling, WeightSource},
    packed::PackedBatch,
    readout::{Readout, Scores, Widths},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use wgpu::{BindGroup, CommandEncoder};

/// A model's weights on a device, with the kernels that run it.
#[derive(Debug)]
pub struct GpuModel {
    kernels: Arc<Kernels>,
    weights: DeviceWeights,
    heads: DeviceHeads,
    room: Option<Room>,
}

/// The kernels of a pass.
#[derive(Debug)]
pub struct Kernels {
    config: BertConfig,
    precision: Precision,
    tuning: Tuning,
    pub(crate) embed: Kernel,
    pub(crate) qkv: Kernel,
    pub(crate) attention: Kernel,
    pub(crate) out: Kernel,
    pub(crate) add_norm: Kernel,
    pub(crate) up: Kernel,
    pub(crate) down: Kernel,
    pub(crate) pool: Kernel,
    pub(crate) head: Kernel,
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

impl GpuModel {
    /// Puts the weights on the device, at the cost of `budget`, and runs the kernels once.
    pub fn new(
        gpu: &Gpu,
        budget: &MemoryBudget,
        kernels: Arc<Kernels>,
        source: &dyn WeightSource,
    ) -> Result<Self, GpuError> {
        let weights = DeviceWeights::new(gpu, budget, &kernels.config, source, kernels.precision)?;
        let mut model = Self { kernels, weights, heads: DeviceHeads::default(), room: None };
        // Drivers compile at the first dispatch: better now than under the first user's turn.
        let warm_up = PackedBatch { ids: vec![0, 0], positions: vec![0, 1], sequence: vec![0, 0], offsets: vec![0, 2] };
        let (rows, _) = model.run(gpu, budget, &warm_up, None)?;
        if rows.sentences.iter().all(|x| x.is_finite()) {
            // What comes next may need another one.
            model.drop_room();
            return Ok(model);
        }
        Err(GpuError::Unsupported(format!("{}: the kernels compute numbers that are not finite", gpu.name())))
    }

    /// Runs one packed batch: one submission, one wait. What comes back is what the heads of `readout` say or, without one, every
    /// token's state and every sentence's embedding; and how long the device worked, by its own clock where it has one.
    pub fn run(
        &mut self,
        gpu: &Gpu,
        budget: &MemoryBudget,
        batch: &PackedBatch,
        readout: Option<&Arc<Readout>>,
    ) -> Result<(Scores, Duration), GpuError> {
        gpu.check()?;
        let size = Size::of(batch, self.kernels.config.hidden_size, readout.map(|readout| readout.widths()));
        let widths = size.widths;
        if let Some(readout) = readout {
            self.heads.bring(gpu, budget, readout)?;
        }
        self.make_room(gpu, budget, size)?;
        let begun = Instant::now();
        let room = self.room.as_ref().expect("make_room left some");
        let heads = readout.map(|_| self.heads.latest().expect("it was brought"));
        let numbers = gpu.scoped(|| self.submit(gpu, room, batch, widths, heads))??;
        let mut words = gpu.read_back_words(&room.staging.buffer, numbers + CLOCK_BYTES as usize / 4)?;
        let busy = match room.clock {
            Some(_) => Clock::elapsed(gpu, &words[numbers..]),
            None => begun.elapsed(),
        };
        words.truncate(numbers);
        // The same bits under another name.
        let mut tokens: Vec<f32> = bytemuck::allocation::cast_vec(words);
        let sentences = tokens.split_off(batch.tokens() * widths.token);
        let offsets = batch.offsets.iter().map(|o| *o as usize).collect();
        Ok((Scores { widths, sentences, tokens, offsets }, busy))
    }

    /// Does it hold memory to work in?
    pub fn has_room(&self) -> bool {
        self.room.is_some()
    }

    /// Gives back the heads that the last batch did not ask for; answers whether there were any.
    pub fn drop_idle_heads(&mut self) -> bool {
        self.heads.drop_idle()
    }

    /// Gives back the memory that it works in; the next batch takes it anew.
    pub fn drop_room(&mut self) {
        self.room = None;
    }

    /// Where the time of a pass goes; `None` on a device that does not tell the time.
    pub fn profile(
        &mut self,
        gpu: &Gpu,
        budget: &MemoryBudget,
        batch: &PackedBatch,
    ) -> Result<Option<Profile>, GpuError> {
        self.make_room(gpu, budget, Size::of(batch, self.kernels.config.hidden_size, None))?;
        let room = self.room.as_ref().expect("make_room left some");
        let size = (batch.tokens(), batch.sequences());
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        room.put(gpu, batch, &mut encoder)?;
        gpu.queue.submit([encoder.finish()]);
        Profile::measure(gpu, &self.kernels.steps(room, size))
    }

    /// The kernels that it runs.
    pub fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    /// Sees to it that there is room for the batch; the old one goes first, so that both never stand side by side.
    fn make_room(&mut self, gpu: &Gpu, budget: &MemoryBudget, size: Size) -> Result<(), GpuError> {
        if self.room.as_ref().is_some_and(|room| room.size().holds(size)) {
            return Ok(());
        }
        let old = self.room.take().map_or(Size::default(), |room| room.size());
        gpu.reclaim();
        let kernels = &self.kernels;
        let room = |size| Room::new(gpu, budget, &kernels.config, kernels, &self.weights, size);
        // Where memory is short, no more than this batch needs.
        self.room = Some(match room(size.grown(old)) {
            Err(GpuError::OverBudget(_)) => room(size)?,
            room => room?,
        });
        Ok(())
    }

    /// Records and submits the whole pass with the copy of its results; answers how many numbers were copied.
    fn submit(
        &self,
        gpu: &Gpu,
        room: &Room,
        batch: &PackedBatch,
        widths: Widths,
        heads: Option<&HeadWeights>,
    ) -> Result<usize, GpuError> {
        let (t, s) = (batch.tokens(), batch.sequences());
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        room.put(gpu, batch, &mut encoder)?;
        let times = room.clock.as_ref().map(|clock| wgpu::ComputePassTimestampWrites {
            query_set: &clock.set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        });
        let kernels = &self.kernels;
        let groups = heads.map(|heads| heads.bind(gpu, &kernels.head, room));
        let mut steps = kernels.steps(room, (t, s));
        if let Some(groups) = &groups {
            steps.extend(kernels.head_steps(groups, (t, s)));
        }
        record(&mut encoder, &steps, times);
        let (of_tokens, of_sentences) = (4 * (t * widths.token) as u64, 4 * (s * widths.sentence) as u64);
        let (tokens, sentences) = match heads {
            Some(_) => (&room.token_scores, &room.sentence_scores),
            None => (&room.x, &room.embeddings),
        };
        let result = &room.staging.buffer;
        if of_tokens > 0 {
            encoder.copy_buffer_to_buffer(&tokens.buffer, 0, result, 0, of_tokens);
        }
        encoder.copy_buffer_to_buffer(&sentences.buffer, 0, result, of_tokens, of_sentences);
        let end = of_tokens + of_sentences;
        if let Some(clock) = &room.clock {
            encoder.resolve_query_set(&clock.set, 0..2, &clock.readings.buffer, 0);
            encoder.copy_buffer_to_buffer(&clock.readings.buffer, 0, result, end, CLOCK_BYTES);
        }
        gpu.queue.submit([encoder.finish()]);
        Ok(end as usize / 4)
    }
}

impl Kernels {
    /// Compiles the variants of `tuning` for a model's sizes.
    pub fn new(gpu: &Gpu, config: &BertConfig, precision: Precision, tuning: Tuning) -> Result<Self, GpuError> {
        let (h, f) = (config.hidden_size, config.intermediate_size);
        let rows = tuning.rows;
        let norm = [("H", h as f64), ("EPS", f64::from(config.layer_norm_eps))];
        let part = Words::rows(gpu.binding_bytes_max(), config, precision)?;
        let embed = [norm[0], norm[1], ("PART_ROWS", part as f64)];
        let first = f64::from(u8::from(config.pooling == Pooling::Cls));
        let matmul = |shape, gelu| Kernel::matmul(gpu, tuning.matmul_for(gpu, shape), precision, shape, gelu);
        Ok(Self {
            embed: Kernel::new(gpu, Variant::Embed(rows, precision), &embed)?,
            qkv: matmul((h, 3 * h), false)?,
            attention: Kernel::attention(gpu, tuning.attention, h, config.num_attention_heads)?,
            out: matmul((h, h), false)?,
            add_norm: Kernel::new(gpu, Variant::AddNorm(rows), &norm)?,
            up: matmul((h, f), true)?,
            down: matmul((f, h), false)?,
            pool: Kernel::new(gpu, Variant::Pool(rows), &[("H", h as f64), ("FIRST", first)])?,
            head: Kernel::new(gpu, Variant::Head(rows), &[("H", h as f64)])?,
            config: config.clone(),
            precision,
            tuning,
        })
    }

    /// Are these the kernels for such a model?
    pub fn suit(&self, config: &BertConfig) -> bool {
        self.config == *config
    }

    /// The variants.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
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
    fn steps<'a>(&'a self, room: &'a Room, (t, s): (usize, usize)) -> Vec<Step<'a>> {
        let config = &self.config;
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

    /// The dispatches of heads behind it.
    fn head_steps<'a>(&'a self, groups: &'a HeadGroups, (t, s): (usize, usize)) -> impl Iterator<Item = Step<'a>> {
        let step = |group: &'a BindGroup, rows| {
            let groups = self.head.groups(rows, 1);
            Step { name: "heads", kernel: &self.head, group, groups }
        };
        let token = groups.token.as_ref().map(|group| step(group, t));
        token.into_iter().chain([step(&groups.sentence, s)])
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
