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
    packed::{PackedBatch, Part},
    readout::{Readout, ReadoutLayer, Scores, Widths},
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
        let mut hidden = Hidden { hidden_size: h, offsets: offsets(batch), ..Hidden::default() };
        let widths = Widths { sentence: h, token: h };
        (hidden.tokens, hidden.embeddings) = self.run(batch, widths, |part, _, kept, into| {
            let t = part.tokens();
            into.tokens.copy_from_slice(&kept.x[..t * h]);
            pool_l2(self.config.pooling, &kept.x[..t * h], part.offsets, into.sentences);
        })?;
        Ok(hidden)
    }

    /// Runs one packed batch with the dense layers of heads behind it.
    pub fn score(&self, batch: &PackedBatch, readout: &Readout) -> Result<Scores, OverBudget> {
        let (h, widths) = (self.config.hidden_size, readout.widths());
        let mut scores = Scores { widths, offsets: offsets(batch), ..Scores::default() };
        (scores.tokens, scores.sentences) = self.run(batch, widths, |part, threads, kept, into| {
            let Activations { x, sum, apart, .. } = kept;
            // The last sums are done with: the embeddings take their place.
            let (x, embeddings) = (&x[..part.tokens() * h], &mut sum[..part.sequences() * h]);
            pool_l2(self.config.pooling, x, part.offsets, embeddings);
            let head = |x: &[f32], layer: &ReadoutLayer, apart: &mut [Vec<f32>], y: &mut [f32]| {
                linear(threads, x, &layer.weight, &layer.bias, Epilogue::Bias, apart, y);
            };
            head(embeddings, readout.sentence(), apart, into.sentences);
            if let Some(token) = readout.token() {
                head(x, token, apart, into.tokens);
            }
        })?;
        Ok(scores)
    }

    /// Shares a batch out over the threads. Behind the layers, `read` makes of a part's states what is asked for: rows of `widths`
    /// numbers for each token and for each sequence, which are answered in this order.
    fn run(
        &self,
        batch: &PackedBatch,
        widths: Widths,
        read: impl Fn(Part<'_>, &Threads, &mut Activations, Target<'_>) + Sync,
    ) -> Result<(Vec<f32>, Vec<f32>), OverBudget> {
        let (token_numbers, sentence_numbers) = (batch.tokens() * widths.token, batch.sequences() * widths.sentence);
        // Counted while it is made; whoever gets it counts it from then on.
        let _output = self.budget.reserve(MemoryKind::Scratch, 4 * (token_numbers + sentence_numbers) as u64)?;
        let (mut tokens, mut sentences) = (vec![0.0; token_numbers], vec![0.0; sentence_numbers]);
        let one = Threads::one();
        // Waking a thread that sleeps costs more than a few tokens do, the more so where others want the cores too.
        if batch.tokens() < PARALLEL_TOKENS_MIN {
            self.part(batch.whole(), &one, Target { tokens: &mut tokens, sentences: &mut sentences }, &read)?;
            return Ok((tokens, sentences));
        }
        let parts = batch.split(self.threads.count());
        // Sequences do not depend on one another: with several of them every thread runs a whole pass of its own,
        // and the threads meet once a batch. One alone is shared out product by product.
        self.threads.enter(|| match parts.as_slice() {
            [_] | [] => {
                let into = Target { tokens: &mut tokens, sentences: &mut sentences };
                self.part(batch.whole(), &self.threads, into, &read)
            }
            parts => {
                let (mut tokens, mut sentences) = (&mut tokens[..], &mut sentences[..]);
                let mut shares = Vec::with_capacity(parts.len());
                for part in parts {
                    let (own, rest) = tokens.split_at_mut(part.tokens() * widths.token);
                    let (own_sentences, rest_of_sentences) = sentences.split_at_mut(part.sequences() * widths.sentence);
                    shares.push((part, Target { tokens: own, sentences: own_sentences }));
                    (tokens, sentences) = (rest, rest_of_sentences);
                }
                shares.into_par_iter().try_for_each(|(part, into)| self.part(*part, &one, into, &read))
            }
        })?;
        Ok((tokens, sentences))
    }

    /// The layers for a part, and what is read of them.
    fn part(
        &self,
        part: Part<'_>,
        threads: &Threads,
        into: Target<'_>,
        read: &impl Fn(Part<'_>, &Threads, &mut Activations, Target<'_>),
    ) -> Result<(), OverBudget> {
        let (t, h, f) = (part.tokens(), self.config.hidden_size, self.config.intermediate_size);
        let eps = self.config.layer_norm_eps;
        let mut kept = self.activations.take(&self.config, self.threads.count(), t, &self.budget)?;
        let Activations { x, qkv, context, sum, wide, apart, attention: scratch, .. } = &mut kept;
        let (x, qkv, context) = (&mut x[..t * h], &mut qkv[..t * 3 * h], &mut context[..t * h]);
        let (sum, wide) = (&mut sum[..t * h], &mut wide[..t * f]);
        embed_layernorm(threads, part, &self.words, &self.positions, pair(&self.embedding_norm), eps, x);
        for layer in &self.layers {
            linear(threads, x, &layer.qkv, &layer.qkv_bias, Epilogue::Bias, apart, qkv);
            attention(threads, qkv, part.offsets, self.config.num_attention_heads, scratch, context);
            linear(threads, context, &layer.out, &layer.out_bias, Epilogue::Bias, apart, sum);
            add_layernorm(threads, x, sum, pair(&layer.attention_norm), eps);
            linear(threads, x, &layer.up, &layer.up_bias, Epilogue::BiasGelu, apart, wide);
            linear(threads, wide, &layer.down, &layer.down_bias, Epilogue::Bias, apart, sum);
            add_layernorm(threads, x, sum, pair(&layer.output_norm), eps);
        }
        read(part, threads, &mut kept, into);
        self.activations.put_back(kept, self.threads.count());
        Ok(())
    }
}

/// Where the results of a part belong.
struct Target<'a> {
    tokens: &'a mut [f32],
    sentences: &'a mut [f32],
}

fn offsets(batch: &PackedBatch) -> Vec<usize> {
    batch.offsets.iter().map(|o| *o as usize).collect()
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
