//! `CpuEncoder`: the forward pass of BERT on the CPU.

use crate::{
    budget::{MemoryBudget, OverBudget, Reservation},
    cpu::{
        Threads,
        attention::attention,
        embed::embed_layernorm,
        gemm::Panels,
        matmul::{Epilogue, linear},
        norm::add_layernorm,
        pool::pool_l2,
    },
    hidden::Hidden,
    model::{BertConfig, LayerWeights, Weights},
    packed::PackedBatch,
};
use rayon::prelude::*;

/// Fewest tokens of a batch that several threads share.
const PARALLEL_TOKENS_MIN: usize = 64;

/// Weights and threads; any thread may call it.
#[derive(Debug)]
pub struct CpuEncoder {
    config: BertConfig,
    words: Vec<f32>,
    positions: Vec<f32>,
    embedding_norm: Norm,
    layers: Vec<Layer>,
    _reservation: Option<Reservation>,
    threads: Threads,
    budget: MemoryBudget,
}

/// Scale and shift.
type Norm = (Vec<f32>, Vec<f32>);

/// One layer, its matrices packed for [`linear`].
#[derive(Debug)]
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

impl CpuEncoder {
    /// Takes over weights that were checked against `config`.
    pub fn new(config: BertConfig, weights: Weights, threads: Threads, budget: MemoryBudget) -> Self {
        let (h, f) = (config.hidden_size, config.intermediate_size);
        let pack = |w: LayerWeights| Layer {
            qkv: Panels::new(&w.qkv, h, 3 * h),
            qkv_bias: w.qkv_bias,
            out: Panels::new(&w.out, h, h),
            out_bias: w.out_bias,
            attention_norm: w.attention_norm,
            up: Panels::new(&w.up, h, f),
            up_bias: w.up_bias,
            down: Panels::new(&w.down, f, h),
            down_bias: w.down_bias,
            output_norm: w.output_norm,
        };
        Self {
            config,
            words: weights.words,
            positions: weights.positions,
            embedding_norm: weights.embedding_norm,
            layers: weights.layers.into_iter().map(pack).collect(),
            _reservation: weights.reservation,
            threads,
            budget,
        }
    }

    /// Its threads.
    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Runs one packed batch; the budget is asked for the activations first.
    pub fn forward(&self, batch: &PackedBatch) -> Result<Hidden, OverBudget> {
        let (t, h, f) = (batch.tokens(), self.config.hidden_size, self.config.intermediate_size);
        let numbers = t * (h + 3 * h + h + h + f) + batch.sequences() * h;
        let _activations = self.budget.reserve(4 * numbers as u64)?;
        // Waking a thread that sleeps costs more than a few tokens do, the more so where others want the cores too.
        if t < PARALLEL_TOKENS_MIN {
            return Ok(self.run(batch, &Threads::one()));
        }
        let parts = batch.split(self.threads.count());
        // Sequences do not depend on one another: with several of them every thread runs a whole pass of its own, and
        // the threads meet once a batch. One alone is shared out product by product.
        Ok(self.threads.enter(|| match parts.as_slice() {
            [_] | [] => self.run(batch, &self.threads),
            parts => {
                let alone = Threads::one();
                let results: Vec<Hidden> = parts.par_iter().map(|part| self.run(part, &alone)).collect();
                let mut joined = Hidden::new(h);
                results.into_iter().for_each(|r| joined.append(r));
                joined
            }
        }))
    }

    fn run(&self, batch: &PackedBatch, threads: &Threads) -> Hidden {
        let (t, h, f) = (batch.tokens(), self.config.hidden_size, self.config.intermediate_size);
        let eps = self.config.layer_norm_eps;
        let mut x = vec![0.0; t * h];
        let mut qkv = vec![0.0; t * 3 * h];
        let mut context = vec![0.0; t * h];
        let mut sum = vec![0.0; t * h];
        let mut wide = vec![0.0; t * f];
        embed_layernorm(threads, batch, &self.words, &self.positions, pair(&self.embedding_norm), eps, &mut x);
        for layer in &self.layers {
            linear(threads, &x, &layer.qkv, &layer.qkv_bias, Epilogue::Bias, &mut qkv);
            attention(threads, &qkv, &batch.offsets, self.config.num_attention_heads, &mut context);
            linear(threads, &context, &layer.out, &layer.out_bias, Epilogue::Bias, &mut sum);
            add_layernorm(threads, &mut x, &sum, pair(&layer.attention_norm), eps);
            linear(threads, &x, &layer.up, &layer.up_bias, Epilogue::BiasGelu, &mut wide);
            linear(threads, &wide, &layer.down, &layer.down_bias, Epilogue::Bias, &mut sum);
            add_layernorm(threads, &mut x, &sum, pair(&layer.output_norm), eps);
        }
        let mut embeddings = vec![0.0; batch.sequences() * h];
        pool_l2(&x, &batch.offsets, &mut embeddings);
        let offsets = batch.offsets.iter().map(|o| *o as usize).collect();
        Hidden { hidden_size: h, tokens: x, offsets, embeddings }
    }
}

fn pair((scale, shift): &Norm) -> (&[f32], &[f32]) {
    (scale, shift)
}
