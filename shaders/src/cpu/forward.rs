//! `CpuEncoder`: the forward pass of BERT on the CPU.

use crate::{
    budget::{MemoryBudget, OverBudget},
    cpu::{
        Threads,
        attention::attention,
        embed::embed_layernorm,
        matmul::{Epilogue, linear},
        norm::add_layernorm,
        pool::pool_l2,
    },
    hidden::Hidden,
    model::{BertConfig, Weights},
    packed::PackedBatch,
};

/// Weights and threads; any thread may call it.
#[derive(Debug)]
pub struct CpuEncoder {
    config: BertConfig,
    weights: Weights,
    threads: Threads,
    budget: MemoryBudget,
}

impl CpuEncoder {
    /// Takes over weights that were checked against `config`.
    pub fn new(config: BertConfig, weights: Weights, threads: Threads, budget: MemoryBudget) -> Self {
        Self { config, weights, threads, budget }
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
        Ok(self.threads.enter(|| self.run(batch)))
    }

    fn run(&self, batch: &PackedBatch) -> Hidden {
        let (t, h, f) = (batch.tokens(), self.config.hidden_size, self.config.intermediate_size);
        let (w, eps, threads) = (&self.weights, self.config.layer_norm_eps, &self.threads);
        let mut x = vec![0.0; t * h];
        let mut qkv = vec![0.0; t * 3 * h];
        let mut context = vec![0.0; t * h];
        let mut sum = vec![0.0; t * h];
        let mut wide = vec![0.0; t * f];
        embed_layernorm(threads, batch, &w.words, &w.positions, pair(&w.embedding_norm), eps, &mut x);
        for layer in &w.layers {
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

fn pair((scale, shift): &(Vec<f32>, Vec<f32>)) -> (&[f32], &[f32]) {
    (scale, shift)
}
