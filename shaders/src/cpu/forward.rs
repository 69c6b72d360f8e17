//! `CpuEncoder`: the forward pass of BERT on the CPU.

use crate::{
    budget::{MemoryBudget, MemoryKind, OverBudget, Reservation},
    cpu::{
        Threads,
        activations::{ActivationPool, Activations},
        attention::attention,
        embed::embed_layernorm,
        gemm::{Panels, Storage},
        matmul::{Epilogue, linear},
        norm::add_layernorm,
        pool::pool_l2,
    },
    hidden::Hidden,
    model::{BertConfig, LayerWeights, Table, WeightSource, Weights},
    packed::PackedBatch,
};
use rayon::prelude::*;
use std::{
    borrow::Cow,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

/// Fewest tokens of a batch that several threads share.
const PARALLEL_TOKENS_MIN: usize = 8;

/// Tokens of the utterance that storages are compared with, how often it runs, and how much less time bf16 must take.
const SHORT: usize = 16;
const ROUNDS: usize = 5;
const FASTER: f64 = 0.95;

/// Weights and threads; any thread may call it.
#[derive(Debug)]
pub struct CpuEncoder {
    config: BertConfig,
    words: Table,
    positions: Vec<f32>,
    embedding_norm: Norm,
    layers: Vec<Layer>,
    reservation: Option<Reservation>,
    storage: Storage,
    threads: Arc<Threads>,
    activations: ActivationPool,
    budget: MemoryBudget,
}

/// Scale and shift.
type Norm = (Vec<f32>, Vec<f32>);

/// One layer, its matrices packed for [`linear`].
#[derive(Debug, Clone)]
struct Layer {
    qkv: Panels,
    qkv_bias: Vec<f32>,
    out: Panels,
    out_bias: Vec<f32>,
    attention_norm: Norm,
    up: Panels,
    up_bias: Vec<f32>,
    down: Panels,
    down_bias: Vec<f32>,
    output_norm: Norm,
}

impl Layer {
    /// The same with its matrices in bf16.
    fn narrow(&self) -> Self {
        let narrow = |panels: &Panels| panels.clone().stored(Storage::Bf16);
        Self {
            qkv: narrow(&self.qkv),
            out: narrow(&self.out),
            up: narrow(&self.up),
            down: narrow(&self.down),
            ..self.clone()
        }
    }
}

impl CpuEncoder {
    /// Takes over weights that were checked against `config`, the matrices of the layers in `storage`.
    pub fn new(
        config: BertConfig,
        weights: Weights,
        storage: Storage,
        threads: Arc<Threads>,
        budget: MemoryBudget,
    ) -> Self {
        let (h, f) = (config.hidden_size, config.intermediate_size);
        let matrix = |numbers: &[f32], k, n| Panels::new(numbers, k, n).stored(storage);
        let pack = |w: LayerWeights| Layer {
            qkv: matrix(&w.qkv, h, 3 * h),
            qkv_bias: w.qkv_bias,
            out: matrix(&w.out, h, h),
            out_bias: w.out_bias,
            attention_norm: w.attention_norm,
            up: matrix(&w.up, h, f),
            up_bias: w.up_bias,
            down: matrix(&w.down, f, h),
            down_bias: w.down_bias,
            output_norm: w.output_norm,
        };
        let mut encoder = Self {
            config,
            words: weights.words,
            positions: weights.positions,
            embedding_norm: weights.embedding_norm,
            layers: weights.layers.into_iter().map(pack).collect(),
            reservation: weights.reservation,
            storage,
            threads,
            activations: ActivationPool::default(),
            budget,
        };
        encoder.count_storage();
        encoder
    }

    /// Gives back what narrow weights do not take.
    fn count_storage(&mut self) {
        if let (Storage::Bf16, Some(reservation)) = (self.storage, &mut self.reservation) {
            reservation.shrink(reservation.bytes().saturating_sub(2 * self.config.matrices_numbers()));
        }
    }

    /// Takes weights in bf16 where a short utterance is faster with them: it reads every weight once, so that their bytes are what it
    /// waits for. Where there is no room for both, they stay as they are.
    pub fn choose_storage(&mut self) -> Result<(), OverBudget> {
        let bytes = 2 * self.config.matrices_numbers();
        let Ok(_both) = self.budget.reserve(MemoryKind::Scratch, bytes) else { return Ok(()) };
        let mut other: Vec<Layer> = self.layers.iter().map(Layer::narrow).collect();
        let (mut wide, mut narrow) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            wide = wide.min(self.short_pass()?);
            std::mem::swap(&mut self.layers, &mut other);
            narrow = narrow.min(self.short_pass()?);
            std::mem::swap(&mut self.layers, &mut other);
        }
        tracing::debug!(?wide, ?narrow, "a short pass with weights in f32 and in bf16");
        if narrow.as_secs_f64() < FASTER * wide.as_secs_f64() {
            self.layers = other;
            self.storage = Storage::Bf16;
            self.count_storage();
        }
        Ok(())
    }

    /// How long an utterance of a few tokens takes.
    fn short_pass(&self) -> Result<Duration, OverBudget> {
        let tokens = SHORT.min(self.config.max_position_embeddings) as u32;
        let batch = PackedBatch {
            ids: vec![0; tokens as usize],
            positions: (0..tokens).collect(),
            sequence: vec![0; tokens as usize],
            offsets: vec![0, tokens],
        };
        let begun = Instant::now();
        self.forward(&batch)?;
        Ok(begun.elapsed())
    }

    /// Its sizes.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// How the matrices of its layers lie in memory.
    pub fn storage(&self) -> Storage {
        self.storage
    }

    /// Its threads.
    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Runs one packed batch; the budget is asked first for the activations that are not kept already.
    pub fn forward(&self, batch: &PackedBatch) -> Result<Hidden, OverBudget> {
        let h = self.config.hidden_size;
        // Counted while it is made; whoever gets it counts it from then on.
        let _output =
            self.budget.reserve(MemoryKind::Scratch, 4 * ((batch.tokens() + batch.sequences()) * h) as u64)?;
        let mut tokens = vec![0.0; batch.tokens() * h];
        let mut embeddings = vec![0.0; batch.sequences() * h];
        // Waking a thread that sleeps costs more than a few tokens do, the more so where others want the cores too.
        if batch.tokens() < PARALLEL_TOKENS_MIN {
            self.run(batch, &Threads::one(), &mut tokens, &mut embeddings)?;
        } else {
            let parts = batch.split(self.threads.count());
            // Sequences do not depend on one another: with several of them every thread runs a whole pass of its own,
            // and the threads meet once a batch. One alone is shared out product by product.
            self.threads.enter(|| match parts.as_slice() {
                [_] | [] => self.run(batch, &self.threads, &mut tokens, &mut embeddings),
                parts => {
                    let (mut tokens, mut embeddings) = (&mut tokens[..], &mut embeddings[..]);
                    let mut places = Vec::with_capacity(parts.len());
                    for part in parts {
                        let (own, rest) = tokens.split_at_mut(part.tokens() * h);
                        let (own_embeddings, rest_of_embeddings) = embeddings.split_at_mut(part.sequences() * h);
                        places.push((part, own, own_embeddings));
                        (tokens, embeddings) = (rest, rest_of_embeddings);
                    }
                    let run = |(part, tokens, embeddings)| self.run(part, &Threads::one(), tokens, embeddings);
                    places.into_par_iter().try_for_each(run)
                }
            })?;
        }
        let offsets = batch.offsets.iter().map(|o| *o as usize).collect();
        Ok(Hidden { hidden_size: h, tokens, offsets, embeddings })
    }

    /// One pass: the states go to `x` (`[T, H]`), what is pooled of them to `embeddings` (`[S, H]`).
    fn run(
        &self,
        batch: &PackedBatch,
        threads: &Threads,
        x: &mut [f32],
        embeddings: &mut [f32],
    ) -> Result<(), OverBudget> {
        let (t, h, f) = (batch.tokens(), self.config.hidden_size, self.config.intermediate_size);
        let eps = self.config.layer_norm_eps;
        let mut kept = self.activations.take(&self.config, self.threads.count(), t, &self.budget)?;
        let Activations { qkv, context, sum, wide, apart, attention: scratch, .. } = &mut kept;
        let (qkv, context) = (&mut qkv[..t * 3 * h], &mut context[..t * h]);
        let (sum, wide) = (&mut sum[..t * h], &mut wide[..t * f]);
        embed_layernorm(threads, batch, &self.words, &self.positions, pair(&self.embedding_norm), eps, x);
        for layer in &self.layers {
            linear(threads, x, &layer.qkv, &layer.qkv_bias, Epilogue::Bias, apart, qkv);
            attention(threads, qkv, &batch.offsets, self.config.num_attention_heads, scratch, context);
            linear(threads, context, &layer.out, &layer.out_bias, Epilogue::Bias, apart, sum);
            add_layernorm(threads, x, sum, pair(&layer.attention_norm), eps);
            linear(threads, x, &layer.up, &layer.up_bias, Epilogue::BiasGelu, apart, wide);
            linear(threads, wide, &layer.down, &layer.down_bias, Epilogue::Bias, apart, sum);
            add_layernorm(threads, x, sum, pair(&layer.output_norm), eps);
        }
        pool_l2(self.config.pooling, x, &batch.offsets, embeddings);
        self.activations.put_back(kept, self.threads.count());
        Ok(())
    }
}

impl WeightSource for CpuEncoder {
    fn words(&self, words: Range<usize>) -> Vec<f32> {
        self.words.to_f32_rows(words, self.config.hidden_size)
    }

    fn positions(&self) -> &[f32] {
        &self.positions
    }

    fn embedding_norm(&self) -> &(Vec<f32>, Vec<f32>) {
        &self.embedding_norm
    }

    fn layers(&self) -> usize {
        self.layers.len()
    }

    fn layer(&self, index: usize) -> Cow<'_, LayerWeights> {
        let layer = &self.layers[index];
        Cow::Owned(LayerWeights {
            qkv: layer.qkv.unpack(),
            qkv_bias: layer.qkv_bias.clone(),
            out: layer.out.unpack(),
            out_bias: layer.out_bias.clone(),
            attention_norm: layer.attention_norm.clone(),
            up: layer.up.unpack(),
            up_bias: layer.up_bias.clone(),
            down: layer.down.unpack(),
            down_bias: layer.down_bias.clone(),
            output_norm: layer.output_norm.clone(),
        })
    }
}

fn pair((scale, shift): &Norm) -> (&[f32], &[f32]) {
    (scale, shift)
}
